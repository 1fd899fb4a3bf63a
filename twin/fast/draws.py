"""Uniform draws by counting, without the cost of a cryptographic generator: what is drawn for whom, in which tick."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array


def seed(luck: Array) -> Array:
    """[] uint32: a key of JAX as one number."""
    data = jax.random.key_data(luck)
    return (data[..., 0] * np.uint32(0x9E3779B9)) ^ data[..., -1]


def uniform(luck: Array, tick: Array, what: int, size: int) -> Array:
    """[size] in (0, 1): the finaliser of MurmurHash3 over seed, tick, what is drawn, and place."""
    place = jnp.arange(size, dtype=jnp.uint32) * np.uint32(0x85EBCA6B) + np.uint32(what * 0x27D4EB2F % 2**32)
    x = place ^ (luck + tick.astype(jnp.uint32) * np.uint32(0xC2B2AE35))
    x = (x ^ (x >> 16)) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * np.uint32(0xC2B2AE35)
    x = x ^ (x >> 16)
    return (x >> 8).astype(jnp.float32) * np.float32(2.0**-24) + np.float32(2.0**-25)


def normal(u: Array) -> Array:
    """A standard normal of a uniform draw, by the logistic approximation (error below 0.02)."""
    return jnp.log(u / (1.0 - u)) / np.float32(1.702)


def quantile(u: Array, values: Array, at: Sequence[float]) -> Array:
    """[…] what lies at the share u […] of a distribution with `values` [Q, …] at the shares `at` [Q]: a polygon."""
    found = values[0]
    for i in range(1, len(at)):
        part = jnp.clip((u - at[i - 1]) / (at[i] - at[i - 1]), 0.0, 1.0)
        found = found + part * (values[i] - values[i - 1])
    return found
