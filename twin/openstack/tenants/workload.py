"""What the tenants of a cloud do: who comes when, with which load, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING

from twin.openstack.oslo.service import Steps
from twin.openstack.site import Site
from twin.openstack.tenants.availability import Probes
from twin.openstack.tenants.capacity import DEFAULT_FLAVORS, USERS
from twin.openstack.tenants.client import Requests
from twin.openstack.tenants.deployment import deployment
from twin.openstack.tenants.fleet import Fleet
from twin.openstack.tenants.lifecycle import Lifecycle
from twin.openstack.tenants.network import network_load
from twin.openstack.tenants.operations import operations
from twin.openstack.tenants.reading import Readers
from twin.openstack.tenants.storage import storage
from twin.openstack.tenants.tester import Tester, Trial
from twin.scenario.workload import Concurrency, Load

if TYPE_CHECKING:
    from twin.world import World

TESTS = {"deployment": deployment, "network": network_load, "storage": storage, "operations": operations}
"""The loads of testers, by kind."""

DEFAULT_RATE = 0.1
"""Servers created per second where the scenario names no arrivals."""


class Workload:
    """All loads of a scenario, and the servers that its tenants have had before; `hosts` take those.

    Every draw is keyed by the number of the run that it belongs to. The arrivals of a load, and each user of a closed
    loop, have numbers of their own: who is late changes nobody else's.
    """

    def __init__(self, site: Site, hosts: Sequence[str]) -> None:
        self.site = site
        self.world: World = site.world
        self.requests = Requests()
        self.trials: list[Trial] = []
        """What the testers' runs came to, in the order of their ends."""
        self.started = self.completed = self.abandoned = 0
        """Runs (server lives, testers' runs) begun, ended well, ended otherwise."""
        self.stopped = False
        tenants = self.world.spec.workload.tenants
        self.fleet = Fleet(site, tenants, hosts) if tenants is not None else None
        self.probes = Probes(self.fleet) if self.fleet is not None else None
        users = self.world.streams["openstack/users"]
        self.users = [(users.hexadecimal(32, "user", i), users.hexadecimal(32, "project", i)) for i in range(USERS)]

    def start(self) -> None:
        """Place tenants' servers, and let clients come from now on."""
        if self.fleet is not None and self.probes is not None:
            self.fleet.place()
            self.probes.start()
            self.world.clock.process(self.fleet.live())
        spec = self.world.spec.workload
        loads = [(load, _loop(load)) for load in spec.all_loads()]
        series = sum(loop.users if loop else 1 for _, loop in loads)
        numbers = [count(first, series) for first in range(1, series + 1)]
        for load, loop in loads:
            users = loop.users if loop else 1
            self.world.clock.process(self._begin(load, loop, numbers[:users]))
            del numbers[:users]
        if spec.requests is not None:
            self.world.clock.process(Readers(self, spec.requests, spec.mix).run())

    def stop(self) -> None:
        """Nobody comes any more; who is there goes on to the end."""
        self.stopped = True

    # --- arrivals ------------------------------------------------------------------------------------------------

    def _begin(self, load: Load, loop: Concurrency | None, numbers: Sequence[Iterator[int]]) -> Steps:
        if load.at:
            yield self.world.clock.timeout(load.at)
        if loop is None:
            yield from self._arrive(load, numbers[0])
            return
        for user in range(loop.users):
            self.world.clock.process(self._come_again(load, user, loop, numbers[user]))

    def _arrive(self, load: Load, numbers: Iterator[int]) -> Steps:
        arrivals, run = load.arrivals, self._runner(load)
        constant = arrivals.constant if arrivals else None
        poisson = (arrivals.poisson if arrivals else None) or DEFAULT_RATE
        gaps = self.world.streams["workload/arrivals"]
        come = 0
        while load.repeat is None or come < load.repeat:
            come += 1
            number = next(numbers)
            gap = 1.0 / constant if constant else gaps.exponential(1.0 / poisson, number)
            yield self.world.clock.timeout(gap)
            if self.stopped:
                return
            self.world.clock.process(run(number))

    def _come_again(self, load: Load, user: int, loop: Concurrency, numbers: Iterator[int]) -> Steps:
        """One user of a closed loop: one run after the other."""
        clock, thinking = self.world.clock, self.world.streams["workload/think"]
        yield clock.timeout(loop.ramp * user / loop.users)
        if load.client is not None and load.client.keep is not None:
            yield from Lifecycle(self, load).keep(loop, numbers)
            return
        run, come = self._runner(load), 0
        repeat = 1 if load.repeat is None and load.arrivals is None else load.repeat
        while not self.stopped and (repeat is None or come < repeat):
            come += 1
            number = next(numbers)
            yield from run(number)
            yield clock.timeout(loop.think * thinking.between(0.9, 1.1, number))

    def _runner(self, load: Load) -> Callable[[int], Steps]:
        return Lifecycle(self, load).live if load.kind == "lifecycle" else lambda number: self._test(load, number)

    # --- runs ----------------------------------------------------------------------------------------------------

    def _test(self, load: Load, number: int) -> Steps:
        """One run of a tester, who has a project of its own, as in the studies."""
        stream = self.world.streams["openstack/users"]
        user, project = stream.hexadecimal(32, "tester", number), stream.hexadecimal(32, "test", number)
        self.began(number)
        flavor = load.flavor or DEFAULT_FLAVORS[load.kind]
        tester = Tester(self.site, self.requests, load.kind, number, user, project, flavor)
        trial: Trial = yield from tester.run(TESTS[load.kind])
        self.trials.append(trial)
        self.ended(number, trial.well)
        if load.sweep:
            yield from tester.sweep()

    def user(self, number: int) -> tuple[str, str]:
        """Who lives the server life of that number: user and project."""
        return self.world.streams["openstack/users"].choice(self.users, number)

    def began(self, number: int) -> None:
        """A run begins: `success` is owed."""
        self.started += 1
        self.world.slo.opened("success", number, self.world.now)

    def ended(self, number: int, well: bool) -> None:
        """A run is over; `success` is met where no request failed and nothing was in a wrong state."""
        if well:
            self.completed += 1
            self.world.slo.met("success", number, self.world.now)
        else:
            self.abandoned += 1
            self.world.slo.failed("success", number)


def _loop(load: Load) -> Concurrency | None:
    """The closed loop of a load; None where its runs arrive by themselves."""
    if load.arrivals is None:
        return Concurrency(users=1) if load.kind != "lifecycle" else None
    return load.arrivals.concurrency
