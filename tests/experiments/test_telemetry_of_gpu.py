"""The rows on utilisation and temperature: what they are made of, and that they hold on the real replay."""

from __future__ import annotations

from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest

from experiments.bench.telemetry_of_gpu import FITTED, FOLDER, fitted, read, rows, temperature, utilization
from twin.mechanics.gpu_host_bound import REPLAY_CARD, VLLM_V0

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not (DATA / FOLDER).is_dir(), reason=f"no {FOLDER} beside the repository")


def test_utilisation_falls_with_the_batch_and_rises_with_prompts():
    batches = (1, 4, 16, 64, 256)
    shares = [VLLM_V0.utilization(n, n * 0.0016, 0.0) for n in batches]
    assert shares == sorted(shares, reverse=True)
    assert all(VLLM_V0.utilization(n, 0.1, 2000.0) > VLLM_V0.utilization(n, 0.1, 0.0) for n in batches)


def test_a_step_is_its_kernels_and_its_host_work():
    assert VLLM_V0.wall(32, 0.1) == VLLM_V0.resident(32, 0.1) + VLLM_V0.host + 32 * VLLM_V0.host_per_sequence
    assert VLLM_V0.token_rate(32, 0.1, 0.0) == pytest.approx(32 / VLLM_V0.wall(32, 0.1))


@needs_data
def test_the_bars_hold_on_the_scales_that_were_not_fitted():
    found = {row.row: row for row in rows(DATA)}
    assert found["GPU temperature, worst of 0700-1500"].value <= 3.0
    assert found["GPU utilisation falls with load as measured"].holds
    assert found["GPU utilisation, medians by load"].value < 0.03
    assert all(row.holds is not False for row in found.values())


@needs_data
def test_the_shipped_constants_are_what_a_new_fit_gives():
    step, card = fitted([read(DATA, scale) for scale in FITTED])
    assert astuple(step) == pytest.approx(astuple(VLLM_V0), rel=0.05)
    assert astuple(card) == pytest.approx(astuple(REPLAY_CARD), rel=0.05)


@needs_data
def test_neither_is_given_the_measured_utilisation():
    run = read(DATA, 1500)
    blind = replace(run, utilization=np.zeros(len(run.time)))
    assert np.array_equal(utilization(VLLM_V0, blind), utilization(VLLM_V0, run))
    shares = utilization(VLLM_V0, run)
    assert np.array_equal(temperature(REPLAY_CARD, shares, blind), temperature(REPLAY_CARD, shares, run))
