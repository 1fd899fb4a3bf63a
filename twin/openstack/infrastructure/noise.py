"""Tenants' guests that want much: who is loud on a host, until it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.mechanics.layers import Layer

if TYPE_CHECKING:
    from twin.openstack.infrastructure.domains import Domain
    from twin.openstack.infrastructure.hypervisor import Hypervisor


BACK_WITHIN = 120.0
"""Seconds after which a guest without a domain is taken for deleted (assumed; a hard reboot takes a few)."""


class Noise:
    """The guests of one host that a tenant works hard, under the conditions `guest_cpu` and `guest_streams`.

    The tenant with most guests there is meant, and as many of its guests as `noisy_guests` says. What it asks for is
    its own: no restart takes it away. It goes where its guests go: a host from which all of them have left is
    relieved, and the next one bears them.
    """

    def __init__(self, host: Hypervisor) -> None:
        self.host = host
        self.loud: set[str] = set()
        """The guests here that work hard."""

    def demand_changed(self) -> None:
        """The tenants' demand began or ended."""
        host = self.host
        wanted = host.value("noisy_guests") > 0
        if wanted and not self.loud:
            self._begin()
        for uuid in self.loud:
            if uuid in host.domains:  # or it is on its way here
                self._wants(host.domains[uuid], host.value("guest_cpu"), host.value("guest_streams"))
        if not wanted:
            self.loud.clear()

    def arrived(self) -> None:
        """A guest runs here now; where a demand has found nobody yet, it may be this one's tenant's."""
        if self.host.conditions and not self.loud:
            self.demand_changed()

    def handed(self, uuid: str, target: Hypervisor) -> None:
        """A guest runs on another host now, and takes along what its tenant asks of it."""
        host = self.host
        if uuid in self.loud:
            target.noise.loud.add(uuid)
            for condition in [c for c in host.conditions if c.layer is Layer.DEMAND]:
                if condition not in target.conditions:
                    host.world.truth.injected(target.name, condition, host.world.now)
                    target.impose(condition)
            self.left(uuid)

    def undefined(self, uuid: str) -> None:
        """A guest's domain is gone. A hard reboot defines it anew at once, and then it is as loud as before."""
        if uuid in self.loud:
            host = self.host
            host.clock.at(host.world.now + BACK_WITHIN, lambda _: None if uuid in host.domains else self.left(uuid))

    def left(self, uuid: str) -> None:
        """A guest is not here any more. With the last loud one the demand has left this host."""
        if uuid in self.loud:
            self.loud.discard(uuid)
            if not self.loud:
                self.host.renew(frozenset({Layer.DEMAND}), by="its guests left")

    def _begin(self) -> None:
        host = self.host
        running = [domain for domain in host.domains.values() if domain.active]
        projects: dict[str, int] = {}
        for domain in running:
            projects[domain.project] = projects.get(domain.project, 0) + 1
        if not projects:
            return
        project = max(projects, key=lambda name: projects[name])
        stream = host.world.streams["guest/noise"]
        mine = sorted((d for d in running if d.project == project), key=lambda d: stream.uniform(d.uuid))
        self.loud.update(domain.uuid for domain in mine[: int(host.value("noisy_guests"))])

    def _wants(self, domain: Domain, cpu: float, streams: float) -> None:
        usual = self.host.demand.get(domain.uuid, 0.0)
        domain.demand_cpu, domain.demand_streams = max(cpu, usual), max(streams, usual)
        self.host.reload(domain)
