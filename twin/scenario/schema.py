"""The scenario grammar as pydantic models (DESIGN: that of the chaos files people know).

These models describe a *resolved* scenario: every `{uniform: …}` and `{choice: …}` has been drawn. Loading, drawing and
error positions are in `twin.scenario.load`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from twin.quantities import Duration, Ratio, Size
from twin.scenario.background import REALISTIC, Background, Noise
from twin.scenario.model import Model as Model
from twin.scenario.workload import Workload as Workload


class Metadata(Model):
    """What the file is called and how it is filed."""

    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    title: str = Field("", description="one line, as lists show it")
    labels: dict[str, str] = Field(default_factory=dict, description="free; `family` groups results by fault family")


# --- cluster ----------------------------------------------------------------------------------------------------


class EngineSettings(Model):
    """vLLM's engine arguments (their names there in parentheses)."""

    max_num_seqs: int = Field(128, ge=1, description="--max-num-seqs")
    max_num_batched_tokens: int = Field(2048, ge=1, description="--max-num-batched-tokens")
    gpu_memory_utilization: Annotated[Ratio, Field(le=1.0)] = Field(0.92, description="--gpu-memory-utilization")
    max_model_len: int = Field(8192, ge=16, description="--max-model-len")
    kv_blocks: int | None = Field(None, ge=1, description="--num-gpu-blocks-override")
    enable_prefix_caching: bool = Field(
        True, description="--enable-prefix-caching; never for models with recurrent state"
    )
    tensor_parallel_size: int = Field(1, ge=1, le=8, description="--tensor-parallel-size")
    data_parallel_size: int = Field(1, ge=1, le=8, description="--data-parallel-size: engine cores behind one server")


class InferenceCluster(Model):
    """nginx -> Ray Serve -> vLLM replicas, each on its own GPU node."""

    kind: Literal["inference"] = Field(description="an LLM-inference cluster: nginx, Ray Serve, vLLM, GPUs")
    preset: str | None = Field(None, description="what is not given is the preset's: small, rca-llm, …")
    model: str | None = Field(None, description="name of a model that ships (`healtwin hardware list`), or a file")
    gpu: str | None = Field(None, description="name of a GPU that ships (`healtwin hardware list`), or a file")
    replicas: int | None = Field(None, ge=1, le=64, description="vLLM servers")
    spares: int | None = Field(None, ge=0, le=64, description="idle GPU nodes that can take a replica")
    engine: EngineSettings | None = Field(None, description="how vLLM is started")
    gpus_per_node: int | None = Field(None, ge=1, le=16, description="GPUs of a machine")
    max_ongoing_requests: int | None = Field(None, ge=1, description="Ray Serve's limit per replica")
    max_queued_requests: int | None = Field(
        None, ge=1, description="Ray Serve's limit of requests that wait for a replica; left out: none"
    )
    node_memory: Size | None = Field(None, description="RAM of a machine")
    pod_memory: Size | None = Field(None, description="memory limit of a replica's pod")
    output_check: Annotated[Duration, Field(gt=0)] | None = Field(
        None, description="how often each replica is asked a question whose answer is known"
    )


class Quotas(Model):
    """What a project may have at most; -1: as much as it wants."""

    instances: int | None = Field(None, ge=-1, description="servers")
    cores: int | None = Field(None, ge=-1, description="virtual CPUs")
    ram: int | None = Field(None, ge=-1, description="MB of all servers together")
    volumes: int | None = Field(None, ge=-1)
    snapshots: int | None = Field(None, ge=-1)
    gigabytes: int | None = Field(None, ge=-1, description="of all volumes and snapshots together")
    networks: int | None = Field(None, ge=-1)
    subnets: int | None = Field(None, ge=-1)
    ports: int | None = Field(None, ge=-1)
    routers: int | None = Field(None, ge=-1)
    floating_ips: int | None = Field(None, ge=-1)
    security_groups: int | None = Field(None, ge=-1)


