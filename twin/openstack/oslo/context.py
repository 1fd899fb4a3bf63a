"""Who asks for what: the context that travels with a request through all services."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twin.streams import Key, fold
from twin.telemetry.lines.oslo import RequestContext
from twin.telemetry.records import Span

if TYPE_CHECKING:
    from twin.world import World


@dataclass(slots=True)
class Trace:
    """A request, or a branch of one: what its draws are keyed by, and the trace id, which all its branches have."""

    key: int
    id: str
    draws: int = 0
    """Made one after the other on its way."""
    spans: int = 0
    asides: dict[str, int] = field(default_factory=dict)
    """What has happened by the way, by what it is: see `aside`."""


@dataclass(slots=True)
class Context:
    """A request as one service sees it."""

    request: RequestContext
    trace: Trace
    token: str = ""
    span: str = ""
    """The span that encloses what is done now."""

    def inside(self, span: str, global_request: str | None = None) -> Context:
        """The context within another span; a service behind another one gets a request id of its own."""
        request = self.request if global_request is None else self.request._replace(global_request=global_request)
        return Context(request, self.trace, self.token, span)


def new_context(world: World, user: str, project: str, *key: Key, token: str = "") -> Context:
    """The context of a new request; `key` names it, as in ``(7, "show", 2)``."""
    trace = world.streams["openstack/trace"].hexadecimal(32, *key)
    request = RequestContext("None", "req-" + world.streams["openstack/request"].uuid(*key), user, project)
    return Context(request, Trace(fold(*key), trace), token)


def branch(context: Context, what: str) -> Context:
    """The context of what goes on beside a request from here: a message, a request to another service, a thread.

    Which of two that go on at the same time draws first is a matter of timing. So each counts its own draws and spans,
    under a key that begins with its parent's; to branch off draws nothing. Whose request it is stays the same.
    """
    trace = Trace(fold(*aside(context, what)), context.trace.id)
    return Context(context.request, trace, context.token, context.span)


def aside(context: Context, what: str) -> tuple[Key, Key, Key]:
    """The key of something by the way: a branch, or a draw that only some circumstances ask for (a torn network, a held
    row, a notification). Each kind is counted by itself, so that it shifts nothing else."""
    trace = context.trace
    number = trace.asides[what] = trace.asides.get(what, 0) + 1
    return trace.key, what, number


def admin_context(world: World, *key: Key) -> Context:
    """The context of a periodic task, which nobody asked for."""
    return new_context(world, "-", "-", *key)


def on_behalf(world: World, service: str) -> Callable[[Context], Context]:
    """What gives a context in which a service asks with its own user's rights instead of its caller's."""
    stream = world.streams["openstack/service-user"]
    user, project = stream.hexadecimal(32, service), stream.hexadecimal(32, "project")

    def elevated(context: Context) -> Context:
        request = context.request._replace(user=user, project=project)
        return Context(request, context.trace, context.token, context.span)

    return elevated


def own_request(world: World, context: Context) -> Context:
    """The context as a service with its own request ids sees a call from another service (neutron, placement)."""
    trace = context.trace
    trace.draws += 1
    local = "req-" + world.streams["openstack/request"].uuid(trace.key, "own", trace.draws)
    request = context.request._replace(global_request=context.request.request, request=local)
    return Context(request, trace, context.token, context.span)


def draw(world: World, context: Context, median: float, spread: float) -> float:
    """A service time in seconds, keyed by the request and how many it has drawn before."""
    trace = context.trace
    trace.draws += 1
    return world.streams["openstack/time"].lognormal(median, spread, trace.key, trace.draws)


def fresh_id(world: World, context: Context, kind: str) -> str:
    """A uuid for a new row, keyed by the request that makes it."""
    trace = context.trace
    trace.draws += 1
    return world.streams[f"openstack/{kind}"].uuid(trace.key, trace.draws)


def open_span(world: World, context: Context) -> str:
    """The id of a new span in the context's trace."""
    trace = context.trace
    trace.spans += 1
    return world.streams["openstack/span"].hexadecimal(16, trace.key, trace.spans)


def close_span(
    world: World, context: Context, span: str, component: str, operation: str, start: float, status: int
) -> None:
    """Record a span that ends now, unless the scenario has tracing off."""
    if world.spec.telemetry.tracing != "off":
        took = world.now - start
        world.recorder.span(Span(context.trace.id, span, context.span, component, operation, start, took, status))
