"""What conditions do to a program: the strongest of some channels, the sum of others, as in a plain loop."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

from twin.fast.inference.channels import CHANNEL, CHANNELS, STRONGEST, SUMMED
from twin.fast.inference.levels import Levels, levels

CONDITIONS, PROGRAMS = 5, 4


def episode(channels: NDArray[np.float32]) -> Any:
    """Of an episode, what levels are computed from: channels [K, E] of conditions, and which are not all 0."""
    used = tuple(name for name in CHANNELS if channels[:, CHANNEL[name]].any())
    return SimpleNamespace(conditions=SimpleNamespace(channels=channels), used=used)


def drawn(seed: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Conditions of a few channels each, and whom they touch [K, P]."""
    draw = np.random.default_rng(seed)
    channels = draw.uniform(0.0, 3.0, (CONDITIONS, len(CHANNELS))) * (draw.random((CONDITIONS, len(CHANNELS))) < 0.1)
    return channels.astype(np.float32), draw.random((CONDITIONS, PROGRAMS)) < 0.5


def one_by_one(channels: NDArray[np.float32], hits: NDArray[np.bool_], name: str, program: int) -> float:
    level = 0.0
    for condition in range(CONDITIONS):
        value = float(channels[condition, CHANNEL[name]])
        if hits[condition, program]:
            level = max(level, value) if name in STRONGEST else level + value
    return level


@pytest.mark.parametrize("seed", range(5))
def test_as_a_plain_loop_has_them(seed: int) -> None:
    channels, hits = drawn(seed)
    found = levels(episode(channels), jnp.asarray(hits))
    for name in CHANNELS:
        wanted = [one_by_one(channels, hits, name, program) for program in range(PROGRAMS)]
        assert found[name].tolist() == pytest.approx(wanted, rel=1e-6)


def test_a_channel_is_of_one_kind() -> None:
    assert not set(STRONGEST) & set(SUMMED) and len(CHANNEL) == len(STRONGEST) + len(SUMMED)


def test_whom_nothing_touches_is_well() -> None:
    channels, _ = drawn(0)
    found = levels(episode(channels), jnp.zeros((CONDITIONS, PROGRAMS), bool))
    assert all(not found[name].any() for name in CHANNELS)


def test_one_program_and_some_of_them_have_their_own() -> None:
    channels, hits = drawn(1)
    found = levels(episode(channels), jnp.asarray(hits))
    for name in CHANNELS:
        assert found.of(2)[name].shape == () and float(found.of(2)[name]) == float(found[name][2])
        assert found.of(slice(1, 3))[name].tolist() == found[name][1:3].tolist()


def test_a_channel_that_no_condition_has_is_left_out_of_the_program() -> None:
    """So that it costs nothing: what follows from it is a constant."""
    channels = np.zeros((CONDITIONS, len(CHANNELS)), np.float32)
    channels[0, CHANNEL["decode"]] = 1.0
    found = levels(episode(channels), jnp.ones((CONDITIONS, PROGRAMS), bool))
    assert isinstance(found, Levels) and set(found.found) == {"decode"}
    assert found["leak"].tolist() == [0.0] * PROGRAMS
