"""What clients do, as a scenario says it: when they come, what they ask, when they lose patience."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from twin.quantities import Duration, Rate, Ratio
from twin.scenario.model import Model

Positive = Annotated[Rate, Field(gt=0)]


class Renewal(Model):
    """Independent inter-arrival times of one distribution."""

    rate: Positive
    cv: float = Field(gt=0, le=10, description="coefficient of variation of the inter-arrival times; 1 is Poisson")


class ProfilePoint(Model):
    """The rate at one moment."""

    at: Duration
    rate: Rate


class Diurnal(Model):
    """Poisson arrivals whose rate follows the measured hours of a day (ServeGen)."""

    rate: Positive = Field(description="mean over the day")
    start: Duration = Field(0.0, description="time of day at which the scenario begins")


class ClientMix(Model):
    """Many clients, a few of them heavy and bursty, as measured (ServeGen)."""

    rate: Positive = Field(description="of all clients together")
    clients: int = Field(21, ge=1, le=1000, description="21: those that hold 99 % of the measured load")


class Concurrency(Model):
    """A closed loop: each user waits for the answer, thinks, and asks again."""

    users: int = Field(ge=1, le=10_000)
    think: Duration = Field(
        0.0,
        description="mean of an exponential time between answer and next request; OpenStack: between the end of one "
        "server's life and the next, within a tenth of it",
    )
    ramp: Duration = Field(0.0, description="over which the users come, evenly")


class Arrivals(Model):
    """Request arrivals: exactly one of these. OpenStack knows `constant` (evenly spaced), `poisson`, `concurrency`."""

    constant: Rate | None = None
    poisson: Rate | None = None
    gamma: Renewal | None = None
    weibull: Renewal | None = None
    profile: tuple[ProfilePoint, ...] | None = Field(
        None,
        min_length=1,
        description="Poisson at a rate that is linear between points; two points at one time: a step",
    )
    diurnal: Diurnal | None = None
    mix: ClientMix | None = None
    concurrency: Concurrency | None = None


class LognormalLength(Model):
    """Tokens whose logarithm is normal."""

    median: float = Field(ge=1)
    sigma: float = Field(gt=0, le=5)


class LengthPart(Model):
    """One part of a mixture of lengths: exactly one of tokens, between and lognormal."""

    weight: float = Field(gt=0)
    tokens: int | None = Field(None, ge=1)
    between: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] | None = None
    lognormal: LognormalLength | None = None

    @model_validator(mode="after")
    def _one(self) -> LengthPart:
        if sum(x is not None for x in (self.tokens, self.between, self.lognormal)) != 1:
            raise ValueError("expected exactly one of tokens, between and lognormal")
        return self


class Lengths(Model):
    """A length drawn anew for every request: exactly one of between, lognormal and mixture."""

    between: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] | None = None
    lognormal: LognormalLength | None = None
    mixture: tuple[LengthPart, ...] | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _one(self) -> Lengths:
        if sum(x is not None for x in (self.between, self.lognormal, self.mixture)) != 1:
            raise ValueError("expected exactly one of between, lognormal and mixture")
        return self


class SharedPrefix(Model):
    """System prompts: requests whose prompts begin alike. The prompt's length includes them."""

    groups: int = Field(1, ge=1, le=100_000, description="different system prompts, each as likely")
    tokens: int = Field(ge=1)
    share: Annotated[Ratio, Field(le=1.0)] = 1.0


class Conversations(Model):
    """Each arrival begins a conversation; a next turn repeats all that was said and adds a new message."""

    turns: float = Field(ge=1, le=1000, description="mean number of turns, geometrically distributed")
    think: Duration = Field(10.0, description="mean of an exponential time between answer and next turn")


class Retries(Model):
    """What clients do after a failure. The defaults are those of OpenAI's clients (max_retries 2, 0.5 s doubling up to
    8 s, up to a quarter less by jitter)."""

    max: int = Field(2, ge=0, le=100)
    backoff: Duration = 0.5
    max_backoff: Duration = 8.0
    jitter: Annotated[Ratio, Field(le=1.0)] = 0.25
    budget: Annotated[Ratio, Field(le=1.0)] | None = Field(
        None, description="retries allowed per first attempt, after a reserve of 10 (gRPC's retry throttling)"
    )


class ServerClient(Model):
    """How an OpenStack client goes about a server."""

    poll: Literal["show", "list"] = Field("show", description="what it asks while it waits: its server, or all")
    polls: int = Field(1, ge=1, le=10, description="requests in a row")
    every: Annotated[Duration, Field(gt=0)] | None = Field(
        None, description="pause after each row of polls; default: 0, 2, 4, 6, 8, 8, … s"
    )
    first: Duration = Field(0.0, description="pause before the first row of polls")
    ports: Annotated[Ratio, Field(le=1.0)] = Field(1.0, description="share of the servers that get a port")
    load: float = Field(
        0.0,
        ge=0,
        le=100,
        description="what the programs in each server want all the time: cores of its host, and as many streams of "
        "requests to its disk; mean of an exponential",
    )
    keep: int | None = Field(
        None, ge=1, le=10_000, description="deletes the eldest when it has so many, and none after a lifetime"
    )


