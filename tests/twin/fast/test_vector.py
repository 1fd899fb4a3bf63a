"""The fast twin as a Gymnasium vector environment: the spaces, the policies and the counts of the other one."""

from __future__ import annotations

from functools import cache

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from policies.baselines.random_legal import RandomLegal
from policies.baselines.rule_ladder import RuleLadder
from twin import fast
from twin.actions import CATEGORIES
from twin.env import ClusterEnv
from twin.fast.orders import NUMBER
from twin.fast.vector import FastVectorEnv

NOOP = np.zeros(3, np.int64)
NODE, REPLICA = 4, 6


@cache
def crash() -> fast.FastTwin:
    return fast.compile("replica-crash", (0, 1, 2), ticks=5)


def made(num_envs: int = 3, **arguments: object) -> FastVectorEnv:
    env = gymnasium.make_vec("healtwin/FastCluster-v0", num_envs=num_envs, scenario=crash(), **arguments)
    assert isinstance(env.unwrapped, FastVectorEnv)
    return env.unwrapped


def test_its_spaces_are_those_of_the_simpy_twin() -> None:
    env, other = made(), ClusterEnv("replica-crash")
    assert env.single_observation_space == other.observation_space
    assert env.single_action_space == other.action_space
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    observed, _ = env.reset(seed=0)
    assert env.observation_space.contains(observed)
    observed, reward, terminated, truncated, _ = env.step(env.action_space.sample())
    assert env.observation_space.contains(observed)
    assert [part.shape for part in (reward, terminated, truncated)] == [(3,)] * 3
    assert not terminated.any() and reward.dtype == np.float64


def test_a_seed_gives_the_same_lives_again() -> None:
    one, other = made(), made()
    for env in (one, other):
        env.reset(seed=7)
    lives = [[env.step(np.tile([NUMBER["restart"], REPLICA, 1], (3, 1)))[1] for _ in range(3)] for env in (one, other)]
    assert np.array_equal(*lives) and np.any(lives[0])


def test_a_step_leaves_what_it_found_so_that_it_is_compiled_once() -> None:
    env = made()
    env.reset(seed=0)
    found = env._lane
    env.step(np.tile(NOOP, (3, 1)))
    types = [[jax.typeof(leaf) for leaf in jax.tree.leaves(lane)] for lane in (found, env._lane)]
    assert types[0] == types[1]


def test_what_it_steps_is_the_twin() -> None:
    env, key = made(arrays="jax"), jax.random.key(5)
    env.reset(seed=0)
    lanes = env._lane
    action = jnp.tile(jnp.array([NUMBER["reboot"], NODE, 1]), (3, 1))
    here, rewarded, *_ = env.step(action)
    there, _, reward, _, _ = jax.jit(jax.vmap(crash().step))(jax.random.split(key, 3), lanes, action)
    assert np.allclose(rewarded, reward)
    assert all(np.allclose(here[name], there[name]) for name in there)


def test_an_episode_that_is_over_tells_of_itself_and_begins_anew() -> None:
    env = made()
    first, _ = env.reset(seed=0)
    illegal = np.tile([NUMBER["evacuate"], REPLICA, 0], (3, 1))
    steps = -(-(int(crash().last[0]) - int(crash().begun.tick[0])) // crash().ticks)
    for _ in range(steps):
        observed, _, _, truncated, info = env.step(illegal)
    assert truncated.all() and info["_final_obs"].all()
    assert info["final_info"]["illegal"].tolist() == [steps] * 3 and info["illegal"].tolist() == [0, 0, 0]
    assert env.single_observation_space.contains(info["final_obs"][0])
    assert not np.array_equal(info["final_obs"][0]["features"], observed["features"][0])
    assert np.array_equal(observed["kind"], first["kind"])
    assert not observed["busy"].any() and int(env._lane.state.tick[0]) == int(crash().begun.tick[0])
    assert "final_obs" not in env.step(illegal)[4]


def test_an_action_outside_its_mask_does_nothing_and_is_counted() -> None:
    wrong, waiting = made(), made()
    seen, _ = wrong.reset(seed=3)
    waiting.reset(seed=3)
    assert seen["mask_target"][0, NUMBER["reboot"], REPLICA] == seen["mask_target"][0, NUMBER["restart"], 15] == 0
    for action in (NUMBER["evacuate"], NODE), (NUMBER["reboot"], REPLICA), (NUMBER["restart"], 15):
        observed, reward, _, _, info = wrong.step(np.tile([*action, 0], (3, 1)))
        same, waited, _, _, none = waiting.step(np.tile(NOOP, (3, 1)))
        assert np.array_equal(reward, waited)
        assert all(np.array_equal(observed[name], same[name]) for name in same)
    assert info["illegal"].tolist() == [3, 3, 3] and none["illegal"].tolist() == [0, 0, 0]


def test_torch_reads_observations_where_jax_has_them() -> None:
    observed, _ = made(arrays="jax").reset(seed=0)
    for name, array in observed.items():
        tensor = torch.from_dlpack(array)
        assert tensor.data_ptr() == array.unsafe_buffer_pointer(), name
        assert tensor.shape == array.shape


def test_numpy_reads_them_there_too() -> None:
    env = made()
    observed, _ = env.reset(seed=0)
    assert {name for name, array in observed.items() if array.flags.owndata} == {"kind"}


@pytest.mark.parametrize(("policy", "acts"), [(RuleLadder, False), (RandomLegal, True)])
def test_policies_of_the_simpy_twin_play_an_episode(policy: type[RuleLadder | RandomLegal], acts: bool) -> None:
    env = made()
    observed, _ = env.reset(seed=1)
    policies = [policy() for _ in range(3)]
    for i, each in enumerate(policies):
        each.reset(i)
    ordered, over = set(), False
    while not over:
        actions = [each.act({name: part[i] for name, part in observed.items()}) for i, each in enumerate(policies)]
        ordered |= {CATEGORIES[action[0]] for action in actions}
        observed, _, _, truncated, info = env.step(np.array(actions))
        over = bool(truncated.all())
    assert not info["final_info"]["illegal"].any()
    assert bool(ordered - {"noop"}) >= acts


def test_it_can_be_saved_and_stood_there_again() -> None:
    env, other = made(), made()
    env.reset(seed=2)
    ordered = np.tile([NUMBER["restart"], REPLICA, 1], (3, 1))
    seen = env.step(ordered)[0]
    kept = env.saved()
    assert all(np.array_equal(seen[name], values) for name, values in other.restore(kept).items())
    after = [each.step(np.tile(NOOP, (3, 1))) for each in (env, other)]
    assert np.array_equal(after[0][1], after[1][1])
    assert all(np.array_equal(after[0][0][name], after[1][0][name]) for name in seen)
    assert all(np.array_equal(one, two) for one, two in zip(env.saved().values(), other.saved().values(), strict=True))


def test_step_needs_a_beginning() -> None:
    with pytest.raises(gymnasium.error.ResetNeeded):
        made().step(np.tile(NOOP, (3, 1)))
