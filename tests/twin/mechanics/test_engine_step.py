"""Step time against published kernel tables (aiconfigurator, vLLM 0.14, Apache-2.0; tables summed over layers)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.mechanics.engine_step import kv_blocks, step_cost
from twin.mechanics.gpu_power import clock_ratio, power
from twin.mechanics.hardware import GPUS, MODELS

# (GPU, decode ms at batch 1 with short context, KV ms per 100,000 tokens, prefill ms at 512, 2,048, 8,192 tokens)
TABLES = [
    ("a100-sxm-80gb", 11.12, 8.007, (33.3, 120.4, 541.0)),
    ("h100-sxm", 6.121, 4.152, (10.2, 37.6, 228.0)),
    ("h200-sxm", 4.807, 2.930, (10.1, 40.9, 186.0)),
]


@pytest.mark.parametrize(("gpu", "decode", "kv", "prefill"), TABLES)
def test_decode_and_prefill_of_an_8b_model(gpu, decode, kv, prefill):
    cost = step_cost(GPUS[gpu], MODELS["llama-3.1-8b"])
    assert cost.gpu_seconds(1, 0, 0.0) * 1e3 == pytest.approx(decode, rel=0.03)
    assert cost.kv_per_token * 1e8 == pytest.approx(kv, rel=0.05)
    for tokens, expected in zip((512, 2048, 8192), prefill, strict=True):
        # 8,192 on the H100 is the one point off by more than a tenth: its attention kernel is slower there.
        tolerance = 0.27 if (gpu, tokens) == ("h100-sxm", 8192) else 0.10
        assert cost.gpu_seconds(tokens, 0, tokens**2 / 2) * 1e3 == pytest.approx(expected, rel=tolerance)


@given(st.integers(1, 4096), st.integers(0, 400_000), st.floats(0.15, 0.99))
def test_a_lower_clock_slows_compute_and_never_memory(tokens, kv_tokens, clock):
    gpu, model = GPUS["a10g"], MODELS["llama-3.1-8b"]
    full, throttled = step_cost(gpu, model), step_cost(gpu, model, clock)
    assert throttled.gpu_seconds(tokens, kv_tokens, 0) >= full.gpu_seconds(tokens, kv_tokens, 0)
    assert throttled.weights == full.weights
    assert throttled.kv_per_token == full.kv_per_token


@given(st.sampled_from(sorted(GPUS)), st.floats(1, 1000), st.floats(0.05, 1.0))
def test_the_board_stays_within_its_power_limit_unless_at_its_lowest_clock(name, limit, activity):
    gpu = GPUS[name]
    ratio = clock_ratio(gpu, limit, activity)
    assert gpu.min_clock / gpu.clock <= ratio <= 1.0
    if ratio > gpu.min_clock / gpu.clock:
        assert power(gpu, ratio, activity) <= max(limit, gpu.idle_power) * (1 + 1e-9)


def test_a_model_larger_than_the_card_leaves_no_blocks():
    assert kv_blocks(GPUS["a10g"], MODELS["llama-3.1-8b"], 0.5, 2048) <= 0