Kind = Literal["lifecycle", "deployment", "network", "storage", "operations"]
"""What a client of OpenStack does again and again."""


class Load(Model):
    """One load on an OpenStack cloud: who does what, when, and how often."""

    kind: Kind = Field(
        "lifecycle",
        description="lifecycle: create a server, keep it, delete it; deployment, network, storage: a tester's run, as "
        "in the failure studies (commands, checks, clean-up); operations: one with a server's later life and a stack",
    )
    arrivals: Arrivals | None = Field(None, description="left out: a tester comes once, or again and again (`repeat`)")
    repeat: int | None = Field(None, ge=1, description="runs in all, or of each user of a closed loop")
    flavor: str | None = Field(None, description="of its servers; default: m1.small, testers: m1.tiny")
    at: Duration = Field(0.0, description="when it begins")
    lifetime: Duration | None = Field(None, description="lifecycle: how long a server lives before it is deleted")
    client: ServerClient | None = Field(None, description="lifecycle: how clients wait, and what they keep")
    client_timeout: Duration | None = Field(None, description="lifecycle: how long a client waits for ACTIVE")
    sweep: bool = Field(True, description="testers: what a stopped run has left is removed after it")


class Tenants(Model):
    """Servers that have been there since before the scenario, and what their owners' programs do."""

    servers: int = Field(ge=1, le=100_000, description="on all hosts together, evenly")
    projects: int = Field(4, ge=1, le=1000, description="to whom they belong; each has a network and a router")
    flavor: str = Field("m1.small", description="of each")
    cpu: Annotated[Ratio, Field(le=1.0)] = Field(0.15, description="mean share of its virtual processors in use")
    memory: Annotated[Ratio, Field(le=1.0)] = Field(0.35, description="share of its memory that it has touched")
    pattern: Literal["constant", "diurnal"] = Field("constant", description="diurnal: over the hours of a measured day")
    start: Duration = Field(0.0, description="diurnal: time of day at which the scenario begins")
    noisy: Annotated[Ratio, Field(le=1.0)] = Field(
        0.0, description="share of the servers that use all their virtual processors and a stream on the host's disk"
    )


class Workload(Model):
    """What clients do. Inference: arrivals with token lengths, or a trace. OpenStack: a load, or several."""

    arrivals: Arrivals | None = None
    prompt: int | Literal["azure2023"] | Lengths | None = Field(None, description="prompt tokens, or a distribution")
    output: int | Literal["azure2023"] | Lengths | None = Field(None, description="output tokens, or a distribution")
    trace: str | None = Field(
        None,
        description="CSV (optionally .gz) with arrival_s, prompt_tokens, output_tokens, and, if prompts begin alike, "
        "prefix_group and prefix_tokens; or Mooncake's .jsonl (optionally .gz)",
    )
    prefix: SharedPrefix | None = None
    conversations: Conversations | None = None
    client_timeout: Duration | None = Field(None, description="inference: how long a client waits for a whole answer")
    first_token_timeout: Duration | None = Field(None, description="how long a client waits for the first token")
    retries: Retries | None = Field(None, description="absent: a failed request is not sent again")
    lifetime: Duration | None = Field(None, description="OpenStack: how long a server lives before it is deleted")
    client: ServerClient | None = Field(None, description="OpenStack: how clients wait, and what they keep")
    kind: Kind | None = Field(None, description="OpenStack: what clients do; default: lifecycle")
    repeat: int | None = Field(None, ge=1, description="OpenStack: runs in all, or of each user of a closed loop")
    flavor: str | None = Field(None, description="OpenStack: of the servers; default: m1.small, testers: m1.tiny")
    sweep: bool = Field(True, description="OpenStack: what a tester's stopped run has left is removed after it")
    loads: tuple[Load, ...] | None = Field(None, min_length=1, description="OpenStack: further loads at the same time")
    requests: Annotated[Rate, Field(gt=0)] | None = Field(
        None, description="OpenStack: requests that list and show, besides what the loads ask"
    )
    mix: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] | None = Field(
        None, min_length=1, description="OpenStack: weights of what is read"
    )
    tenants: Tenants | None = Field(None, description="OpenStack: servers that are there from the start")

    def all_loads(self) -> tuple[Load, ...]:
        """The loads on an OpenStack cloud: the one written here, and those under `loads`."""
        first: tuple[Load, ...] = ()
        if self.kind is not None or self.arrivals is not None:
            first = (
                Load.model_construct(  # everything here has been validated
                    kind=self.kind or "lifecycle",
                    arrivals=self.arrivals,
                    repeat=self.repeat,
                    flavor=self.flavor,
                    lifetime=self.lifetime,
                    client=self.client,
                    client_timeout=self.client_timeout,
                    sweep=self.sweep,
                ),
            )
        return first + (self.loads or ())
