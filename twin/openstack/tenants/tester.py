"""A tester: it does what a deployment test does, checks what it sees, and cleans up (Cotroneo et al., ESEC/FSE 2019).

Each step is a command; the load stops at the first that prints an error. Between commands it checks the state of what
it made, as often as the studies' client does; a failed check is noted and the load goes on. In the end it deletes
what it made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twin.mechanics.tenants import POLL_WAITS
from twin.openstack.oslo.service import Steps
from twin.openstack.tenants.client import ApiError, RequestError, Requests, Session
from twin.openstack.tenants.command_line import STUMBLES
from twin.openstack.tenants.commands import Commands

if TYPE_CHECKING:
    from twin.openstack.site import Site

Undo = Callable[[], Steps]

LISTED = ("image", "volume")
"""What the script looks for in `openstack <kind> list`; it asks for other things by name."""
FLAVOR = "m1.tiny"
"""What the studies' client boots."""


@dataclass(frozen=True, slots=True)
class FailedCheck:
    """A check that found another state than it should: its name in the studies, and when it gave up (seconds)."""

    name: str
    seen: str
    time: float


@dataclass(frozen=True, slots=True)
class Trial:
    """What one run of a load came to. Times in seconds."""

    workload: str
    number: int
    started: float
    seconds: float
    phase: str
    """The last command or check begun; "done" where the run came to its end."""
    api_errors: tuple[ApiError, ...]
    failed_checks: tuple[FailedCheck, ...]
    commands: int
    polls: int
    traces: tuple[str, ...]
    """The trace id of each of its requests."""

    @property
    def requests(self) -> int:
        """How many it sent."""
        return len(self.traces)

    @property
    def well(self) -> bool:
        """Whether nothing went wrong that a client can see."""
        return not self.api_errors and not self.failed_checks

    @property
    def silent(self) -> bool:
        """Whether a check failed and no call did: the API has said nothing."""
        return bool(self.failed_checks) and not self.api_errors