class OpenStackCluster(Model):
    """keystone, nova, neutron, glance, placement over RabbitMQ and MySQL, and compute hosts."""

    kind: Literal["openstack"] = Field(description="an OpenStack cloud")
    preset: str | None = Field(None, description="what is not given is the preset's")
    computes: int | None = Field(None, ge=1, le=2000, description="compute hosts")
    spares: int | None = Field(None, ge=0, le=64, description="compute hosts that can be added")
    controllers: Literal[1, 3] | None = Field(None, description="three have clusters of database and broker")
    api_workers: int | None = Field(None, ge=1, description="worker processes of nova-api")
    conductor_workers: int | None = Field(None, ge=1, description="worker processes of nova-conductor")
    host_vcpus: int | None = Field(None, ge=1, description="virtual CPUs that a host offers")
    host_memory: Size | None = Field(None, description="RAM of a host")
    profile: Literal["cloudlab", "devstack", "fake", "nvme"] | None = Field(
        None, description="whose hosts: how long things take on one that has nothing else to do"
    )
    quotas: Quotas | None = Field(None, description="of every project; what is not given is the service's default")


Cluster = Annotated[InferenceCluster | OpenStackCluster, Field(discriminator="kind")]


# --- faults -----------------------------------------------------------------------------------------------------


class Selector(Model):
    """Which components, as Chaos Mesh selects pods: by namespace and name; plus nodes and any component by name."""

    pods: dict[str, list[str]] | None = Field(None, description="pod names by namespace")
    namespaces: list[str] | None = Field(None, description="pods of these namespaces")
    label_selectors: dict[str, str] | None = Field(None, description="pods with these labels")
    nodes: list[str] | None = Field(None, description="pods on these nodes")
    components: list[str] | None = Field(None, description="components by name, such as gpu-0 or node-1")
    container_names: list[str] | None = Field(None, description="read and not used: a pod here has one container")


class Fault(Model):
    """One fault. The fields beyond these depend on `kind` and `action`; see `twin.faults.KINDS`."""

    model_config = ConfigDict(extra="allow", frozen=True, alias_generator=to_camel, populate_by_name=True)

    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    kind: str = Field(description="`healtwin scenario faults` lists them")
    action: str = Field("", description="what of the kind; its parameters stand beside it")
    mode: Literal["one", "all", "fixed", "fixed-percent", "random-max-percent"] = Field(
        "one", description="how many of those that the selector finds"
    )
    value: str | None = Field(None, coerce_numbers_to_str=True, description="of the mode: how many, or per cent")
    selector: Selector
    at: Duration = Field(description="simulated time at which it happens")
    duration: Duration | None = Field(None, description="until it goes away by itself; default: it stays")
    benign: bool = Field(
        False, description="meant to happen, such as a batch job or a campaign: the truth names it, and not as a cause"
    )

    @property
    def parameters(self) -> dict[str, Any]:
        """The fields that belong to the kind."""
        return dict(self.__pydantic_extra__ or {})


# --- the rest ---------------------------------------------------------------------------------------------------


class Telemetry(Model):
    """How the cluster is observed; `telemetry: off` is `{mode: off}`."""

    mode: Literal["off", "recorded", "scraped"] = Field(
        "scraped", description="off: nothing is recorded; recorded: everything, but exporters are not scraped"
    )
    scrape: Annotated[Duration, Field(gt=0)] = Field(5.0, description="interval of the metrics")
    profile: Literal["paper", "serving", "enriched"] = Field(
        "enriched", description="which metrics policies and interpreters see"
    )
    tracing: Literal["off", "http", "engine"] = Field(
        "http", description="http: a span a hop; engine: the phases of a request inside vLLM, too"
    )
    notifications: Literal["off", "log"] = Field(
        "off", description="log: OpenStack's services log the notifications that they send"
    )
    level: Literal["DEBUG", "INFO"] = Field("INFO", description="what the services of an OpenStack cluster log")
    dialect: Literal["vllm-0.33", "vllm-0.8.5", "zed", "loghub2017"] | None = Field(
        None, description="the version whose metric names and log lines the cluster has"
    )
    alarms: str | None = Field(
        None, description="file of alert rules in Prometheus' format; default: those in scenarios/alarms/healtwin.yaml"
    )

    @model_validator(mode="before")
    @classmethod
    def _in_short(cls, given: Any) -> Any:
        if given == "off" or given is False:
            given = {"mode": "off"}
        if not isinstance(given, dict):
            return given
        given = {key: "off" if value is False and key in ("mode", "tracing") else value for key, value in given.items()}
        if given.get("mode") != "off":
            return given
        if given.setdefault("tracing", "off") != "off":
            wish = given["tracing"]
            raise ValueError(f"mode: off keeps no spans; leave 'tracing: {wish}' out, or use mode: recorded")
        return given


