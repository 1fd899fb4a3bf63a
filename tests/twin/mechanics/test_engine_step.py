"""Step times: known limits, what may and may not slow them, and what fits a card."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.mechanics.engine_step import host_seconds, kv_blocks, reserved_bytes, step_cost, utilisation
from twin.scenario import hardware

GPUS = sorted(hardware.shipped("GPU"))
MODELS = sorted(hardware.shipped("Model"))

gpus = st.sampled_from(GPUS).map(hardware.gpu)
models = st.sampled_from(MODELS).map(hardware.model)
shares = st.floats(0.1, 0.95)
batches = st.integers(1, 512)


@pytest.mark.parametrize("name", GPUS)
def test_a_lone_decode_takes_as_long_as_reading_the_weights_once(name):
    gpu, model = hardware.gpu(name), hardware.model("llama-3.1-8b")
    read = (model.parameters - model.vocabulary * model.hidden) * 2.0  # the input embedding is only looked up
    floor = read / gpu.bandwidth
    seconds = step_cost(gpu, model).gpu_seconds(1, 1, 0, 0)
    assert floor / gpu.memory_efficiency < seconds < floor / gpu.memory_efficiency * 1.35 + 1.5e-3


@pytest.mark.parametrize("name", GPUS)
def test_a_long_prefill_is_bound_by_the_tensor_cores(name):
    gpu, model = hardware.gpu(name), hardware.model("llama-3.1-8b")
    tokens = 8192
    operations = 2.0 * (model.active_parameters - model.vocabulary * model.hidden) * tokens
    operations += 4.0 * model.layers * model.heads * model.head_size * tokens * tokens / 2
    seconds = step_cost(gpu, model).gpu_seconds(tokens, 1, 0, tokens * tokens / 2)
    assert 0.4 < operations / seconds / gpu.flops < gpu.compute_efficiency


@given(gpus, models, batches, shares)
def test_a_lower_clock_slows_compute_and_never_memory(gpu, model, tokens, clock):
    full, throttled = step_cost(gpu, model), step_cost(gpu, model, clock=clock)
    assert throttled.fixed(tokens, tokens) >= full.fixed(tokens, tokens)
    assert throttled.kv_per_token == full.kv_per_token
    assert throttled.attention_per_pair == pytest.approx(full.attention_per_pair / clock)
    assert throttled.fixed(1, 1) < 1.1 * full.fixed(1, 1) / clock**0.25


@given(gpus, models, batches, shares)
def test_lost_memory_bandwidth_slows_decodes_and_leaves_the_prefill_of_pairs_alone(gpu, model, tokens, bandwidth):
    sound, worn = step_cost(gpu, model), step_cost(gpu, model, bandwidth=bandwidth)
    assert worn.fixed(tokens, tokens) > sound.fixed(tokens, tokens)
    assert worn.kv_per_token == pytest.approx(sound.kv_per_token / bandwidth)
    assert worn.attention_per_pair == sound.attention_per_pair


@given(gpus, models, shares, batches)
def test_a_worse_link_slows_only_models_on_several_gpus(gpu, model, link, tokens):
    assert step_cost(gpu, model, 1, link=link).fixed(tokens, 1) == step_cost(gpu, model).fixed(tokens, 1)
    assert step_cost(gpu, model, 2, link=link).fixed(tokens, 1) > step_cost(gpu, model, 2).fixed(tokens, 1)


@given(gpus, models, st.integers(1, 4000), st.integers(1, 500))
def test_more_tokens_and_more_sequences_never_take_less(gpu, model, tokens, sequences):
    cost = step_cost(gpu, model)
    tokens += 2 * sequences
    assert cost.fixed(tokens + 1, sequences) >= cost.fixed(tokens, sequences)
    assert cost.fixed(tokens, sequences + 1) >= cost.fixed(tokens, sequences)
    assert cost.fixed(tokens, sequences) > cost.fixed(tokens, 0)


@given(models, batches, st.sampled_from([2, 4, 8]))
def test_several_gpus_with_a_fast_link_are_faster_but_not_that_many_times(model, tokens, tensor_parallel):
    gpu = hardware.gpu("h200-sxm")
    one = step_cost(gpu, model).gpu_seconds(4 * tokens, tokens, 1000 * tokens, 0)
    several = step_cost(gpu, model, tensor_parallel).gpu_seconds(4 * tokens, tokens, 1000 * tokens, 0)
    assert several > one / tensor_parallel
    if model.hidden >= 8192:
        assert several < one


@given(gpus, models, batches, batches, st.integers(0, 100_000), st.integers(0, 10**6), st.sampled_from([1, 2, 4]))
def test_the_parts_of_a_step_add_up(gpu, model, tokens, sequences, kv_tokens, pairs, tensor_parallel):
    cost = step_cost(gpu, model, tensor_parallel)
    parts = cost.breakdown(tokens, sequences, kv_tokens, pairs)
    assert sum(parts.values()) == pytest.approx(cost.gpu_seconds(tokens, sequences, kv_tokens, pairs))
    assert (parts["all_reduce"] > 0) == (tensor_parallel > 1)


def test_decodes_beside_a_prefill_cost_more_where_the_kernel_does_not_pack_their_heads():
    model = hardware.model("llama-3.1-8b")
    for name, packs in (("a10g", False), ("rtx-pro-6000", False), ("h100-sxm", True)):
        cost = step_cost(hardware.gpu(name), model)
        alone = cost.breakdown(64, 64, 64_000, 0)["attention"] + cost.breakdown(512, 1, 0, 131_072)["attention"]
        together = cost.breakdown(576, 65, 64_000, 131_072)["attention"]
        assert (together > 1.2 * alone) is not packs


def test_a_batch_of_few_tokens_reads_few_experts():
    experts = hardware.model("qwen3-30b-a3b").experts
    assert experts is not None
    assert experts.touched(1) == pytest.approx(8)
    assert 8 < experts.touched(4) < 32
    assert experts.touched(1000) == pytest.approx(128, rel=1e-6)
    gpu = hardware.gpu("rtx-pro-6000")
    sparse = step_cost(gpu, hardware.model("qwen3-30b-a3b"))
    dense = step_cost(gpu, hardware.model("qwen3-32b"))
    assert sparse.fixed(1, 1) < 0.25 * dense.fixed(1, 1)
    assert sparse.fixed(128, 128) > 4 * sparse.fixed(1, 1)


def test_a_hybrid_model_pays_for_its_states_by_the_sequence_and_not_by_the_token():
    gpu, hybrid = hardware.gpu("a10g"), hardware.model("falcon-h1-7b")
    assert hybrid.state_bytes_per_sequence > 500 * hybrid.kv_bytes_per_token
    few, many = (kv_blocks(gpu, hybrid, 0.92, 2048, sequences) for sequences in (16, 64))
    assert few - many > 0.9 * 48 * hybrid.state_bytes_per_sequence / (16 * hybrid.kv_bytes_per_token)


@given(gpus, models, st.floats(0.3, 0.95), st.integers(16, 8192), st.sampled_from([1, 2, 4, 8]))
def test_blocks_and_reserved_bytes_fill_the_memory_and_never_more(gpu, model, utilization, tokens, tensor_parallel):
    blocks = kv_blocks(gpu, model, utilization, tokens, 128, tensor_parallel)
    shared = model.kv_bytes_per_token * max(1.0, model.kv_heads / tensor_parallel) / model.kv_heads
    used = reserved_bytes(model, tokens, 128, tensor_parallel) + 16 * shared * blocks
    assert used <= gpu.memory * utilization < used + 16 * shared * (1 + 1e-9)


def test_a_model_larger_than_the_card_leaves_no_blocks():
    assert kv_blocks(hardware.gpu("a10g"), hardware.model("llama-3.1-70b"), 0.92, 2048) <= 0
    assert kv_blocks(hardware.gpu("h100-sxm"), hardware.model("llama-3.1-70b"), 0.92, 2048, 128, 4) > 1000


def test_utilisation_falls_where_the_host_is_slower_than_the_gpu():
    assert utilisation(0.010, max(0.010, host_seconds(8, 1.0))) == 1.0
    assert utilisation(0.001, host_seconds(128, 4.0)) < 0.2
    assert utilisation(0.0, 0.0) == 0.0
