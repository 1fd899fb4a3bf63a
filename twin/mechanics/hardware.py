"""What a GPU and a language model are, as far as their speed and memory go. Plain data; `twin.scenario.hardware` reads
it from files, where every constant has its source beside it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    """How the GPUs of one node reach each other."""

    bandwidth: float
    """Bytes/s a GPU sends in one direction (datasheet)."""
    latency: float
    """Seconds of an all-reduce of nothing."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU model. Peaks are the datasheet's; the two efficiencies are what kernels reach of them."""

    name: str
    model_name: str
    """As DCGM labels it."""
    memory: float
    """Bytes of device memory that the driver reports."""
    bandwidth: float
    """Peak memory bandwidth, bytes/s."""
    flops: float
    """Peak dense bf16 tensor throughput with fp32 accumulation, FLOP/s."""
    multiprocessors: int
    """Streaming multiprocessors."""
    power: float
    """Default board power limit, W."""
    idle_power: float
    """W."""
    clock: float
    """Maximum SM clock, MHz."""
    min_clock: float
    """Lowest SM clock, MHz."""
    memory_efficiency: float
    """Share of the peak bandwidth reached when streaming weights."""
    compute_efficiency: float
    """Share of the peak throughput reached in large matrix products."""
    attention: str
    """The attention kernel that vLLM runs on it, one of `twin.mechanics.kernels.ATTENTION`."""
    link: Link


@dataclass(frozen=True, slots=True)
class Experts:
    """The mixture-of-experts layers that stand in place of the dense feed-forward ones."""

    number: int
    per_token: int
    intermediate: int
    """Width of one expert."""

    def touched(self, tokens: float) -> float:
        """Experts that a batch of `tokens` reads in expectation, each token choosing evenly."""
        return self.number * (1.0 - float((1.0 - self.per_token / self.number) ** tokens))


@dataclass(frozen=True, slots=True)
class Mamba:
    """The state-space half of a hybrid layer (Mamba-2)."""

    inner: int
    """Width of the state-space channels."""
    state: int
    """States per channel."""
    heads: int
    groups: int
    convolution: int
    """Taps of the causal convolution."""

    @property
    def projection(self) -> int:
        """Outputs of the input projection: gate, channels, B and C of every group, one step size per head."""
        return 2 * self.inner + 2 * self.groups * self.state + self.heads

    @property
    def convolved(self) -> int:
        """Channels that pass the convolution."""
        return self.inner + 2 * self.groups * self.state


@dataclass(frozen=True, slots=True)
class Model:
    """A decoder-only language model as its published configuration describes it."""

    name: str
    served_name: str
    layers: int
    hidden: int
    intermediate: int
    """Width of the dense feed-forward layer; unused where `experts` is given."""
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    tied_embeddings: bool = False
    qkv_bias: bool = False
    qk_norm: bool = False
    experts: Experts | None = None
    mamba: Mamba | None = None
    bytes_per_parameter: float = 2.0
    kv_bytes_per_value: float = 2.0

    @property
    def layer_parameters(self) -> int:
        """Parameters of one layer."""
        attention = self.hidden * (2 * self.heads + 2 * self.kv_heads) * self.head_size
        attention += (self.heads + 2 * self.kv_heads) * self.head_size if self.qkv_bias else 0
        attention += 2 * self.head_size if self.qk_norm else 0
        norms = 2 * self.hidden
        return attention + norms + self._feed_forward_parameters + self._mamba_parameters

    @property
    def _feed_forward_parameters(self) -> int:
        if self.experts is None:
            return 3 * self.hidden * self.intermediate
        e = self.experts
        return e.number * 3 * self.hidden * e.intermediate + self.hidden * e.number

    @property
    def _mamba_parameters(self) -> int:
        if self.mamba is None:
            return 0
        m = self.mamba
        per_head = 3 * m.heads  # A, D and the bias of the step size
        return self.hidden * (m.projection + m.inner) + (m.convolution + 1) * m.convolved + per_head

    @property
    def parameters(self) -> int:
        """All parameters: layers, embeddings (once where they are tied), the last norm."""
        embeddings = self.vocabulary * self.hidden * (1 if self.tied_embeddings else 2)
        return self.layers * self.layer_parameters + embeddings + self.hidden

    @property
    def active_parameters(self) -> int:
        """Parameters that one token passes: of the experts, those it is routed to; of the embeddings, the output."""
        idle = 0
        if self.experts is not None:
            e = self.experts
            idle = self.layers * (e.number - e.per_token) * 3 * self.hidden * e.intermediate
        return self.parameters - idle - (0 if self.tied_embeddings else self.vocabulary * self.hidden)

    @property
    def weight_bytes(self) -> float:
        """Bytes of weights over all GPUs that hold them."""
        return self.parameters * self.bytes_per_parameter

    @property
    def kv_bytes_per_token(self) -> float:
        """Bytes of keys and values per token: 2 (K and V) x layers x KV heads x head size x bytes a value."""
        return 2.0 * self.layers * self.kv_heads * self.head_size * self.kv_bytes_per_value

    @property
    def state_bytes_per_sequence(self) -> float:
        """Bytes of recurrent state that a sequence holds beside its KV blocks, whatever its length."""
        if self.mamba is None:
            return 0.0
        m = self.mamba
        values = m.inner * m.state + m.convolved * (m.convolution - 1)
        return float(self.layers * values) * self.kv_bytes_per_value
