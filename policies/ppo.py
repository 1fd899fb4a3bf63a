"""Hierarchical PPO (Schulman et al., Proximal Policy Optimization Algorithms, arXiv 1707.06347), to be read downwards.

The action has two levels, the category and then its target with its parameter; each level's probability ratio is
clipped by itself, on the advantage that both share. A training is a function of (config, environments, seed): it can be
killed and resumed without changing a bit of the result.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from policies import checkpoint
from policies.actor import NetworkPolicy
from policies.batch import Batch
from policies.gae import gae
from policies.network import NetworkConfig, PolicyNetwork
from policies.policy import Policy
from policies.rollout import MakeEnv, Rollout, Seats, Source
from twin.streams import Streams

HEADS = 4
"""Heads of attention, among which the width is divided."""
_WHOLE = ("epochs", "minibatches", "rollout_steps", "environments", "imitation_updates", "imitation_epochs",
          "checkpoint_updates", "width", "layers")  # fmt: skip
_REAL = ("learning_rate", "gamma", "gae_lambda", "clip_range", "entropy_coefficient", "value_coefficient",
         "max_grad_norm", "reward_scale", "imitation_learning_rate", "idle")  # fmt: skip


@dataclass(frozen=True, slots=True)
class PpoConfig:
    """Settings of a training."""

    learning_rate: float = 3e-4
    """of Adam"""
    gamma: float = 0.99
    """discount of one simulated second"""
    gae_lambda: float = 0.9
    """decay of the advantage's trace per decision"""
    clip_range: float = 0.2
    """how far a level's probability ratio may move from 1 before its gradient stops"""
    entropy_coefficient: float = 0.002
    """weight of the entropy bonus, per nat"""
    value_coefficient: float = 0.5
    """weight of the value loss"""
    epochs: int = 4
    """passes over each rollout"""
    minibatches: int = 4
    """parts that a rollout is split into"""
    rollout_steps: int = 64
    """decisions per environment between updates"""
    environments: int = 4
    """environments stepped together"""
    max_grad_norm: float = 0.5
    """gradients are scaled down to this norm"""
    target_kl: float | None = 0.015
    """the epochs of an update end early once the approximate KL divergence exceeds this"""
    reward_scale: float = 0.1
    """rewards (seconds of outage) are multiplied by this, so that values are of order one"""
    imitation_updates: int = 0
    """first updates in which a teacher acts and the network learns to do and to value what it does"""
    imitation_epochs: int = 12
    """passes over each rollout of the teacher"""
    imitation_learning_rate: float = 1e-3
    """of Adam in those updates"""
    checkpoint_updates: int = 5
    """updates between checkpoints"""
    width: int = 64
    """width of the network"""
    layers: int = 2
    """layers of attention and message passing"""
    idle: float = 0.9
    """probability of no-op before training"""

    def __post_init__(self) -> None:
        for name in (*_WHOLE, *_REAL):
            value, whole = getattr(self, name), name in _WHOLE
            fits = isinstance(value, int) if whole else isinstance(value, (int, float))
            if isinstance(value, bool) or not fits or not math.isfinite(value):
                raise ValueError(f"{name} must be a {'whole ' if whole else ''}number, got {value!r}")
        if self.width % HEADS:
            raise ValueError(f"width must be a multiple of {HEADS}, the heads of attention, got {self.width}")
        for name in ("learning_rate", "imitation_learning_rate", "clip_range", "max_grad_norm", "reward_scale"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("gamma", "gae_lambda"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in (0, 1], got {getattr(self, name)}")
        if not 0 < self.idle < 1:
            raise ValueError(f"idle must be in (0, 1), got {self.idle}")
        for name in ("epochs", "minibatches", "rollout_steps", "environments", "checkpoint_updates", "width", "layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A finished training."""

    policy: NetworkPolicy
    steps: int
    """Environment steps, resets not counted."""
    updates: int
    stopped: str
    """``steps`` or ``seconds``: which limit ended it."""


@dataclass(slots=True)
class _Training:
    """Everything that a checkpoint must hold."""

    config: PpoConfig
    network: PolicyNetwork
    optimizer: torch.optim.Adam
    generator: torch.Generator
    source: Source
    steps: int = 0
    updates: int = 0


def train(
    config: PpoConfig,
    environments: MakeEnv | Source,
    *,
    folder: Path,
    seed: int,
    total_steps: int | None = None,
    seconds: float | None = None,
    resume: bool = False,
    on_update: Callable[[int, dict[str, float]], None] = lambda steps, metrics: None,
    teacher: Callable[[], Policy] | None = None,
) -> TrainResult:
    """Train until `total_steps` environment steps or `seconds` of wall clock, whichever is first.

    `environments` makes each of `config.environments`, or is a source of rollouts of its own.

    Checkpoints go to `folder` every `checkpoint_updates` updates and at the end; with `resume` the one that is there is
    continued (or a new training begun where there is none). `on_update(steps, metrics)` is called after each update;
    what it raises ends the training. `teacher()` makes the policy that acts during `imitation_updates`.

    Raises ValueError without a limit, for an observation space that is not a cluster's, and for a checkpoint of another
    configuration or seed.
    """
    if total_steps is None and seconds is None:
        raise ValueError("a training needs a limit: total_steps, seconds, or both")
    if config.imitation_updates and teacher is None:
        raise ValueError("imitation_updates needs a teacher")
    began = time.monotonic()
    torch.set_num_threads(1)  # batches are small; more threads are slower and change the order of sums
    training = _begin(config, environments, seed, teacher if config.imitation_updates else None)
    saved = checkpoint.read(folder) if resume else None
    if saved is not None:
        _restore(training, seed, *saved)
    else:
        training.source.begin()
        first = training.source.observed()
        training.network.normaliser.update(first["features"], first["present"])
        _save(training, folder, seed)
    last = 0.0
    while True:
        spent = time.monotonic() - began
        if total_steps is not None and training.steps >= total_steps:
            stopped = "steps"
            break
        if seconds is not None and spent + last > seconds:
            stopped = "seconds"
            break
        metrics = _update(training)
        last = time.monotonic() - began - spent  # not the longest: in the first one programs are compiled
        if training.updates % config.checkpoint_updates == 0:
            _save(training, folder, seed)
        on_update(training.steps, metrics)
    _save(training, folder, seed)
    training.source.close()
    return TrainResult(NetworkPolicy(training.network), training.steps, training.updates, stopped)


def _begin(
    config: PpoConfig, environments: MakeEnv | Source, seed: int, teacher: Callable[[], Policy] | None
) -> _Training:
    streams = Streams(seed)
    source = Seats(environments, config.environments, seed, teacher) if callable(environments) else environments
    sizes = NetworkConfig.of(
        source.observation_space, width=config.width, layers=config.layers, heads=HEADS, idle=config.idle
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(streams["train/network"].bits() >> 1)
        network = PolicyNetwork(sizes)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate, eps=1e-5)
    generator = torch.Generator().manual_seed(streams["train/actions"].bits() >> 1)
    return _Training(config, network, optimizer, generator, source)


def _update(training: _Training) -> dict[str, float]:
    """One rollout and what is learnt from it."""
    config, network = training.config, training.network
    began = time.monotonic()
    taught = training.updates < config.imitation_updates
    rollout = training.source.collect(network, config.rollout_steps, training.generator, taught=taught)
    advantages = gae(
        rollout.rewards * config.reward_scale,
        rollout.values,
        rollout.terminated,
        rollout.truncated,
        rollout.resets,
        rollout.elapsed,
        gamma=config.gamma,
        lam=config.gae_lambda,
        final=rollout.final,
    )
    batch = Batch.of(rollout, advantages)
    metrics = _learn(training, batch, taught)
    # The next rollout is the first to see it, so that old and new log-probabilities of this one stay comparable.
    for group in batch.observations:
        network.normaliser.update(group["features"], group["present"])
    training.steps += rollout.transitions
    training.updates += 1
    metrics["SPS"] = rollout.transitions / max(time.monotonic() - began, 1e-9)
    metrics["explained_variance"] = _explained_variance(rollout, advantages.returns, advantages.valid)
    metrics["acting"] = float((batch.actions[:, 0] != 0).float().mean())
    if rollout.episodes:
        metrics["episodic_return"] = float(np.mean([total for total, _ in rollout.episodes]))
        metrics["episodic_length"] = float(np.mean([length for _, length in rollout.episodes]))
    return metrics


def _learn(training: _Training, batch: Batch, taught: bool) -> dict[str, float]:
    config = training.config
    history: list[dict[str, float]] = []
    for group in training.optimizer.param_groups:
        group["lr"] = config.imitation_learning_rate if taught else config.learning_rate
    for _ in range(config.imitation_epochs if taught else config.epochs):
        order = torch.randperm(len(batch), generator=training.generator)
        for index in order.chunk(config.minibatches):
            minibatch = batch.part(index)
            loss, measured = _imitation_loss(training, minibatch) if taught else _ppo_loss(training, minibatch)
            training.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(training.network.parameters(), config.max_grad_norm)
            training.optimizer.step()
            history.append(measured)
        if not taught and config.target_kl is not None and history[-1]["approx_kl"] > config.target_kl:
            break
    return {name: float(np.mean([h[name] for h in history])) for name in history[0]}


def _ppo_loss(training: _Training, b: Batch) -> tuple[Tensor, dict[str, float]]:
    config = training.config
    log_probs, entropies, value = b.evaluated(training.network)
    log_ratio = log_probs - b.log_probs  # [B, 2]
    ratio = log_ratio.exp()
    advantages = ((b.advantages - b.advantages.mean()) / (b.advantages.std(correction=0) + 1e-8)).unsqueeze(1)
    clipped = ratio.clamp(1.0 - config.clip_range, 1.0 + config.clip_range)
    policy_loss = -torch.minimum(ratio * advantages, clipped * advantages).sum(dim=1).mean()
    value_loss = 0.5 * (value - b.returns).square().mean()
    entropy = entropies.mean()
    loss = policy_loss + config.value_coefficient * value_loss - config.entropy_coefficient * entropy
    with torch.no_grad():
        joint = log_ratio.sum(dim=1)
        approx_kl = (joint.exp() - 1.0 - joint).mean()  # Schulman's low-variance estimator (joschu.net/blog/kl-approx)
        clipfrac = ((ratio - 1.0).abs() > config.clip_range).any(dim=1).float().mean()
    return loss, {
        "policy_loss": policy_loss.item(),
        "value_loss": value_loss.item(),
        "entropy": entropy.item(),
        "approx_kl": float(approx_kl),
        "clipfrac": float(clipfrac),
    }


def _imitation_loss(training: _Training, b: Batch) -> tuple[Tensor, dict[str, float]]:
    """Cross-entropy with the teacher's actions, and the value of what the teacher does."""
    log_probs, entropies, value = b.evaluated(training.network)
    cross_entropy = -log_probs.sum(dim=1).mean()
    value_loss = 0.5 * (value - b.returns).square().mean()
    entropy = entropies.mean()
    loss = cross_entropy + training.config.value_coefficient * value_loss
    return loss, {
        "policy_loss": cross_entropy.item(),
        "value_loss": value_loss.item(),
        "entropy": entropy.item(),
        "approx_kl": 0.0,
        "clipfrac": 0.0,
    }


def _explained_variance(rollout: Rollout, returns: np.ndarray, valid: np.ndarray) -> float:
    """1 - Var[returns - values] / Var[returns]; 0 where the returns do not vary."""
    target, predicted = returns[valid], rollout.values[:-1][valid]
    variance = float(np.var(target))
    return 1.0 - float(np.var(target - predicted)) / variance if variance > 1e-12 else 0.0


def parameter_hash(network: nn.Module) -> str:
    """SHA-256 of all parameters and buffers, in their order: equal for equal networks."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()


# --- checkpoints ------------------------------------------------------------------------------------------------


def _identity(training: _Training, seed: int) -> dict[str, Any]:
    """What a checkpoint must agree with."""
    config = asdict(training.config)
    del config["checkpoint_updates"]
    return {"seed": seed, "config": config, "network": asdict(training.network.config)}


def _save(training: _Training, folder: Path, seed: int) -> None:
    tensors = {f"network.{name}": tensor for name, tensor in training.network.state_dict().items()}
    tensors |= checkpoint.optimizer_tensors(training.optimizer)
    tensors["generator"] = training.generator.get_state()
    kept, episodes = training.source.saved()
    tensors |= {f"environment.{name}": tensor for name, tensor in kept.items()}
    state = {
        "identity": _identity(training, seed),
        "steps": training.steps,
        "updates": training.updates,
        "episodes": episodes,
    }
    checkpoint.write(folder, tensors, state)


def _restore(training: _Training, seed: int, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    ours, theirs = _identity(training, seed), state["identity"]
    if ours != theirs:
        parts = [f"{k}: {theirs.get(k)} there, {v} here" for k, v in ours.items() if theirs.get(k) != v]
        raise ValueError(f"the checkpoint is of another training ({'; '.join(parts)}): choose another folder")
    prefix = "network."
    network = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    training.network.load_state_dict(network)
    checkpoint.load_optimizer(training.optimizer, tensors)
    training.generator.set_state(tensors["generator"])
    training.steps, training.updates = state["steps"], state["updates"]
    prefix = "environment."
    kept = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    training.source.restore(kept, state["episodes"])