class Objectives(Model):
    """Service-level objectives: `<signal>P<quantile>: <duration>` and `success: <ratio>`."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)

    ttft_p99: Duration | None = Field(None, alias="ttftP99", description="time to first token")
    e2e_p99: Duration | None = Field(None, alias="e2eP99", description="time to the last token")
    api_p99: Duration | None = Field(None, alias="apiP99", description="OpenStack API response time")
    create_p95: Duration | None = Field(None, alias="createP95", description="server create, accepted to ACTIVE")
    availability: Annotated[Ratio, Field(le=1.0)] | None = Field(
        None, description="share of time that tenants' servers can be reached; default with tenants: 99.9%"
    )
    success: Annotated[Ratio, Field(le=1.0)] = Field(0.99, description="share of requests that must succeed")
    window: Annotated[Duration, Field(gt=0)] = Field(10.0, description="trailing time over which all is judged")


class Control(Model):
    """When a policy decides."""

    interval: Annotated[Duration, Field(gt=0)] = Field(10.0, description="time between decisions")
    warmup: Duration = Field(60.0, description="time that nothing is counted in")
    stop_when_healthy: bool = Field(False, description="end an episode once every fault is gone and the SLO is met")


def _epoch(value: Any) -> Any:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if type(value) is date:
        value = datetime(value.year, value.month, value.day)
    if isinstance(value, datetime) and value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return value


class Spec(Model):
    """The body of a scenario."""

    cluster: Cluster
    workload: Workload
    faults: tuple[Fault, ...] = ()
    background: Literal["none"] | Background = Field("none", description="failures that nobody injects")
    noise: Literal["none", "realistic"] | Noise = Field("none", description="what is not a fault and may look like one")
    telemetry: Telemetry = Telemetry()
    slo: Objectives = Objectives()
    control: Control = Control()
    acceleration: float = Field(1.0, gt=0, allow_inf_nan=False, description="times the rates of background failures")
    epoch: Annotated[datetime, BeforeValidator(_epoch)] = Field(
        datetime(2026, 1, 1, tzinfo=UTC), description="date and time at which the simulation starts"
    )
    horizon: Annotated[Duration, Field(gt=0)] = Field(description="simulated time in all")
    seed: int = Field(0, ge=0, description="of the draws, where none is given on the command line")

    @property
    def benign(self) -> Noise:
        """The noise, spelt out."""
        return self.noise if isinstance(self.noise, Noise) else REALISTIC if self.noise == "realistic" else Noise()

    @field_validator("faults")
    @classmethod
    def _names_are_unique(cls, faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
        names = [fault.name for fault in faults]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"duplicate fault names: {', '.join(twice)}")
        return faults


class ResolvedScenario(Model):
    """A scenario without randomness left in it: together with a seed it determines every byte of telemetry."""

    api_version: Literal["healtwin/v1"] = Field(alias="apiVersion")
    kind: Literal["Scenario"]
    metadata: Metadata
    spec: Spec

    def with_seed(self, seed: int | None) -> ResolvedScenario:
        """The same scenario under another seed (None: the same)."""
        return self if seed is None else self.model_copy(update={"spec": self.spec.model_copy(update={"seed": seed})})


# --- suites and studies -----------------------------------------------------------------------------------------

Split = Literal["training", "tuning", "validation", "unknown"]
"""What a suite may be used for: to learn, to tune, to gate an export, and to judge on families never used to choose."""


class SeedRange(Model):
    """`count` consecutive seeds."""

    first: int = Field(0, ge=0, alias="from")
    count: int = Field(ge=1, le=100_000)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds themselves."""
        return tuple(range(self.first, self.first + self.count))


