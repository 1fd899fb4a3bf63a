"""GAE on Gymnasium's NEXT_STEP autoreset, against hand calculations."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from policies.gae import gae


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float64)[:, None]


NO = column(0, 0, 0)


def test_agrees_with_a_hand_calculation() -> None:
    gamma, lam, seconds = 0.9, 0.5, 2.0
    out = gae(
        column(1, 2, 3), column(10, 20, 30, 40), NO, NO, NO, column(seconds, seconds, seconds), gamma=gamma, lam=lam
    )
    d = gamma**seconds
    a2 = 3 + d * 40 - 30
    a1 = 2 + d * 30 - 20 + d * lam * a2
    a0 = 1 + d * 20 - 10 + d * lam * a1
    np.testing.assert_allclose(out.advantages[:, 0], [a0, a1, a2], rtol=1e-6)
    np.testing.assert_allclose(out.returns[:, 0], [a0 + 10, a1 + 20, a2 + 30], rtol=1e-6)


def test_the_discount_is_per_second_not_per_decision() -> None:
    short = gae(column(0), column(0, 1), column(0), column(0), column(0), column(1.0), gamma=0.9, lam=1.0)
    long = gae(column(0), column(0, 1), column(0), column(0), column(0), column(10.0), gamma=0.9, lam=1.0)
    assert short.advantages[0, 0] == pytest.approx(0.9)
    assert long.advantages[0, 0] == pytest.approx(0.9**10)


def test_a_truncated_episode_bootstraps_and_a_terminated_one_does_not() -> None:
    # Step 1 ends the episode, step 2 only resets; values[2] is that of the final observation.
    rewards, values, elapsed = column(1, 1, 0, 5), column(10, 10, 10, 10, 10), column(1, 1, 0, 1)
    ends, resets, no = column(0, 1, 0, 0), column(0, 0, 1, 0), column(0, 0, 0, 0)
    truncated = gae(rewards, values, no, ends, resets, elapsed, gamma=0.9, lam=0.8)
    terminated = gae(rewards, values, ends, no, resets, elapsed, gamma=0.9, lam=0.8)
    assert truncated.advantages[1, 0] == pytest.approx(1 + 0.9 * 10 - 10)
    assert terminated.advantages[1, 0] == pytest.approx(1 - 10)
    for out in (truncated, terminated):
        assert not out.valid[2, 0] and out.advantages[2, 0] == 0.0
        # No trace crosses the end: step 1 does not feel the reward of step 3.
        assert out.advantages[3, 0] == pytest.approx(5 + 9 - 10)


def test_environments_do_not_mix() -> None:
    rng = np.random.default_rng(0)
    rewards, values = rng.normal(size=(5, 3)), rng.normal(size=(6, 3))
    no, elapsed = np.zeros((5, 3)), np.ones((5, 3))
    together = gae(rewards, values, no, no, no, elapsed, gamma=0.9, lam=0.9)
    for e in range(3):
        s = slice(e, e + 1)
        alone = gae(rewards[:, s], values[:, s], no[:, s], no[:, s], no[:, s], elapsed[:, s], gamma=0.9, lam=0.9)
        np.testing.assert_array_equal(together.advantages[:, s], alone.advantages)


def test_values_of_the_wrong_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[4, 1\]"):
        gae(NO, NO, NO, NO, NO, NO, gamma=0.9, lam=0.9)


def test_the_rollout_has_the_layout_of_gymnasiums_next_step_autoreset(broken_component) -> None:
    """Our own loop and gymnasium's SyncVectorEnv agree on which step returns what around the end of an episode."""
    import torch

    from policies.network import NetworkConfig, PolicyNetwork
    from policies.rollout import Seat, collect, trimmed
    from twin.streams import Streams

    network = PolicyNetwork(NetworkConfig.of(broken_component.observation_space, width=16))
    seat = Seat(broken_component, 0, Streams(0))
    seat.begin()
    rollout = collect(network, [seat], 20, torch.Generator().manual_seed(0))

    class Seeded(gymnasium.Wrapper):
        """Reset with the seeds that the seat uses."""

        episode = 0

        def reset(self, **_: object):  # type: ignore[no-untyped-def]
            seed = Streams(0)["train/episodes"].integer(0, 2**31 - 1, 0, self.episode)
            self.episode += 1
            return self.env.reset(seed=seed)

    vector = gymnasium.vector.SyncVectorEnv(
        [lambda: Seeded(type(broken_component)())], autoreset_mode=gymnasium.vector.AutoresetMode.NEXT_STEP
    )
    observation, _ = vector.reset()
    for t in range(20):
        there = trimmed({name: torch.as_tensor(values) for name, values in observation.items()})
        np.testing.assert_array_equal(there["features"], rollout.observations["features"][t].numpy())
        observation, reward, terminated, truncated, _ = vector.step(rollout.actions[t].numpy())
        assert reward[0] == pytest.approx(rollout.rewards[t, 0])
        assert (terminated[0], truncated[0]) == (rollout.terminated[t, 0], rollout.truncated[t, 0])
    assert rollout.resets[:, 0].nonzero()[0].tolist() == [8, 17]


def test_where_the_next_episode_begins_at_once_the_final_observation_counts() -> None:
    """The same episode of three steps in both layouts of autoreset."""
    column = np.array
    rewards, final = [1.0, 2.0, 3.0], 7.0
    apart = gae(
        column([[r] for r in rewards] + [[0.0]]), column([[0.5], [0.6], [0.7], [final], [0.9]]), np.zeros((4, 1)),
        column([[0], [0], [1], [0]]), column([[0], [0], [0], [1]]), np.ones((4, 1)), gamma=0.9, lam=0.8,
    )  # fmt: skip
    at_once = gae(
        column([[r] for r in rewards]), column([[0.5], [0.6], [0.7], [0.9]]), np.zeros((3, 1)),
        column([[0], [0], [1]]), np.zeros((3, 1)), np.ones((3, 1)), gamma=0.9, lam=0.8,
        final=column([[0.0], [0.0], [final]]),
    )  # fmt: skip
    assert np.allclose(apart.advantages[:3], at_once.advantages) and at_once.valid.all()
