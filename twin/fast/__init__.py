"""The same scenarios as arrays: thousands of clusters at once in JAX.

    twin = fast.compile("gpu-power-cap")
    observation, lane = jax.vmap(twin.reset)(keys)
    observation, lane, reward, done, info = jax.vmap(twin.step)(keys, lane, actions)

It is a surrogate, which carries a proof: docs/fast.md. Policies may learn in it and are judged in the SimPy twin.
"""

from twin.fast.cluster import Tick
from twin.fast.errors import CompileError, NotCompiledError
from twin.fast.scraping import Reading
from twin.fast.twin import FastTwin, Lane, Params, compile, compile_each, compile_worlds

__all__ = [
    "CompileError",
    "FastTwin",
    "Lane",
    "NotCompiledError",
    "Params",
    "Reading",
    "Tick",
    "compile",
    "compile_each",
    "compile_worlds",
]