class Tester:
    """One run of a load by one tenant. `name` begins the names of what it makes."""

    def __init__(
        self,
        site: Site,
        requests: Requests,
        workload: str,
        number: int,
        user: str,
        project: str,
        flavor: str = FLAVOR,
    ) -> None:
        self.site = site
        self.world = site.world
        self.workload = workload
        self.number = number
        self.session = Session(site, requests, user, project, workload, number)
        self.commands = Commands(self.session)
        self.flavor = flavor
        """Of its servers."""
        self.name = f"tempest-{workload}-{number}"
        self.phase = ""
        self.polls = 0
        self.errors: list[ApiError] = []
        self.failed: list[FailedCheck] = []
        self._undo: list[tuple[str, Undo]] = []

    def named(self, what: str) -> str:
        """The name of one thing that it makes."""
        return f"{self.name}-{what}"

    # --- a run ---------------------------------------------------------------------------------------------------

    def run(self, load: Callable[[Tester], Steps]) -> Steps:
        """The load, then the clean-up; its `Trial`. A load that stopped leaves what it has made (`sweep`)."""
        started = self.world.now
        try:
            yield from load(self)
            yield from self._clean_up()
            self.phase = "done"
        except RequestError as error:
            self.errors.append(error.error)
        except STUMBLES as error:
            if not self.site.mutated:
                raise
            message = f"{type(error).__name__}: {error}"
            self.errors.append(ApiError("api", "client", self.phase, 0, message, self.world.now))
        return Trial(
            self.workload,
            self.number,
            started,
            self.world.now - started,
            self.phase,
            tuple(self.errors),
            tuple(self.failed),
            self.commands.commands,
            self.polls,
            tuple(self.session.traces),
        )

    def step(self, phase: str, command: Steps, undo: Undo | None = None) -> Steps:
        """One command of the load, and what undoes it in the end; the command's result."""
        self.phase = phase
        result = yield from command
        if undo is not None:
            self.undo(phase, undo)
        return result

    def undo(self, phase: str, undo: Undo, after: str = "") -> None:
        """Undo something in the end: before everything that was there earlier, or just after the step named."""
        names = [name for name, _ in self._undo]
        self._undo.insert(names.index(after) if after else len(names), (phase, undo))

    # --- checks --------------------------------------------------------------------------------------------------

    def check(self, name: str, look: Callable[[], Steps], wanted: Callable[[Any], bool]) -> Steps:
        """Look until it is as wanted, after 0, 2, 4, 6 and 8 s more; whether it was. An error is just not seen."""
        self.phase = name
        seen = ""
        for wait in POLL_WAITS:
            yield self.world.clock.timeout(wait)
            self.polls += 1
            try:
                state = yield from look()
                seen = str(state)
                if wanted(state):
                    return True
            except RequestError as error:
                seen = error.error.message
            except STUMBLES as error:
                if not self.site.mutated:
                    raise
                seen = str(error)
        self.failed.append(FailedCheck(name, seen, self.world.now))
        return False

    def check_status(self, name: str, kind: str, what: str, status: str) -> Steps:
        """Check the status of something, as the studies' script does: in a list or by `show`."""

        def look() -> Steps:
            if kind in LISTED:
                listed = yield from self.commands.list(kind)
                return next((one["status"] for one in listed if one["name"] == what), "")
            shown = yield from self.commands.show(kind, what)
            return shown["status"]

        return self.check(name, look, lambda seen: bool(seen == status))

    def check_listed(self, name: str, kind: str, what: str) -> Steps:
        """Check that something is in the list of its kind."""

        def look() -> Steps:
            listed = yield from self.commands.list(kind)
            return any(one["name"] == what for one in listed)

        return self.check(name, look, bool)

    def check_ssh(self, server_id: str) -> Steps:
        """Check that a login by SSH through the floating IP works."""

        def look() -> Steps:
            reach = self.site.dataplane.reaches(server_id)
            yield self.world.clock.timeout(reach.seconds)
            return reach.symptom

        return self.check("ssh", look, lambda seen: bool(seen == "connected"))

    def check_gone(self, name: str, kind: str, what: str) -> Steps:
        """Check that something is not in the list of its kind any more."""

        def look() -> Steps:
            listed = yield from self.commands.list(kind)
            return any(one["name"] == what for one in listed)

        return self.check(name, look, lambda there: not there)

    # --- the end -------------------------------------------------------------------------------------------------

    def delete_server(self, name: str) -> Steps:
        """Delete a server and see it go."""
        id = yield from self._listed("server", name)
        yield from self.commands.server_delete(id)
        yield from self.check_gone("instance deleted", "server", name)

    def delete_image(self, name: str) -> Steps:
        """Delete an image."""
        id = yield from self._listed("image", name)
        yield from self.commands.image_delete(id)

    def delete_router(self, name: str) -> Steps:
        """Look whether a router has ports left, and delete it."""
        yield from self.commands.ports_of("router", name)
        yield from self.commands.router_delete(name)

    def delete_network(self, name: str) -> Steps:
        """Look which ports a network has left, and delete it."""
        yield from self.commands.ports_of("network", name)
        yield from self.commands.network_delete(name)

    def _listed(self, kind: str, name: str) -> Steps:
        """The id of something, out of the list of its kind; its name where it is not there."""
        listed = yield from self.commands.list(kind)
        return next((one["id"] for one in listed if one["name"] == name), name)

    def delete_volume(self, name: str) -> Steps:
        """Delete a volume and see it go."""
        id = yield from self._listed("volume", name)
        yield from self.commands.volume_delete(id)
        yield from self.check_gone("volume deleted", "volume", name)

    def delete_snapshot(self, id: str) -> Steps:
        """Delete a snapshot and see it go."""
        yield from self.commands.snapshot_delete(id)

        def look() -> Steps:
            listed = yield from self.commands.list("snapshot")
            return any(one["id"] == id for one in listed)

        yield from self.check("snapshot deleted", look, lambda there: not there)

    def _clean_up(self) -> Steps:
        while self._undo:
            phase, undo = self._undo[-1]
            self.phase = f"cleanup: {phase}"
            yield from undo()
            self._undo.pop()

    def sweep(self) -> Steps:
        """Remove what a load that stopped has left, as the studies' clean-up script does before the next run.

        Its own errors are nobody's.
        """
        while self._undo:
            _, undo = self._undo.pop()
            try:
                yield from undo()
            except RequestError:
                continue
