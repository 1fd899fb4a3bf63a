"""GPUs and models from YAML files: the shipped ones by name, anyone's by path.

    apiVersion: healtwin/v1
    kind: GPU                                  # or Model
    metadata: {name: my-gpu, title: My GPU}
    spec:
      memory: {value: 24.1GB, source: "nvidia-smi"}
      …

Every constant is `{value, source}`, or a bare value where `spec.source` says where they all come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import Field, ValidationError, model_validator

from twin.mechanics.hardware import Experts, Gpu, Link, Mamba, Model
from twin.mechanics.kernels import ATTENTION
from twin.quantities import Bandwidth, Frequency, Latency, Power, Ratio, Size, Throughput
from twin.scenario.catalogue import folder
from twin.scenario.errors import Path as Key
from twin.scenario.errors import ScenarioError, nearest
from twin.scenario.schema import Metadata
from twin.scenario.schema import Model as Schema
from twin.scenario.source import Document, located, read

T = TypeVar("T", Gpu, Model)

FOLDERS = {"GPU": "gpus", "Model": "models"}
"""Where the shipped files of a kind lie below `scenarios/hardware`."""

Efficiency = Annotated[Ratio, Field(gt=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1)]


# --- what a file says ------------------------------------------------------------------------------------------------


class LinkSpec(Schema):
    """How the GPUs of a node reach each other."""

    bandwidth: Annotated[Bandwidth, Field(gt=0)] = Field(description="one GPU's, in one direction")
    latency: Annotated[Latency, Field(gt=0)] = Field(description="of an all-reduce of nothing")


class GpuSpec(Schema):
    """The constants of a GPU. Peaks are the datasheet's; the efficiencies are what kernels reach of them."""

    product_name: str = Field(description="as DCGM and nvidia-smi print it")
    memory: Annotated[Size, Field(gt=0)]
    bandwidth: Annotated[Bandwidth, Field(gt=0)] = Field(description="of the memory")
    compute: Annotated[Throughput, Field(gt=0)] = Field(description="bf16 tensor cores, dense, fp32 accumulation")
    multiprocessors: Count
    power_limit: Annotated[Power, Field(gt=0)]
    idle_power: Power
    clock: Annotated[Frequency, Field(gt=0)] = Field(description="highest SM clock")
    min_clock: Annotated[Frequency, Field(gt=0)] = Field(description="lowest SM clock")
    memory_efficiency: Efficiency = Field(description="share of `bandwidth` reached when streaming weights")
    compute_efficiency: Efficiency = Field(description="share of `compute` reached in large matrix products")
    attention: str = Field(description="the attention kernel that vLLM runs on it")
    link: LinkSpec

    @model_validator(mode="after")
    def _ordered(self) -> GpuSpec:
        if self.min_clock > self.clock:
            raise ValueError("minClock is above clock")
        if self.idle_power >= self.power_limit:
            raise ValueError("idlePower is not below powerLimit")
        if self.attention not in ATTENTION:
            raise ValueError(f"no attention kernel '{self.attention}'{nearest(self.attention, ATTENTION)}")
        return self

    def built(self, name: str) -> Gpu:
        """The GPU as the mechanics take it."""
        return Gpu(
            name=name,
            model_name=self.product_name,
            memory=self.memory,
            bandwidth=self.bandwidth,
            flops=self.compute,
            multiprocessors=self.multiprocessors,
            power=self.power_limit,
            idle_power=self.idle_power,
            clock=self.clock / 1e6,
            min_clock=self.min_clock / 1e6,
            memory_efficiency=self.memory_efficiency,
            compute_efficiency=self.compute_efficiency,
            attention=self.attention,
            link=Link(self.link.bandwidth, self.link.latency),
        )


class ExpertsSpec(Schema):
    """Mixture of experts in every layer (config.json: num_experts, num_experts_per_tok, moe_intermediate_size)."""

    number: Count
    per_token: Count
    intermediate_size: Count

    @model_validator(mode="after")
    def _enough(self) -> ExpertsSpec:
        if self.per_token > self.number:
            raise ValueError(f"a token cannot be sent to {self.per_token} of {self.number} experts")
        return self


