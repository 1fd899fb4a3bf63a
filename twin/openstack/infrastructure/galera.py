"""The Galera cluster: who is in it, who has quorum, what a commit waits for, how a server comes back.

Membership as gcomm does it: a member that says good-bye is let go at once; one that falls silent is suspected for
`evs.suspect_timeout`, during which no transaction commits; then whoever still holds more than half of the last primary
component is the primary component, and everybody else answers nothing but 1047. One server alone is a cluster of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twin.mechanics import galera as limits
from twin.mechanics.network import NIC_BYTES_PER_SECOND
from twin.node import Node
from twin.openstack.infrastructure import logs
from twin.openstack.infrastructure.connections import Connections
from twin.openstack.infrastructure.mysql import DONOR, JOINER, SYNCED, UNDEFINED, MySQL
from twin.openstack.oslo.context import Context, aside
from twin.openstack.oslo.service import Steps

if TYPE_CHECKING:
    from twin.openstack.site import Site

PRIMARY_WAIT = 30.0
"""`pc.wait_prim_timeout`: a starting member that finds no primary component gives up."""


class Galera:
    """The servers as one cluster, and the services' connections to it (`execute`)."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.world = site.world
        self.clock = site.world.clock
        self.servers: list[MySQL] = []
        self.view: list[MySQL] = []
        """The last primary component."""
        self.sequence = 0
        """Write sets so far."""
        self.unsettled_until = 0.0
        """Until when the members find out who is left; nothing commits meanwhile."""
        self.connections = Connections(self)
        self.execute = self.connections.execute
        self.broken = self.connections.broken
        self.forget = self.connections.forget
        self._waiting: list[MySQL] = []
        self._installing = False
        self.uuid = self.world.streams["galera/uuid"].uuid("cluster")

    # --- what the services and the exporters ask -----------------------------------------------------------------

    @property
    def up(self) -> bool:
        """Whether any server executes statements."""
        return any(server.ready for server in self.servers)

    def size_seen_by(self, server: MySQL) -> int:
        """`wsrep_cluster_size` as a server sees it."""
        if server.primary:
            return len(self.view)
        return sum(1 for s in self.servers if s.up and self._reaches(server, s))

    def backlog(self, server: MySQL) -> float:
        """Write sets that wait for a server's appliers (`wsrep_local_recv_queue`)."""
        return max(0.0, server.applied_at - self.world.now) / (limits.APPLY * self._stretch(server))

    # --- replication ---------------------------------------------------------------------------------------------

    def replicate(self, server: MySQL, statements: int) -> float:
        """Seconds that a write set of so many statements takes to be ordered in the group, with flow control."""
        if len(self.view) < 2:
            return 0.0
        now, longest = self.world.now, 0.0
        limit = limits.flow_control_limit(len(self.view))
        for member in self.view:
            if member is server:
                continue
            member.received += 1
            apply = limits.APPLY * statements * self._stretch(member) / limits.APPLIERS
            member.applied_at = max(member.applied_at, now) + apply
            over = member.applied_at - now - limit * apply
            if over > 0:
                member.paused += over
            longest = max(longest, over, self.world.network.round_trip(server, member))
        return longest

    def conflicts(self, server: MySQL, context: Context) -> bool:
        """Whether certification fails: a transaction on another member wrote the same rows at the same time."""
        key = aside(context, "certification")
        others = sum(member.writing for member in self.view if member is not server)
        if not others:
            return False
        draw = self.world.streams["galera/certification"].uniform(*key)
        return draw > (1.0 - limits.ROW_COLLISION) ** others

    def committed(self, server: MySQL) -> None:
        """A write set is certified: every member has it; one that cannot store it leaves."""
        self.sequence += 1
        for member in self.view:
            member.committed = self.sequence
        if self.site.world.arrangement is not self._healthy_arrangement:
            self._expel_full(server)

    _healthy_arrangement: object = None

    def _expel_full(self, writer: MySQL) -> None:
        """A member without room on its disk cannot apply, finds itself inconsistent and goes."""
        full = [m for m in self.view if m is not writer and m.up and m.node.disk_full]
        for member in full:
            member.inconsistent(self.uuid, self.sequence)
        if not full:
            self._healthy_arrangement = self.world.arrangement

    def _stretch(self, server: MySQL) -> float:
        return server.value("service_time") * server.slow

    # --- membership ----------------------------------------------------------------------------------------------

    def left(self, server: MySQL, graceful: bool) -> None:
        """A server is gone."""
        if server in self._waiting:
            self._waiting.remove(server)
        if server not in self.view:
            return
        if graceful:
            if len(self.view) > 1:  # the last one keeps the state, and may start alone
                self.view.remove(server)
                self._announce(self.view)
        else:
            self._suspect([server])

    def look(self) -> None:
        """The network between the servers, or a server, changed."""
        if len(self.servers) < 2:
            return
        running = [s for s in self.servers if s.up]
        cut = [s for s in self.view if s.up and any(not self._reaches(s, o) for o in self.view if o.up)]
        if cut:
            self._suspect(cut)
        elif any(not s.primary for s in running):
            self.clock.at(self.world.now + limits.REJOIN, lambda _: self._install())

    def _suspect(self, suspects: Sequence[MySQL]) -> None:
        """Members fell silent. Whoever is left finds out after the time-out."""
        if self._installing or not any(s.up for s in self.view):
            return
        self._installing = True
        self.unsettled_until = self.world.now + limits.SUSPECT_TIMEOUT + limits.INSTALL_VIEW

        def note(_: object) -> None:
            for member in self.view:
                for suspect in suspects:
                    if member.up and member is not suspect and not (suspect.up and self._reaches(member, suspect)):
                        member.log(logs.GALERA_SUSPECTED, 0, self.servers.index(suspect))

        def install(_: object) -> None:
            self._installing = False
            self._install()

        self.clock.at(self.world.now + limits.SUSPECT_TIMEOUT, note)
        self.clock.at(self.unsettled_until, install)

    def _install(self) -> None:
        """Agree on views: of the parts that hear each other, one may be primary; late ones catch up."""
        parts = self._parts()
        heir = next((p for p in parts if self._has_quorum(p)), None)
        for part in parts:
            if part is not heir:
                for server in part:
                    self._lose_quorum(server, part)
        if heir is None:
            return
        members = [s for s in heir if s in self.view]
        if members != self.view or not all(s.primary for s in members):
            self.view = members
            for server in members:
                if not server.primary:
                    server.primary, server.wsrep = True, SYNCED
                    server.log(logs.WSREP_SYNCED, 2)
            self._announce(members)
        for server in heir:
            if server not in self.view and server.wsrep == UNDEFINED:
                server.spawn(self._rejoin(server))

    def _has_quorum(self, part: Sequence[MySQL]) -> bool:
        of_last = sum(s in self.view for s in part)
        return limits.primary(of_last, len(self.view), 0)

    def _lose_quorum(self, server: MySQL, part: Sequence[MySQL]) -> None:
        if not server.primary:
            return
        server.log(logs.GALERA_COMPONENT, 0, "no", part.index(server), len(part))
        server.log(logs.GALERA_NON_PRIMARY, 0)
        server.log(logs.GALERA_SHIFT, 0, "SYNCED", "OPEN", server.committed)
        server.primary, server.wsrep = False, UNDEFINED

    def _announce(self, members: Sequence[MySQL]) -> None:
        for i, server in enumerate(members):
            if server.up and len(self.servers) > 1:
                server.log(logs.GALERA_COMPONENT, 0, "yes", i, len(members))

    def _parts(self) -> list[list[MySQL]]:
        """The running servers, by who hears whom."""
        left = [s for s in self.servers if s.up]
        parts: list[list[MySQL]] = []
        while left:
            part = [left.pop(0)]
            for server in part:
                heard = [s for s in left if self._reaches(server, s)]
                part += heard
                left = [s for s in left if s not in heard]
            parts.append(sorted(part, key=self.servers.index))
        return parts

    def _reaches(self, one: MySQL, other: MySQL) -> bool:
        return one is other or self.world.network.reachable(one, other)

    # --- coming back ---------------------------------------------------------------------------------------------

    def join(self, server: MySQL) -> Steps:
        """Find the primary component and catch up; whether it worked."""
        deadline = self.world.now + PRIMARY_WAIT
        self._waiting.append(server)
        while True:
            if any(s.ready and self._reaches(server, s) for s in self.view):
                self._waiting.remove(server)
                return (yield from self._catch_up(server))
            if self._can_restore(server):
                break
            if self.world.now >= deadline:
                self._waiting.remove(server)
                server.log(logs.GALERA_NO_PRIMARY, 0)
                server.log(logs.MYSQL_ABORTING, 0)
                return False
            yield self.clock.timeout(1.0)
        # All of the last primary component are back (pc.recovery): it exists again.
        self._waiting.remove(server)
        server.primary, server.wsrep, server.committed = True, SYNCED, self.sequence
        return True

    def _can_restore(self, server: MySQL) -> bool:
        """Whether everybody of the last primary component is there, running without quorum or starting."""
        present = [s for s in self.view if s in self._waiting or s.up or s.primary]
        return len(present) == len(self.view) and server in self.view

    def joined(self, server: MySQL) -> None:
        """A server runs: at the beginning of time, or after it has caught up."""
        if self.world.now == 0:
            server.primary, server.wsrep = True, SYNCED
        if server not in self.view and server.primary:
            self.view = [s for s in self.servers if s in self.view or s is server]
        if self.world.now > 0:
            self._announce(self.view)
            if len(self.servers) > 1:
                server.log(logs.WSREP_SYNCED, 2)
        if any(s.up and not s.primary for s in self.servers):
            self._install()

    def bootstrap(self, server: MySQL) -> None:
        """An operator declares a running server's part primary (`pc.bootstrap=true`)."""
        if not server.up:
            return
        part = next(p for p in self._parts() if server in p)
        self.view = list(part)
        self._install()

    def _catch_up(self, server: MySQL) -> Steps:
        """State transfer: what it missed where a donor still has it, else everything. Whether it has it then."""
        donor = self._donor(server)
        life = donor.life if donor is not None else 0
        missed = self.sequence - server.committed
        whole = server.lost_data or not limits.incremental(missed)
        if not missed and not whole:
            seconds = limits.IST_CONNECT
        elif whole:
            rate = self._transfer_rate(donor, server)
            seconds = limits.sst_seconds(rate)
        else:
            seconds = limits.ist_seconds(missed) * server.slow
        self._say_transfer(server, donor, whole)
        server.primary, server.wsrep = True, JOINER
        if donor is not None:
            donor.wsrep = DONOR
        try:
            yield self.clock.timeout(seconds)
        finally:
            if donor is not None and donor.life == life:
                self._release(donor, server)
        if donor is not None and donor.life != life:
            server.log(logs.WSREP_NO_STATE, 2)
            server.log(logs.MYSQL_ABORTING, 0)
            return False
        template = logs.WSREP_SST if whole else logs.WSREP_IST
        server.log(template, 0, self.uuid, self.sequence)
        server.log(logs.GALERA_SHIFT, 0, "JOINED", "SYNCED", self.sequence)
        server.log(logs.GALERA_MEMBER_SYNCED, 0, self._index(server), server.name)
        server.committed, server.lost_data, server.wsrep = self.sequence, False, SYNCED
        server.applied_at = self.world.now
        if server.up:  # it was running without quorum
            self.joined(server)
        return True

    def _rejoin(self, server: MySQL) -> Steps:
        """A running server that had no quorum catches up, or ends."""
        if not (yield from self._catch_up(server)):
            server.die("state transfer failed")

    def _release(self, donor: MySQL, server: MySQL) -> None:
        """A donor is through with a joiner, or the joiner is gone."""
        if donor.wsrep == DONOR and donor.up:
            donor.wsrep = SYNCED
            donor.log(logs.GALERA_TRANSFERRED, 0, self._index(donor), donor.name, self._index(server), server.name)
            donor.log(logs.GALERA_SHIFT, 0, "JOINED", "SYNCED", self.sequence)
            donor.log(logs.GALERA_MEMBER_SYNCED, 0, self._index(donor), donor.name)

    def _donor(self, server: MySQL) -> MySQL | None:
        synced = [s for s in self.view if s is not server and s.ready and s.wsrep == SYNCED]
        synced = [s for s in synced if self._reaches(server, s)]
        return synced[-1] if synced else None

    def _transfer_rate(self, donor: MySQL | None, server: MySQL) -> float:
        if donor is None:
            return NIC_BYTES_PER_SECOND
        seconds = self.world.network.transfer_seconds(donor, server, limits.DATA_BYTES)
        return limits.DATA_BYTES / seconds if seconds > 0 else NIC_BYTES_PER_SECOND

    def _say_transfer(self, server: MySQL, donor: MySQL | None, whole: bool) -> None:
        server.log(logs.GALERA_SHIFT, 0, "OPEN", "PRIMARY", self.sequence)
        if donor is None:
            return
        for member in (*self.view, server):
            if member.up or member is server:
                member.log(logs.GALERA_DONOR, 0, self._index(server), server.name, self._index(donor), donor.name)
        donor.log(logs.GALERA_SHIFT, 0, "SYNCED", "DONOR/DESYNCED", self.sequence)
        server.log(logs.GALERA_SHIFT, 0, "PRIMARY", "JOINER", self.sequence)
        if whole:
            server.log(logs.WSREP_SST_STARTED, 0)

    def _index(self, server: MySQL) -> int:
        return self.servers.index(server)


def build(site: Site, nodes: Sequence[Node]) -> Galera:
    """One server a node, ``mysql-0`` and on."""
    cluster = Galera(site)
    cluster.servers += [MySQL(site, f"mysql-{i}", node, cluster) for i, node in enumerate(nodes)]
    return cluster
