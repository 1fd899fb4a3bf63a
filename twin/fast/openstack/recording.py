"""Following requests through the services of a SimPy twin while it lives, without changing what it does.

A client's request is followed by its trace id through every service: seconds of Python, SQL statements, requests to
other APIs, messages and what their consumers do; and the commands and checks of testers in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from twin.openstack.neutron.agent.openvswitch import OVSNeutronAgent
from twin.openstack.nova.compute.service import NovaCompute
from twin.openstack.nova.virt.driver import LibvirtDriver
from twin.openstack.oslo.clients import Clients
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import Service
from twin.openstack.tenants.client import Session
from twin.openstack.tenants.command_line import CommandLine
from twin.openstack.tenants.tester import Tester
from twin.world import World


@dataclass(slots=True)
class Event:
    """Something that was done for a request: by whom, when (seconds), and how much of it."""

    start: float
    end: float
    service: str
    what: str
    amount: float = 0.0
    detail: str = ""


@dataclass(slots=True)
class Root:
    """A client's request and all that was done for it."""

    owner: tuple[Any, ...]
    operation: str
    start: float
    end: float = float("nan")
    status: int = 0
    events: list[Event] = field(default_factory=list)
    told: list[Event] = field(default_factory=list)
    """What is done because the host's agent says that its interface is wired, and for others of that pass."""


@dataclass(slots=True)
class Step:
    """A step of a tester's script: a command, or a check; and the calls that it made."""

    owner: tuple[Any, ...]
    phase: str
    check: bool
    commands: int = 0
    roots: list[Root] = field(default_factory=list)
    polls: list[list[Root]] = field(default_factory=list)
    start: float = 0.0
    end: float = float("nan")
    """Seconds; NaN where it has not come to its end, which an error is not."""
    seen: bool = True
    """Of a check: whether it found what it looked for."""
    saw: str = ""
    """Of one that did not: what it found instead."""


@dataclass(slots=True)
class Recording:
    """One life."""

    world: World
    roots: dict[str, Root] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    told: dict[str, list[Event]] = field(default_factory=dict)
    """By the trace of an agent's pass: what is done because it says which interfaces it has wired."""
    plugged: dict[str, str] = field(default_factory=dict)
    """The trace of the build that has plugged an interface in."""
    unasked: float = 0.0
    """SQL statements for nobody's request: periodic tasks, agents."""
    alone: int = 0
    """The transactions that these are of."""


@contextmanager
def listening(recording: Recording) -> Iterator[None]:
    """Note what services do while a world lives; nothing that they do or draw is changed."""
    world, originals = recording.world, []

    def note(trace: str, event: Event) -> None:
        root = recording.roots.get(trace)
        if root is not None:
            root.events.append(event)
        elif event.what == "sql":
            recording.unasked += event.amount
            recording.alone += 1
        if trace in recording.told:
            recording.told[trace].append(event)

    def wrap(owner: type, name: str, make: Callable[[Any], Any]) -> None:
        original = getattr(owner, name)
        originals.append((owner, name, original))
        setattr(owner, name, make(original))

    def timed(what: str, describe: Callable[..., tuple[float, str]]) -> Callable[[Any], Any]:
        def make(original: Any) -> Any:
            def steps(self: Any, context: Any, *arguments: Any, **more: Any) -> Any:
                start = world.now
                service = self.caller if isinstance(self, Clients) else self
                amount, detail = describe(*arguments, **more)
                event = Event(start, float("inf"), service.name, what, amount, detail)
                note(context.trace.id, event)
                result = yield from original(self, context, *arguments, **more)
                event.end = world.now
                return result

            return steps

        return make

    wrap(Service, "think", timed("think", lambda seconds: (seconds, "")))
    wrap(Service, "sql", timed("sql", lambda n, write=False: (float(n), "write" if write else "")))
    wrap(LibvirtDriver, "plug_vifs", _plugs(recording))
    wrap(LibvirtDriver, "_create_guest", _starts(recording))
    wrap(OVSNeutronAgent, "_bind_devices", _tells(recording))
    wrap(NovaCompute, "host_work", timed("host", lambda seconds: (seconds, "")))
    wrap(AmqpService, "call", timed("call", lambda topic, method, *a, **k: (1.0, f"{topic} {method}")))
    wrap(AmqpService, "cast", timed("cast", lambda topic, method, **k: (1.0, f"{topic} {method}")))
    wrap(Clients, "request", timed("http", lambda service, operation, *a, **k: (1.0, service)))
    wrap(Session, "_request", lambda original: _request(recording, original))
    wrap(Tester, "step", lambda original: _step(recording, original))
    wrap(Tester, "check", lambda original: _check(recording, original))
    wrap(Tester, "_clean_up", lambda original: _clean_up(recording, original))
    wrap(CommandLine, "run", lambda original: _run(recording, original))
    try:
        yield
    finally:
        for owner, name, original in reversed(originals):
            setattr(owner, name, original)


