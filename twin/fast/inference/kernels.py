"""What the steps of an engine cost in a handful of numbers: lines through the kernels of `twin.mechanics.engine_step`,
laid where a scenario's requests are."""

from __future__ import annotations

from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from twin.fast.objectives import LEAST
from twin.mechanics.engine_step import BLOCK_TOKENS, StepCost

BESIDE: Final = 16
"""Decoding requests beside a prompt where the line through its steps is laid: tiles of tensor cores are whole."""
SAMPLES: Final = 128
"""Prompts of which that line's height is the mean."""


def decode_line(cost: StepCost, most: float) -> NDArray[np.float32]:
    """[3] seconds of a decode step: constant, per sequence, per sequence and token of context; through all batches up
    to `most` sequences."""
    batches = np.unique(np.geomspace(1, max(2.0, most), 24).round())
    seconds = [cost.gpu_seconds(int(n), int(n), 0.0, 0.0) for n in batches]
    slope, constant = np.polyfit(batches, seconds, 1, w=1.0 / np.asarray(seconds))
    return np.array([constant, slope, cost.kv_per_token], np.float32)


def prompt_line(cost: StepCost, computed: NDArray[np.float32], budget: int) -> NDArray[np.float32]:
    """[3] seconds of the steps of a prompt: constant of each step, per token, per pair of tokens. The slope is that of
    a full step, the height that of the prompts `computed` [n] tokens, in steps of `budget` tokens at most."""
    half = budget // 2
    slope = (cost.gpu_seconds(budget, 1, 0.0, 0.0) - cost.gpu_seconds(half, 1, 0.0, 0.0)) / (budget - half)
    every = max(1, len(computed) // SAMPLES)
    tokens = np.minimum(computed[::every].round() + BESIDE, budget)
    seconds = np.array([cost.gpu_seconds(int(n), 1, 0.0, 0.0) for n in tokens])
    return np.array([max(0.0, float((seconds - slope * tokens).mean())), slope, cost.attention_per_pair], np.float32)


def beside(cost: StepCost, prompt: NDArray[np.float32]) -> NDArray[np.float32]:
    """[3] seconds that each decoding request adds to the step of a prompt: constant, per token of its context, per
    token of the prompt. `prompt`: the prompts' line."""
    own = float(prompt[1]) + cost.per_sequence + cost.mixed_per_sequence
    return np.array([own, cost.mixed_kv_per_token, cost.mixed_per_pair], np.float32)


def places(tokens: Any, computed: Any, output: Any) -> Any:
    """Requests that a cache of so many tokens holds on average, prompts of `computed` tokens and answers of `output`:
    blocks are taken one by one, the last of a request half full, and a prompt begins where blocks for all of it are
    free, so that on average half as many are idle."""
    return (tokens - computed / 2.0) / (computed + (output + BLOCK_TOKENS) / 2.0)


def bunch(prefill: Any, pause: Any, running: Any, vary: Any) -> Any:
    """Answers that leave together. Prompts are computed in bunches, the busy periods of a queue with one server
    (M/G/1: 1 / (1 - load) in the mean, which are all at most): each takes `prefill` seconds, of the `prefill + pause`
    between two of them. Equal answers leave as they came; unequal ones spread over their standard deviation, and of
    what came together only as much still is as a bunch is long beside that. `vary`: mean square of answers over the
    square of their mean."""
    came = jnp.minimum(1.0 + prefill / jnp.maximum(pause, LEAST), jnp.maximum(running, 1.0))
    return 1.0 + (came - 1.0) * came / jnp.sqrt(came**2 + jnp.maximum(vary - 1.0, 0.0) * running**2)


def again(computed: Any, output: Any, bunch: Any, caching: Any) -> Any:
    """What a full cache has computed again, as a share of all prompts. Between two answers that leave, the others grow
    by the tokens of one; free is anything up to a prompt, evenly, so that as often as the growth is of a prompt the
    last to come gives way, until the next answer leaves. With prefix caching (`caching` 1, else 0) its blocks are found
    again but for those that the others took by then, the last freed first taken: as much as they grow up to the next
    `bunch` of answers, an exponential time, and all of it at most."""
    gives_way = output / computed
    grown = bunch * output / computed
    taken = grown * -jnp.expm1(-1.0 / grown)
    return gives_way * (1.0 - caching * (1.0 - taken))
