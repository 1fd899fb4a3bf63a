"""The world: one simulated cluster living through one scenario.

    world = World(Scenario.load("scenarios/inference/gpu-power-cap.yaml"), seed=7)
    world.run(until=600)
    window = world.observe(last=60)
    ticket = world.apply(Action("restart", target="ray-replicas-1"))

The kernel knows components, conditions, actions and telemetry; what the components do is in `twin.inference` and
`twin.openstack`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from twin import faults, inference, openstack
from twin.actions import Action, Operation, Ticket, legal, order
from twin.clock import Clock
from twin.components import Component
from twin.network import Network
from twin.scenario import ResolvedScenario, Scenario, ScenarioError
from twin.scenario.alert_rules import alert_rules
from twin.slo import Objective, SloMeter
from twin.streams import Streams
from twin.telemetry import dialects
from twin.telemetry.alarms import Watch
from twin.telemetry.exposition import exposition
from twin.telemetry.features import FEATURES, hidden
from twin.telemetry.lines import render
from twin.telemetry.recorder import Muted, Recorder
from twin.telemetry.records import LogLine
from twin.telemetry.window import Node, Topology, Window
from twin.truth import Truth


class Cluster(Protocol):
    """What the kernel needs of a cluster; `inference.build` and `openstack.build` make one."""

    def start(self) -> None:
        """Bring every component up at time zero and let the workload begin."""

    def objectives(self) -> list[Objective]:
        """The scenario's objectives, as the signals this cluster reports to `world.slo`."""

    @property
    def operations(self) -> Mapping[str, Operation]:
        """Recovery actions that need to know the cluster's shape, by category."""


CLUSTERS: dict[str, Callable[[World], Cluster]] = {"inference": inference.build, "openstack": openstack.build}