Seeds = SeedRange | tuple[Annotated[int, Field(ge=0)], ...]
Names = Annotated[
    tuple[str, ...], Field(min_length=1, description="names of shipped scenarios, or files beside the suite")
]

Part = Literal["train", "validation", "test"]
"""A part of a suite that is cut into splits."""

USES: dict[Part, Split] = {"train": "training", "validation": "validation", "test": "unknown"}
"""What the parts of a suite may be used for."""


class SuitePart(Model):
    """One of a suite's splits."""

    scenarios: Names | None = Field(None, description="left out: those of the suite")
    seeds: Seeds


class SuiteSpec(Model):
    """The body of a suite: scenarios, seeds and a split, or splits, or a default with splits beside it."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["scenarios", "seeds", "split"]}, {"required": ["splits"]}]}
    )

    scenarios: Names | None = None
    seeds: Seeds | None = None
    split: Split | None = Field(None, description="what scenarios and seeds may be used for")
    splits: dict[Part, SuitePart] | None = Field(
        None, min_length=1, description="train, validation, test: no seed of a scenario stands in two of them"
    )

    @model_validator(mode="after")
    def _whole(self) -> SuiteSpec:
        given = {name: getattr(self, name) is not None for name in ("scenarios", "seeds", "split")}
        missing = [name for name, there in given.items() if not there]
        if missing and (any(given.values()) or self.splits is None):
            raise ValueError(f"missing key '{missing[0]}'")
        return self


class SuiteDocument(Model):
    """Scenarios and seeds that belong together."""

    api_version: Literal["healtwin/v1"] = Field(alias="apiVersion")
    kind: Literal["Suite"]
    metadata: Metadata
    spec: SuiteSpec


Number = Annotated[int | float, Field(allow_inf_nan=False)]


class SearchParameter(Model):
    """One dimension of a search: `{low, high, log?}` (whole numbers search whole numbers) or `{choices: [...]}`."""

    low: Number | None = None
    high: Number | None = None
    log: bool = False
    choices: tuple[bool | int | float | str, ...] | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _one_form(self) -> SearchParameter:
        if self.choices is not None:
            if self.low is not None or self.high is not None or self.log:
                raise ValueError("choices stand alone: no low, high or log beside them")
        elif self.low is None or self.high is None:
            raise ValueError("expected {low, high, log?} or {choices: [...]}")
        elif not self.low < self.high:
            raise ValueError(f"low must be below high, got {self.low} and {self.high}")
        elif self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range starts above 0, got {self.low}")
        return self


class Budget(Model):
    """When a study stops: whichever comes first."""

    trials: int = Field(ge=1)
    seconds: float = Field(gt=0, allow_inf_nan=False, description="wall-clock seconds")
    steps_per_trial: int = Field(ge=1, description="environment steps")


class StudySpec(Model):
    """The body of a study."""

    suite: str = Field(description="name of a shipped suite, or a file beside the study")
    policy: str
    search_space: dict[str, SearchParameter] = Field(min_length=1)
    budget: Budget
    sampler: Literal["tpe", "random"] = "tpe"
    pruner: Literal["median", "hyperband", "none"] = "median"


class StudyDocument(Model):
    """A search over a policy's settings."""

    api_version: Literal["healtwin/v1"] = Field(alias="apiVersion")
    kind: Literal["Study"]
    metadata: Metadata
    spec: StudySpec