class MambaSpec(Schema):
    """Mamba-2 beside attention in every layer (config.json: mamba_d_ssm, mamba_d_state, mamba_n_heads, …)."""

    inner_size: Count
    state_size: Count
    heads: Count
    groups: Count
    convolution: Count


class ModelSpec(Schema):
    """The shape of a decoder-only language model, from its config.json."""

    served_name: str
    layers: Count
    hidden_size: Count
    intermediate_size: Count
    attention_heads: Count
    key_value_heads: Count
    head_size: Count
    vocabulary_size: Count
    tied_embeddings: bool = False
    query_key_value_bias: bool = False
    query_key_norm: bool = False
    experts: ExpertsSpec | None = None
    mamba: MambaSpec | None = None
    bytes_per_parameter: float = Field(2.0, gt=0, le=4, description="2 for bf16, 1 for fp8")
    bytes_per_key_value: float = Field(2.0, gt=0, le=4, description="kv_cache_dtype: 2 for bf16, 1 for fp8")

    @model_validator(mode="after")
    def _groups(self) -> ModelSpec:
        if self.attention_heads % self.key_value_heads:
            raise ValueError(
                f"{self.attention_heads} attention heads cannot share {self.key_value_heads} key-value heads evenly"
            )
        return self

    def built(self, name: str) -> Model:
        """The model as the mechanics take it."""
        e, m = self.experts, self.mamba
        return Model(
            name=name,
            served_name=self.served_name,
            layers=self.layers,
            hidden=self.hidden_size,
            intermediate=self.intermediate_size,
            heads=self.attention_heads,
            kv_heads=self.key_value_heads,
            head_size=self.head_size,
            vocabulary=self.vocabulary_size,
            tied_embeddings=self.tied_embeddings,
            qkv_bias=self.query_key_value_bias,
            qk_norm=self.query_key_norm,
            experts=Experts(e.number, e.per_token, e.intermediate_size) if e else None,
            mamba=Mamba(m.inner_size, m.state_size, m.heads, m.groups, m.convolution) if m else None,
            bytes_per_parameter=self.bytes_per_parameter,
            kv_bytes_per_value=self.bytes_per_key_value,
        )


# --- reading it ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry(Generic[T]):
    """A GPU or a model, and what its file says about it."""

    item: T
    title: str
    file: Path
    values: Mapping[str, Any] = field(repr=False)
    """Constants as written, by their path in `spec` (`link.bandwidth`)."""
    sources: Mapping[str, str] = field(repr=False)


def gpu(name_or_path: str, beside: Path | None = None) -> Gpu:
    """The GPU of a shipped name or in a file (relative to `beside`). Raises ScenarioError."""
    return gpu_entry(name_or_path, beside).item


def model(name_or_path: str, beside: Path | None = None) -> Model:
    """The model of a shipped name or in a file (relative to `beside`). Raises ScenarioError."""
    return model_entry(name_or_path, beside).item


def gpu_entry(name_or_path: str, beside: Path | None = None) -> Entry[Gpu]:
    """The GPU with its sources. Raises ScenarioError."""
    file = find("GPU", name_or_path, beside)
    return _gpu(file, file.stat().st_mtime_ns)


def model_entry(name_or_path: str, beside: Path | None = None) -> Entry[Model]:
    """The model with its sources. Raises ScenarioError."""
    file = find("Model", name_or_path, beside)
    return _model(file, file.stat().st_mtime_ns)


def shipped(kind: Literal["GPU", "Model"]) -> dict[str, Path]:
    """The shipped files of a kind by name."""
    return {file.stem: file for file in sorted((folder() / "hardware" / FOLDERS[kind]).glob("*.yaml"))}


