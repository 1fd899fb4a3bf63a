"""What happens by itself: background failures, and the benign noise of clients and deployments."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from twin.quantities import Duration, Rate, Ratio
from twin.scenario.model import Model

Share = Annotated[Ratio, Field(le=1.0)]


class MeanTime(Model):
    """Exponential: no memory."""

    mean: Annotated[Duration, Field(gt=0)]


class WeibullTime(Model):
    """Shape below 1: events come in clusters."""

    shape: float = Field(gt=0.1, le=20)
    scale: Annotated[Duration, Field(gt=0)]


class LognormalTime(Model):
    """Heavy-tailed: `sigma` is the standard deviation of the natural logarithm."""

    median: Annotated[Duration, Field(gt=0)]
    sigma: float = Field(gt=0, le=10)


class GammaTime(Model):
    """By mean and coefficient of variation."""

    mean: Annotated[Duration, Field(gt=0)]
    cv: float = Field(gt=0, le=10)


class Time(Model):
    """A distribution of times: exactly one of these."""

    constant: Annotated[Duration, Field(gt=0)] | None = None
    exponential: MeanTime | None = None
    weibull: WeibullTime | None = None
    lognormal: LognormalTime | None = None
    gamma: GammaTime | None = None

    @model_validator(mode="after")
    def _one(self) -> Time:
        if sum(getattr(self, name) is not None for name in type(self).model_fields) != 1:
            raise ValueError("expected exactly one of constant, exponential, weibull, lognormal and gamma")
        return self


class BackgroundKind(Model):
    """One kind of fault that may happen; the fields beyond these are the kind's own, as in `faults`."""

    model_config = ConfigDict(extra="allow")

    kind: str
    action: str = ""
    weight: float = Field(1.0, gt=0)

    @property
    def parameters(self) -> dict[str, Any]:
        """The fields that belong to the kind."""
        return dict(self.__pydantic_extra__ or {})


class CustomFailures(Model):
    """Failures anywhere in the cluster at intervals of one distribution, each on a share of its nodes."""

    interarrival: Time = Field(description="between failures anywhere in the cluster")
    duration: Time | None = Field(None, description="until it is repaired by hand; absent: never")
    hosts: Annotated[Share, Field(gt=0)] | None = Field(None, description="share of the nodes; absent: one node")
    kinds: tuple[BackgroundKind, ...] = Field(min_length=1)


class Lemons(Model):
    """A few nodes fail many times as often as the others."""

    share: Share
    factor: tuple[Annotated[float, Field(ge=1)], Annotated[float, Field(ge=1)]] = (10.0, 20.0)

    @model_validator(mode="after")
    def _in_order(self) -> Lemons:
        if self.factor[0] > self.factor[1]:
            raise ValueError(f"the lowest factor comes first, got {list(self.factor)}")
        return self


class Background(Model):
    """Failures that nobody injects: exactly one of trace, prefab and custom."""

    trace: str | None = Field(
        None, description="CSV with time_s, component, kind, action, duration_s and, if wanted, parameters (JSON)"
    )
    prefab: Literal["gpu", "grid5000", "infinitehbd"] | None = Field(
        None, description="gpu: each GPU by cause; grid5000: hosts; infinitehbd: a GPU fleet with its repair times"
    )
    custom: CustomFailures | None = None
    lemons: Lemons | None = Field(None, description="of prefab gpu; absent: 1 % of the nodes, 10 to 20 times")

    @model_validator(mode="after")
    def _one(self) -> Background:
        if sum(x is not None for x in (self.trace, self.prefab, self.custom)) != 1:
            raise ValueError("expected exactly one of trace, prefab and custom, or background: none")
        if self.lemons is not None and self.prefab != "gpu":
            raise ValueError("lemons belong to prefab gpu")
        return self


class Rollout(Model):
    """A new version is deployed: replicas are replaced one by one. Nothing is wrong."""

    at: Duration
    pause: Duration = Field(10.0, description="after one replica is up, before the next is taken")


class Noise(Model):
    """What is not a fault and may look like one. Shares are of the calls."""

    malformed: Share = Field(0.0, description="invalid JSON or parameters (400), wrong path (404), too large (413)")
    cancelled: Share = Field(0.0, description="users who close the page while the answer comes (499)")
    health_checks: Duration = Field(0.0, description="interval of an outside health checker; 0: there is none")
    crawlers: Rate = Field(0.0, description="robots and scanners that ask for pages that are not there (404)")
    rollouts: tuple[Rollout, ...] = ()


REALISTIC = Noise.model_construct(malformed=0.004, cancelled=0.02, health_checks=10.0, crawlers=2.0 / 60.0)
"""`noise: realistic` (assumed: an API behind a login sees few bad requests; every public address is scanned)."""
