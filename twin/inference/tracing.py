"""The spans that vLLM sends of a request: one for all of it, with attributes, and one a phase where asked for.

Span and attribute names are vLLM's (`SpanAttributes` of vllm/tracing); it sends the whole as one span and puts the
phases into attributes. The spans of the phases are named by those attributes.
"""

from __future__ import annotations

from collections.abc import Sequence

from twin.inference.request import Request
from twin.telemetry.records import Hop


def spans(request: Request, component: str, now: float, status: int, phases: bool) -> Sequence[Hop]:
    """The spans of a request that ends now: its own and, with `phases`, before it those of queue, prefill, decoding."""
    took = now - request.dispatched
    whole = Hop(request.id, "replica", "serve", component, "llm_request", request.dispatched, took, status)
    if not phases:
        return (whole,)
    stretches = _phases(request, now)
    attributes: dict[str, str | int | float] = {
        "gen_ai.request.max_tokens": request.output,
        "gen_ai.request.n": 1,
        "gen_ai.usage.prompt_tokens": request.prompt,
        "gen_ai.usage.completion_tokens": request.generated,
        "gen_ai.latency.e2e": took,
    }
    if request.first_token is not None:
        attributes["gen_ai.latency.time_to_first_token"] = request.first_token - request.dispatched
    attributes |= {name: end - start for name, start, end in stretches}
    if request.scheduled is not None:
        attributes["gen_ai.latency.time_in_model_inference"] = now - request.scheduled
    inner = [
        Hop(request.id, name, "replica", component, name, start, end - start, status) for name, start, end in stretches
    ]
    return (*inner, whole._replace(attributes=attributes))


def _phases(request: Request, now: float) -> list[tuple[str, float, float]]:
    """(name, start, end) of the phases that a request reached. A preemption lies within the phase that it falls in."""
    bounds = (request.queued, request.scheduled, request.first_token, now)
    names = ("time_in_queue", "time_in_model_prefill", "time_in_model_decode")
    found = []
    for name, start, end in zip(names, bounds[:-1], bounds[1:], strict=True):
        if start is None:
            break
        found.append((f"gen_ai.latency.{name}", start, now if end is None else end))
    return found
