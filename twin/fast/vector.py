"""The Gymnasium face of the fast twin: a vector environment with the spaces of `healtwin/Cluster-v0`.

    env = gymnasium.make_vec("twin:healtwin/FastCluster-v0", num_envs=1024, scenario="gpu-power-cap", arrays="jax")

A policy that decides in the one decides in the other. An episode that is over begins anew in the same step
(`AutoresetMode.SAME_STEP`): `info["final_obs"]` and `info["final_info"]` tell of the one that ended.

Of an observation in NumPy nothing is copied but `kind` (jax has no int64 here), and nothing at all of one in jax,
which torch reads in place: `torch.from_dlpack(observation["features"])`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, Literal, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from jax import Array
from numpy.typing import NDArray

from twin.fast.finite import sound, unsound
from twin.fast.twin import EPISODES, TICKS, FastTwin, Lane, compile
from twin.scenario import Scenario, Suite
from twin.spaces import action_space, observation_space

Batch = dict[str, Any]
"""Arrays [num_envs, …], of NumPy or of jax."""


def _words(leaf: Array) -> Array:
    """A key of random numbers as its words, anything else as it is."""
    return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf


class _Programs(NamedTuple):
    """What is compiled of a twin: of keys, lanes and actions [num_envs, …]."""

    begin: Callable[[Array], tuple[Batch, Lane]]
    go_on: Callable[[Lane, Array], tuple[Any, ...]]
    """-> observation, lanes, reward, done, info, which lanes are sound, and whether [all are, any is done]."""
    renew: Callable[[Array, Batch, Lane, Array], tuple[Batch, Lane]]
    """Observations and lanes: of new episodes where the old ones are done."""


@lru_cache(maxsize=4)
def _programs(twin: FastTwin) -> _Programs:
    """For all environments of a twin, so that the second one of it is compiled already."""

    def go_on(lanes: Lane, actions: Array) -> tuple[Any, ...]:
        observed, lived, reward, done, info = jax.vmap(twin.go_on)(lanes, actions)
        fine = sound(lived, observed["features"], reward)
        seconds = jnp.full_like(reward, twin.default_params.interval_seconds)
        flags = jnp.stack([fine.all(), done.any()])
        return observed, lived, reward, done, {**info, "elapsed": seconds}, fine, flags

    def renew(keys: Array, observed: Batch, lanes: Lane, done: Array) -> tuple[Batch, Lane]:
        def chosen(new: Array, old: Array) -> Array:
            return jnp.where(done.reshape(-1, *[1] * (new.ndim - 1)), new, old)

        both: tuple[Batch, Lane] = jax.tree.map(chosen, jax.vmap(twin.reset)(keys), (observed, lanes))
        return both

    return _Programs(jax.jit(jax.vmap(twin.reset)), jax.jit(go_on), jax.jit(renew))


class FastVectorEnv(VectorEnv[Batch, Any, Any]):
    """`num_envs` clusters at once. The horizon is a truncation; nothing terminates.

    `info`: `loss` and `violated` seconds of the decision, `illegal` actions of the episode so far, `elapsed` seconds of
    the decision. With `arrays="jax"`, `final_obs` is a whole batch in which the rows of `_final_obs` count; with
    "numpy" it is an array of one observation for each environment, as Gymnasium's own have it.

    Raises NotANumberError from `step` where a number is none, CompileError for scenarios that cannot be compiled.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}  # noqa: RUF012  (as Gymnasium has it)

    def __init__(
        self,
        scenario: FastTwin | str | Scenario | Suite | Sequence[Scenario],
        num_envs: int = 1,
        seeds: Iterable[int] = range(EPISODES),
        ticks: int = TICKS,
        arrays: Literal["numpy", "jax"] = "numpy",
    ) -> None:
        self.twin = scenario if isinstance(scenario, FastTwin) else compile(scenario, seeds, ticks)
        self.num_envs = num_envs
        self.single_observation_space = observation_space(self.twin.components)
        self.single_action_space = action_space(self.twin.components)
        self._in_jax = arrays == "jax"
        self._key = jax.random.key(0)
        self._lane: Lane | None = None
        self._observed: Batch = {}
        self._programs = _programs(self.twin)

    # Made when they are asked for: the bounds of a large batch take as much memory as its observations.
    @cached_property
    def observation_space(self) -> gymnasium.Space[Any]:  # type: ignore[override]
        """Of the batch."""
        return batch_space(self.single_observation_space, self.num_envs)

    @cached_property
    def action_space(self) -> gymnasium.Space[Any]:  # type: ignore[override]
        """Of the batch."""
        return batch_space(self.single_action_space, self.num_envs)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Batch, dict[str, Any]]:
        """Begin an episode in every environment, drawn from the pool by `seed`."""
        super().reset(seed=seed)
        if seed is not None or self._lane is None:
            self._key = jax.random.key(int(self.np_random.integers(2**31)))
        observed, self._lane = self._programs.begin(self._next_keys())
        self._observed = observed
        nothing = np.zeros(self.num_envs, np.float32)
        info = {"loss": nothing, "violated": nothing, "illegal": np.zeros(self.num_envs, np.int32), "elapsed": nothing}
        return self._given(observed), self._info(info)

    def step(self, actions: Any) -> tuple[Batch, Any, Any, Any, dict[str, Any]]:
        """Order an action [num_envs, 3] in each, live until the next decision, begin anew where the horizon is
        reached. Actions outside their mask change nothing and are counted in `info["illegal"]`."""
        if self._lane is None:
            raise gymnasium.error.ResetNeeded("step() before reset()")
        before, ordered = self._lane, jnp.asarray(actions, jnp.int32)
        observed, self._lane, reward, done, info, fine, flags = self._programs.go_on(before, ordered)
        all_fine, any_done = np.asarray(flags).tolist()
        if not all_fine:
            wrong = int(np.argmin(np.asarray(fine)))
            lane = jax.tree.map(lambda field: field[wrong], before)
            raise unsound(self.twin, lane, ordered[wrong][None])
        found = self._info(info)
        if any_done:
            found |= self._final(observed, found, np.asarray(done))
            observed, self._lane = self._programs.renew(self._next_keys(), observed, self._lane, done)
            found["illegal"] = self._array(self._lane.illegal)
        self._observed = observed
        terminated = jnp.zeros_like(done)
        return self._given(observed), self._reward(reward), self._array(terminated), self._array(done), found

    def saved(self) -> dict[str, NDArray[Any]]:
        """Where all environments stand, as arrays that can be kept in a file."""
        if self._lane is None:
            raise gymnasium.error.ResetNeeded("saved() before reset()")
        stands = (self._key, self._observed, self._lane)
        return {
            jax.tree_util.keystr(path): np.asarray(_words(leaf)) for path, leaf in jax.tree.leaves_with_path(stands)
        }

    def restore(self, saved: Mapping[str, NDArray[Any]]) -> Batch:
        """Stand where `saved` said, in an environment of the same twin and size; returns the observations."""
        begun = jax.eval_shape(self._programs.begin, jax.random.split(self._key, self.num_envs))

        def found(path: Any, like: Any) -> Array:
            array = jnp.asarray(saved[jax.tree_util.keystr(path)])
            return jax.random.wrap_key_data(array) if jnp.issubdtype(like.dtype, jax.dtypes.prng_key) else array

        self._key, self._observed, self._lane = jax.tree_util.tree_map_with_path(found, (self._key, *begun))
        return self._given(self._observed)

    def _final(self, observed: Batch, info: dict[str, Any], done: NDArray[np.bool_]) -> dict[str, Any]:
        final: Any = self._given(observed)
        if not self._in_jax:
            rows = np.full(self.num_envs, None, dtype=object)
            for i in np.flatnonzero(done):
                rows[i] = {name: values[i] for name, values in final.items()}
            final = rows
        told = {name: values for name, values in info.items() if not name.startswith("_")}
        return {
            "final_obs": final,
            "_final_obs": done,
            "final_info": {**told, **{f"_{name}": done for name in told}},
            "_final_info": done,
        }

    def _info(self, info: dict[str, Any]) -> dict[str, Any]:
        there = np.ones(self.num_envs, bool)
        return {name: self._array(values) for name, values in info.items()} | {f"_{name}": there for name in info}

    def _given(self, observed: Batch) -> Batch:
        """An observation as it was asked for."""
        given = {name: self._array(values) for name, values in observed.items()}
        if not self._in_jax:
            given["kind"] = given["kind"].astype(np.int64)
        return given

    def _array(self, values: Any) -> Any:
        return jnp.asarray(values) if self._in_jax else np.asarray(values)

    def _reward(self, reward: Array) -> Any:
        return reward if self._in_jax else np.asarray(reward, np.float64)

    def _next_keys(self) -> Array:
        self._key, key = jax.random.split(self._key)
        return jax.random.split(key, self.num_envs)
