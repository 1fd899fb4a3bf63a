"""Faults of the workload: what clients ask of the service changes. No operator's action takes it back."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from twin.components import Component
from twin.faults.kind import FaultKind
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.quantities import Duration, Rate, Ratio
from twin.scenario.model import Model


def _front(component: Component) -> Component | None:
    """Where the clients' requests come in."""
    return component if Layer.DEMAND in component.layers else None


class FlashCrowd(Model):
    """`factor` times as many calls come, growing over `ramp`."""

    factor: float = Field(gt=1, le=1000)
    ramp: Duration = 0.0


class PromptShift(Model):
    """A share of the calls comes with prompts of `factor` times their length."""

    factor: float = Field(gt=0, le=1000)
    share: Annotated[Ratio, Field(gt=0, le=1.0)] = 1.0


class OutputShift(Model):
    """A share of the calls asks for answers of `factor` times their length."""

    factor: float = Field(gt=0, le=1000)
    share: Annotated[Ratio, Field(gt=0, le=1.0)] = 1.0


class RetryStorm(Model):
    """Clients are rolled out that wait less, try again more often, or pause less before they do."""

    retries: int = Field(3, ge=0, le=100, description="attempts more than before")
    timeout: Annotated[Duration, Field(gt=0)] | None = Field(None, description="for a whole answer")
    backoff: Annotated[Ratio, Field(ge=0)] = Field(1.0, description="factor on the pause before a retry")

    @model_validator(mode="after")
    def _something(self) -> RetryStorm:
        if self.retries == 0 and self.timeout is None and self.backoff == 1.0:
            raise ValueError("changes nothing: give retries, timeout or backoff")
        return self


class AbusiveClient(Model):
    """One client sends calls of its own, long ones."""

    rate: Annotated[Rate, Field(gt=0)]
    prompt: int = Field(ge=1)
    output: int = Field(256, ge=1)


def _kind(action: str, hits: str, parameters: type[Model], **fields: str) -> dict[str, FaultKind]:
    """A fault whose parameters are conditions on the demand: `fields` maps a parameter to its condition."""

    def conditions(given: Any, cause: str, _: Component) -> tuple[Condition, ...]:
        values = ((condition, getattr(given, name)) for name, condition in fields.items())
        return tuple(Condition(Layer.DEMAND, name, float(value), cause) for name, value in values if value is not None)

    return {action: FaultKind("workload", hits, parameters, _front, conditions)}


_HITS = "the component that clients talk to (nginx-proxy)"

KINDS: dict[str, dict[str, FaultKind]] = {
    "WorkloadChaos": {
        **_kind("flashCrowd", _HITS, FlashCrowd, factor="arrival_rate", ramp="arrival_ramp"),
        **_kind("promptShift", _HITS, PromptShift, factor="prompt_length", share="shifted_share"),
        **_kind("outputShift", _HITS, OutputShift, factor="output_length", share="shifted_share"),
        **_kind(
            "retryStorm",
            _HITS,
            RetryStorm,
            retries="client_retries",
            timeout="client_timeout",
            backoff="client_backoff",
        ),
        **_kind("abusiveClient", _HITS, AbusiveClient, rate="abuse_rate", prompt="abuse_prompt", output="abuse_output"),
    },
}