def _plugs(recording: Recording) -> Callable[[Any], Any]:
    """When a build has plugged its interfaces in, and waits for the host's agent."""

    def make(original: Any) -> Any:
        def plug(self: LibvirtDriver, context: Any, instance: Any, interfaces: Any) -> Any:
            result = yield from original(self, context, instance, interfaces)
            root, now = recording.roots.get(context.trace.id), recording.world.now
            recording.plugged.update({interface["id"]: context.trace.id for interface in interfaces})
            if root is not None:
                root.events.append(Event(now, now, self.service.name, "plug"))
            return result

        return plug

    return make


def _starts(recording: Recording) -> Callable[[Any], Any]:
    """When a build's guest is there: only then the agent finds its interfaces."""

    def make(original: Any) -> Any:
        def start(self: LibvirtDriver, context: Any, *arguments: Any) -> Any:
            result = yield from original(self, context, *arguments)
            root, now = recording.roots.get(context.trace.id), recording.world.now
            if root is not None:
                root.events.append(Event(now, now, self.service.name, "guest"))
            return result

        return start

    return make


def _tells(recording: Recording) -> Callable[[Any], Any]:
    """When the agent has wired the interfaces of builds and says so."""

    def make(original: Any) -> Any:
        def bind(self: OVSNeutronAgent, context: Any, ports: Any) -> Any:
            now, trace = recording.world.now, context.trace.id
            told = recording.told.setdefault(trace, [])
            event = Event(now, float("inf"), self.service.name, "tell")
            for port in ports:
                root = recording.roots.get(recording.plugged.pop(port["port_id"], ""))
                if root is not None:
                    root.events.append(event)
                    root.told = told
            result = yield from original(self, context, ports)
            event.end = recording.world.now
            return result

        return bind

    return make


def _request(recording: Recording, original: Any) -> Any:
    world = recording.world

    def request(self: Session, service: str, operation: str, method: str, uri: str, arguments: dict[str, Any]) -> Any:
        answer = original(self, service, operation, method, uri, arguments)
        action = f":{arguments['action']}" if "action" in arguments else ""
        root = recording.roots[self.traces[-1]] = Root(self.key, f"{service} {operation}{action}", world.now)
        step = next((s for s in reversed(recording.steps) if s.owner == self.key), None)
        if step is not None:
            (step.polls[-1] if step.check and step.polls else step.roots).append(root)

        def close(event: Any) -> None:
            root.end, root.status = world.now, event.value.status

        answer.callbacks.insert(0, close)
        return answer

    return request


def _step(recording: Recording, original: Any) -> Any:
    def step(self: Tester, phase: str, command: Any, undo: Any = None) -> Any:
        step = Step(self.session.key, phase, check=False, start=recording.world.now)
        recording.steps.append(step)
        result = yield from original(self, phase, command, undo)
        step.end = recording.world.now
        return result

    return step


def _check(recording: Recording, original: Any) -> Any:
    def check(self: Tester, name: str, look: Any, wanted: Any) -> Any:
        step = Step(self.session.key, name, check=True, start=recording.world.now)
        recording.steps.append(step)

        def looked() -> Any:
            step.polls.append([])
            return (yield from look())

        step.seen = yield from original(self, name, looked, wanted)
        step.end = recording.world.now
        step.saw = "" if step.seen else self.failed[-1].seen
        return step.seen

    return check


def _clean_up(recording: Recording, original: Any) -> Any:
    def clean_up(self: Tester) -> Any:
        recording.steps.append(Step(self.session.key, "cleanup", check=False, start=recording.world.now))
        return (yield from original(self))

    return clean_up


def _run(recording: Recording, original: Any) -> Any:
    """Each command of a clean-up is a step of its own."""

    def run(self: CommandLine, name: str, body: Any) -> Any:
        step = next((s for s in reversed(recording.steps) if s.owner == self.session.key), None)
        if step is not None and step.commands > max(len(step.polls) - 1, 0):  # a check's look is one command
            step = Step(self.session.key, name, check=False, start=recording.world.now)
            recording.steps.append(step)
        if step is not None:
            step.commands += 1
        result = yield from original(self, name, body)
        if step is not None and not step.check:
            step.end = recording.world.now
        return result

    return run