class World:
    """A simulated cluster. Same resolved scenario, seed, versions and CPU family: byte-identical telemetry.

    Raises ScenarioError when the scenario cannot be built: no such preset, a target that matches nothing, a fault
    on a kind that it cannot hit, a model that does not fit.
    """

    def __init__(self, scenario: Scenario | ResolvedScenario, seed: int | None = None) -> None:
        self.scenario = scenario.resolve(seed) if isinstance(scenario, Scenario) else scenario.with_seed(seed)
        self.spec = self.scenario.spec
        self.seed = self.spec.seed
        self.clock = Clock()
        self.streams = Streams(self.seed)
        self.recorder = (Muted if self.spec.telemetry.mode == "off" else Recorder)(self.streams["trace"])
        self.network = Network(self)
        self.truth = Truth()
        self.components: dict[str, Component] = {}
        self.arrangement = object()
        """Another one whenever something has been placed elsewhere, or a condition has come or gone."""
        self.in_flight: dict[str, Ticket] = {}
        """Actions in progress, by every component that they occupy."""
        self.tickets: list[Ticket] = []
        self.dialect = dialects.spoken(self.spec)
        self._hidden = hidden(self.spec.telemetry.profile, dialects.absent(self.dialect, FEATURES))
        try:
            self.cluster: Cluster = CLUSTERS[self.spec.cluster.kind](self)
            self.slo = SloMeter(self.cluster.objectives(), self.spec.slo.window)
            self.topology = self._topology()
            self.exposition = exposition(((c.name, c.metrics) for c in self.components.values()), FEATURES)
            self.watch = Watch.of(self, alert_rules(self.spec))
            self.plans = faults.plan(self)
            self._weather = faults.weather(self)
        except ScenarioError as error:
            raise (scenario.locate(error) if isinstance(scenario, Scenario) else error) from None
        self.cluster.start()
        self.clock.process(self._close_seconds())
        if self.spec.telemetry.mode == "scraped":
            self.clock.process(self._scrape())
        for plan in self.plans:
            self.clock.process(self._live_through(plan))
        self._expect_failure()

    def register(self, component: Component) -> None:
        """Called by every component when it is made; names are unique."""
        if component.name in self.components:
            raise ValueError(f"two components named {component.name}")
        self.components[component.name] = component
        self.arrangement = object()

    def topology_changed(self) -> None:
        """Called when a component moved."""
        self.arrangement = object()
        self.topology = self._topology()

    # --- time -------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Simulated seconds since the epoch of the scenario."""
        return self.clock._now  # past SimPy's own property: this is read more than anything else

    def run(self, until: float | None = None) -> None:
        """Live until the given simulated second (default: the horizon)."""
        until = self.spec.horizon if until is None else until
        if until > self.now:
            self.clock.live_until(until)

    # --- observation ------------------------------------------------------------------------------------------

    def observe(self, last: float) -> Window:
        """The telemetry of the last seconds, as old as the last scrape. Logs and spans are rendered when asked for."""
        end, start = self.now, max(0.0, self.now - last)
        scrapes = self.recorder.scrapes_between(start, end)
        written = self.recorder.logged  # an action ordered now may log at this very moment, later
        rows = self.recorder.scrapes[scrapes]
        shape = (len(self.topology.components), len(FEATURES), 0)
        return Window(
            start=start,
            end=end,
            epoch=self.epoch,
            topology=self.topology,
            features=FEATURES,
            scrape_times=np.asarray(self.recorder.scrape_times[scrapes]),
            metrics=np.stack(rows, axis=2) if rows else np.empty(shape, np.float32),
            alarms=tuple(a for a in self.recorder.alarms if a.resolved is None or a.resolved > start),
            _render_logs=lambda: self.log_lines(start, end, written),
            _count_lines=lambda since: self.recorder.count_lines(max(since, start), end, written),
            _spans=lambda: self.recorder.spans_between(start, end),
        )

    def log_lines(self, start: float, end: float, written: int | None = None) -> list[LogLine]:
        """The rendered log lines with start < time <= end, of the first `written` lines where given."""
        return [render(record, self.epoch, self.dialect) for record in self.recorder.logs_between(start, end, written)]

    @property
    def epoch(self) -> float:
        """Unix time of simulated second zero."""
        return self.spec.epoch.timestamp()

    # --- actions ----------------------------------------------------------------------------------------------

    def legal(self, category: str, target: Component) -> bool:
        """Whether the action could be ordered now."""
        return legal(self, category, target)

    def apply(self, action: Action) -> Ticket:
        """Order an action; it runs while the world does. An illegal one changes nothing and is counted."""
        ticket = order(self, action)
        self.tickets.append(ticket)
        return ticket

    # --- what goes on by itself -------------------------------------------------------------------------------

    def _live_through(self, plan: faults.Plan) -> Generator[Any, Any, None]:
        yield self.clock.timeout(plan.at - self.now)
        for component, condition in plan.conditions:
            self.truth.injected(component.name, condition, self.now)
            component.impose(condition)
        if plan.until is not None:
            yield self.clock.timeout(plan.until - self.now)
            for component in tuple(self.components.values()):  # hardware may serve in another role by now
                for condition in [c for c in component.conditions if c.cause == plan.fault]:
                    self.truth.cleared(component.name, [condition], self.now, by="expired")
                    component.lift(condition)

    def _expect_failure(self) -> None:
        """Wait for the next background failure; the one after it is drawn when it has come."""
        failure = next(self._weather, None)
        if failure is not None:
            time, happen = failure
            self.clock.at(time, lambda _: self._befall(happen))

    def _befall(self, happen: Callable[[], faults.Plan | None]) -> None:
        plan = happen()
        if plan is not None:
            self.clock.process(self._live_through(plan))
        self._expect_failure()

    def _close_seconds(self) -> Generator[Any, Any, None]:
        while True:
            yield self.clock.timeout(1.0)
            self.slo.close_second(self.now)
            if self.slo.violated[-1]:
                self.truth.violated(self.now)

    def _scrape(self) -> Generator[Any, Any, None]:
        while True:
            yield self.clock.timeout(self.spec.telemetry.scrape)
            self.recorder.scrape(self.now, *self._sample())
            self.watch.evaluate(self.now, self.recorder.series[-1], self.recorder.alarms)

    def _sample(self) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """The features [component, feature] and all series [series] of one scrape; NaN where nobody answers."""
        layout = self.exposition
        series = np.full(layout.size, np.nan)
        for component, offset in zip(self.components.values(), layout.offsets, strict=True):
            if component.metrics and component.reachable:
                sample = component.sample()
                series[offset : offset + len(sample)] = sample
        values = np.full((len(self.components), len(FEATURES)), np.nan, np.float32)
        values[layout.rows, layout.columns] = series[layout.positions]
        values[:, self._hidden] = np.nan
        return values, series

    def _topology(self) -> Topology:
        everything = self.components.values()
        return Topology(
            cluster=self.spec.cluster.kind,
            components=tuple(Node(c.name, c.kind, c.place.name if c.place else None) for c in everything),
            edges=tuple((c.name, callee.name) for c in everything for callee in c.depends_on),
        )
