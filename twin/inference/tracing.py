"""The spans that vLLM sends of a request: one for all of it, with attributes, and one a phase where asked for.

Span and attribute names are vLLM's (`SpanAttributes` of vllm/tracing); it sends the whole as one span and puts the
phases into attributes. The spans of the phases are named by those attributes.
"""

from __future__ import annotations

from collections.abc import Iterator

from twin.inference.request import Request
from twin.telemetry.records import Hop

ROLE, CALLER = "replica", "serve"
"""Who records the request's own span, and who its parent."""


def whole(request: Request, component: str, now: float, status: int, attributes: bool = False) -> Hop:
    """The span of a request that ends now."""
    start = request.dispatched
    said = _attributes(request, now) if attributes else None
    return (request.id, ROLE, CALLER, component, "llm_request", start, now - start, status, said)


def phases(request: Request, component: str, now: float, status: int) -> Iterator[Hop]:
    """The spans of queue, prefill and decoding of a request that ends now, as far as it came.

    A preemption lies within the phase that it falls in.
    """
    for name, start, end in _stretches(request, now):
        yield (request.id, name, ROLE, component, name, start, end - start, status, None)


def _stretches(request: Request, now: float) -> Iterator[tuple[str, float, float]]:
    """(name, start, end) of the phases."""
    bounds = (request.queued, request.scheduled, request.first_token, now)
    names = ("time_in_queue", "time_in_model_prefill", "time_in_model_decode")
    for name, start, end in zip(names, bounds[:-1], bounds[1:], strict=True):
        if start is None:
            return
        yield f"gen_ai.latency.{name}", start, now if end is None else end


def _attributes(request: Request, now: float) -> dict[str, str | int | float]:
    said: dict[str, str | int | float] = {
        "gen_ai.request.max_tokens": request.output,
        "gen_ai.request.n": 1,
        "gen_ai.usage.prompt_tokens": request.prompt,
        "gen_ai.usage.completion_tokens": request.generated,
        "gen_ai.latency.e2e": now - request.dispatched,
    }
    if request.first_token is not None:
        said["gen_ai.latency.time_to_first_token"] = request.first_token - request.dispatched
    said |= {name: end - start for name, start, end in _stretches(request, now)}
    if request.scheduled is not None:
        said["gen_ai.latency.time_in_model_inference"] = now - request.scheduled
    return said
