"""Run one scenario and write its telemetry folder."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments import tracking
from experiments.chronicle import chronicle
from experiments.contenders import Contender, contender
from experiments.episode import EpisodeResult, judge, live
from experiments.orders import Order, give
from twin.actions import Ticket
from twin.openstack.mutation.coverage import never_reached
from twin.scenario import ResolvedScenario, Scenario, ScenarioError, to_yaml
from twin.telemetry import folder as telemetry
from twin.world import World

SLICE = 5.0
"""Simulated seconds between two calls of `on_progress` where nobody decides."""
CHUNK = 60.0
"""Simulated seconds after which what has been recorded goes to disk."""


class Stopped(KeyboardInterrupt):
    """Raised by who attends a world, to end the run where it stands. What has been recorded is kept."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a simulation left."""

    folder: Path
    digest: str
    """sha256 over the names and hashes of all files of the folder: equal for equal telemetry."""
    result: EpisodeResult
    run: str
    """Id of the MLflow run; empty where it was not tracked."""
    tickets: tuple[Ticket, ...] = ()
    """Every action that was ordered."""
    never_reached: tuple[str, ...] = ()
    """Of each mutation that changed a call which nobody made while it was there: a line that says so."""


def simulate(
    scenario: Scenario,
    folder: Path,
    *,
    seed: int | None = None,
    policy: str | None = None,
    force: bool = False,
    track: bool = True,
    command: Sequence[str] = (),
    on_progress: Callable[[World], None] = lambda world: None,
    orders: Sequence[Order] = (),
    attend: Callable[[World], None] = lambda world: None,
) -> Simulation:
    """Live through a scenario up to its horizon and write the telemetry into `folder`, as it comes.

    Without a policy nobody acts, but for the `orders` given. `attend` is called with the world before it lives. The
    folder has its manifest, and can be read, once the run has ended, also where `Stopped` ended it.

    Raises FolderError where the folder is not empty and `force` is not given, ScenarioError where the
    scenario cannot be built.
    """
    resolved = scenario.resolve(seed)
    who = None if policy in (None, "noop") else contender(str(policy))
    telemetry.prepare(folder, force)
    name = policy or "noop"
    if not track:
        return _simulate(scenario, resolved, folder, who, name, on_progress, None, orders, attend)
    parameters = {"scenario": resolved.metadata.name, "seed": resolved.spec.seed, "policy": name}
    with tracking.run(f"simulate {resolved.metadata.name}", "simulate", parameters=parameters, command=command) as run:
        run.text(to_yaml(resolved), "scenario.yaml")
        run.dataset(resolved.metadata.name, scenario.digest, "simulation", {"seeds": [resolved.spec.seed]})
        return _simulate(scenario, resolved, folder, who, name, on_progress, run, orders, attend)


def _simulate(
    scenario: Scenario,
    resolved: ResolvedScenario,
    folder: Path,
    who: Contender | None,
    name: str,
    on_progress: Callable[[World], None],
    run: tracking.Run | None,
    orders: Sequence[Order],
    attend: Callable[[World], None],
) -> Simulation:
    began = time.process_time()
    stream = _Stream(folder, on_progress)
    try:
        world = _lived(resolved, who, stream.step, orders, attend)
    except ScenarioError as error:
        raise scenario.locate(error) from None
    except Stopped as stopped:
        stream.close(stopped.world)
        raise
    cpu = time.process_time() - began
    digest = digest_of(stream.close(world))
    result = judge(world, name)
    if run is not None:
        run.tag("healtwin.telemetry_sha256", digest)
        run.parameters({"out": folder, "telemetry_sha256": digest})
        run.log(
            {
                "violation_seconds": result.violation_seconds,
                "loss_seconds": result.loss_seconds,
                "log_lines": world.recorder.logged,
                "spans": world.recorder.traced,
                "alarms": len(world.recorder.alarms),
                "actions": result.actions,
                "simulated_seconds_per_cpu_second": world.now / max(cpu, 1e-9),
            }
        )
        written = telemetry.read(folder)
        run.json(chronicle(world, name, written.each_span(), written.each_line()), "chronicle.json")
    run_id = run.id if run is not None else ""
    return Simulation(folder, digest, result, run_id, tuple(world.tickets), _never_reached(world))


def _never_reached(world: World) -> tuple[str, ...]:
    missed = never_reached(world.components.values()).items()
    return tuple(
        f"{fault}: {component} never came by {text.partition('|')[0]} while it was mutated, so nothing has changed"
        for fault, (text, component) in missed
    )


class _Stream:
    """Writes the telemetry of a world while it lives. The writer is made with the first step: only then is a world."""

    def __init__(self, folder: Path, on_progress: Callable[[World], None]) -> None:
        self._folder = folder
        self._on_progress = on_progress
        self._writer: telemetry.Writer | None = None
        self._written = 0.0

    def step(self, world: World) -> None:
        """The world has lived on."""
        if world.now - self._written >= CHUNK:
            self._of(world).write()
            self._written = world.now
        self._on_progress(world)

    def close(self, world: World) -> dict[str, str]:
        """The world has lived to its end; returns the sha256 of each file by its relative name."""
        return self._of(world).close()

    def _of(self, world: World) -> telemetry.Writer:
        if self._writer is None:
            self._writer = telemetry.Writer(world, self._folder, forgets=True)
        return self._writer


def _lived(
    resolved: ResolvedScenario,
    who: Contender | None,
    on_progress: Callable[[World], None],
    orders: Sequence[Order],
    attend: Callable[[World], None],
) -> World:
    if who is not None:
        return live(resolved, resolved.spec.seed, who.policy, who.wrap, on_progress, attend)
    world = World(resolved, resolved.spec.seed)
    attend(world)
    give(world, orders)
    while world.now < world.spec.horizon:
        world.run(until=min(world.now + SLICE, world.spec.horizon))
        on_progress(world)
    return world


def digest_of(hashes: dict[str, str]) -> str:
    """One sha256 for the hashes of a folder's files."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
