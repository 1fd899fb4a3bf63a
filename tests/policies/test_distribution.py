"""The action distribution: masks are never violated, and its numbers agree with each other."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.decision import LogProbs, decide, probability
from policies.distribution import ActionDistribution
from twin.streams import Streams


def _random(seed: int, batch: int = 4, c: int = 4, n: int = 5, p: int = 2) -> tuple[ActionDistribution, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    parameter = torch.rand((batch, c, n, p), generator=g) < 0.3
    parameter[:, 0, 0, 0] = True  # no-op is always legal
    target, category = parameter.any(-1), parameter.any(-1).any(-1)
    logits = [torch.randn(shape, generator=g) * 3 for shape in ((batch, c), (batch, c, n), (batch, c, n, p))]
    return ActionDistribution.of(*logits, category, target, parameter), parameter


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31))
def test_neither_samples_nor_the_argmax_are_ever_illegal(seed: int) -> None:
    distribution, legal = _random(seed)
    generator = torch.Generator().manual_seed(seed)
    for actions in (distribution.sample(generator), distribution.argmax()):
        for b, (c, n, p) in enumerate(actions.tolist()):
            assert legal[b, c, n, p]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31))
def test_deployed_decisions_are_never_illegal(seed: int) -> None:
    distribution, legal = _random(seed, batch=1)
    log_probs = LogProbs(*(x[0].numpy() for x in (distribution.category, distribution.target, distribution.parameter)))
    stream = Streams(seed)["test"]
    for mode in ("argmax", "sample"):
        c, n, p = decide(log_probs, mode, stream, 0)  # type: ignore[arg-type]
        assert legal[0, c, n, p]


def test_joint_probabilities_sum_to_one_and_give_the_entropy() -> None:
    distribution, legal = _random(3)
    total, entropy = torch.zeros(4), torch.zeros(4)
    for c, n, p in np.ndindex(4, 5, 2):
        log_prob = distribution.log_probs(torch.tensor([[c, n, p]] * 4)).sum(dim=1)
        total += log_prob.exp()
        entropy -= log_prob.exp() * log_prob.clamp(min=-100)
        assert torch.all(log_prob.exp()[~legal[:, c, n, p]] == 0)
    torch.testing.assert_close(total, torch.ones(4))
    torch.testing.assert_close(entropy, distribution.entropy())


def test_a_category_whose_targets_are_all_masked_is_masked() -> None:
    mask_parameter = torch.zeros((1, 2, 3, 1))
    mask_parameter[0, 0, 0, 0] = 1
    distribution = ActionDistribution.of(
        torch.tensor([[0.0, 9.0]]), torch.zeros((1, 2, 3)), torch.zeros((1, 2, 3, 1)),
        torch.ones((1, 2)), torch.ones((1, 2, 3)), mask_parameter,
    )  # fmt: skip
    assert distribution.argmax().tolist() == [[0, 0, 0]]
    assert distribution.entropy().item() == 0.0


def test_sampling_by_inversion_follows_the_probabilities() -> None:
    distribution, _ = _random(1, batch=1)
    log_probs = LogProbs(*(x[0].numpy() for x in (distribution.category, distribution.target, distribution.parameter)))
    stream = Streams(0)["test"]
    draws = [tuple(decide(log_probs, "sample", stream, i).tolist()) for i in range(4000)]
    for action in set(draws):
        expected = probability(log_probs, np.array(action))
        assert abs(draws.count(action) / 4000 - expected) < 4 * np.sqrt(expected * (1 - expected) / 4000) + 1e-3


def test_masked_logits_get_no_gradient_and_no_nan() -> None:
    logits = torch.randn((2, 3), requires_grad=True)
    mask = torch.tensor([[1, 0, 1], [1, 0, 0]])
    target, parameter = torch.zeros((2, 3, 2)), torch.zeros((2, 3, 2, 1))
    distribution = ActionDistribution.of(
        logits, target, parameter, mask, mask[:, :, None].expand(2, 3, 2), mask[:, :, None, None].expand(2, 3, 2, 1)
    )
    (distribution.entropy() + distribution.log_probs(torch.zeros((2, 3), dtype=torch.long)).sum(1)).sum().backward()
    assert logits.grad is not None and torch.isfinite(logits.grad).all()
    assert torch.all(logits.grad[:, 1] == 0)