def find(kind: Literal["GPU", "Model"], name_or_path: str, beside: Path | None = None) -> Path:
    """The file that a shipped name, a path, or the name of a file beside the scenario means. Raises ScenarioError."""
    named = shipped(kind)
    if name_or_path in named:
        return named[name_or_path]
    for candidate in (name_or_path, f"{name_or_path}.yaml"):
        path = (beside or Path()) / candidate
        if path.is_file():
            return path
    looks_like_a_file = "/" in name_or_path or name_or_path.endswith((".yaml", ".yml"))
    what = f"no such file: {(beside or Path()) / name_or_path}" if looks_like_a_file else f"no {kind} '{name_or_path}'"
    word = name_or_path.rpartition("/")[2].removesuffix(".yaml")
    raise ScenarioError(
        f"{what}{nearest(word, named)}; a file of one's own is given by its path, ./my-{kind.lower()}.yaml"
    )


def kind_of(file: Path) -> str:
    """The `kind` that a file states, GPU or Model. Raises ScenarioError for another."""
    document = read(file)
    kind = document.data.get("kind")
    if kind not in FOLDERS:
        raise document.locate(ScenarioError(f"expected kind: {' or '.join(FOLDERS)}, got {kind!r}", ("kind",)))
    return str(kind)


@lru_cache(maxsize=256)
def _gpu(file: Path, changed: int) -> Entry[Gpu]:
    document, name, title = _opened(file, "GPU")
    values, sources = _constants(document)
    with located(document):
        return Entry(_spec(GpuSpec, document, values).built(name), title, file, _flat(values), sources)


@lru_cache(maxsize=256)
def _model(file: Path, changed: int) -> Entry[Model]:
    document, name, title = _opened(file, "Model")
    values, sources = _constants(document)
    with located(document):
        return Entry(_spec(ModelSpec, document, values).built(name), title, file, _flat(values), sources)


def _opened(file: Path, kind: str) -> tuple[Document, str, str]:
    document = read(file)
    with located(document):
        for key, expected in (("apiVersion", "healtwin/v1"), ("kind", kind)):
            found = document.data.get(key)
            if found != expected:
                raise ScenarioError(f"expected {key}: {expected}, got {found!r}", (key,))
        unknown = next((key for key in document.data if key not in ("apiVersion", "kind", "metadata", "spec")), None)
        if unknown is not None:
            raise ScenarioError(f"unknown key '{unknown}'{nearest(unknown, ['metadata', 'spec'])}", (unknown,))
        try:
            metadata = _Metadata.model_validate(document.data.get("metadata"))
        except ValidationError as error:
            raise ScenarioError.from_validation(error, _Metadata, ("metadata",)) from None
        if not isinstance(document.data.get("spec"), dict):
            raise ScenarioError("expected a mapping of constants", ("spec",))
    return document, metadata.name, metadata.title


class _Metadata(Metadata):
    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")


def _constants(document: Document) -> tuple[dict[str, Any], dict[str, str]]:
    """The bare values of `spec`, and the source of each by its path. Raises ScenarioError where one has no source."""
    sources: dict[str, str] = {}
    spec = dict(document.data["spec"])
    default = spec.pop("source", None)

    def bare(data: dict[str, Any], path: Key) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, entry in data.items():
            here = (*path, key)
            name = ".".join(map(str, here[1:]))
            if not isinstance(entry, dict):
                found[key], source = entry, default
            elif "value" in entry:
                extra = next((k for k in entry if k not in ("value", "source")), None)
                if extra is not None:
                    raise ScenarioError(f"unknown key '{extra}'{nearest(extra, ['value', 'source'])}", (*here, extra))
                found[key], source = entry["value"], entry.get("source", default)
            else:
                found[key] = bare(entry, here)
                continue
            if not isinstance(source, str) or not source.strip():
                raise ScenarioError(
                    f"'{name}' has no source: write {{value: …, source: …}}, or spec.source for all", here
                )
            sources[name] = source
        return found

    with located(document):
        return bare(spec, ("spec",)), sources


def _spec(schema: type[S], document: Document, values: dict[str, Any]) -> S:
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise ScenarioError.from_validation(error, schema, ("spec",), also=("source",)) from None


S = TypeVar("S", GpuSpec, ModelSpec)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found
