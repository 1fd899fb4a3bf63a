"""Utilisation and temperature of a GPU whose engine waits for its host between the steps.

An old engine (vLLM V0) schedules, samples and detokenises while the GPU stands idle: a step lasts as long as its
kernels and its host work together, and utilisation, the share of the time in which a kernel is resident, falls with the
batch.
"""

from __future__ import annotations

from dataclasses import dataclass

from twin.mechanics.gpu_thermal import temperature_after


@dataclass(frozen=True, slots=True)
class HostBoundStep:
    """A decode step of an engine that does not overlap its host work. Seconds."""

    host: float
    host_per_sequence: float
    kernels: float
    """Streaming the weights, and launching."""
    kernels_per_sequence: float
    """Mostly sampling over the vocabulary."""
    kernels_per_pool: float
    """Reading a KV cache that is full."""
    prompt_token: float
    """Kernels of one prompt token."""

    def resident(self, sequences: float, pool: float) -> float:
        """Kernel-resident seconds of a step with that share of the KV pool in use."""
        return self.kernels + self.kernels_per_sequence * sequences + self.kernels_per_pool * pool

    def wall(self, sequences: float, pool: float) -> float:
        """Seconds of that step."""
        return self.resident(sequences, pool) + self.host + self.host_per_sequence * sequences

    def utilization(self, sequences: float, pool: float, prompt_rate: float) -> float:
        """Share of the time in which a kernel is resident while the engine is busy with that many sequences and
        `prompt_rate` prompt tokens a second."""
        prefill = min(0.95, prompt_rate * self.prompt_token)
        return (1.0 - prefill) * self.resident(sequences, pool) / self.wall(sequences, pool) + prefill

    def token_rate(self, sequences: float, pool: float, prompt_rate: float) -> float:
        """Output tokens a second."""
        prefill = min(0.95, prompt_rate * self.prompt_token)
        return (1.0 - prefill) * sequences / self.wall(sequences, pool)


@dataclass(frozen=True, slots=True)
class Card:
    """Heat of one card in its case."""

    idle: float
    """C in the long run with an engine that has nothing to do."""
    rise: float
    """K above that where a kernel is always resident."""
    seconds: float
    """Time constant."""

    def after(self, now: float, utilization: float, seconds: float) -> float:
        """Temperature after `seconds` of that utilisation."""
        return temperature_after(now, self.idle + self.rise * utilization, seconds, self.seconds)


# Fitted on scales 0100-0500 of the replay by liao4s/BurstGPT_test (MIT): vLLM V0, Llama-3.2-1B, a 24 GB card.
# `experiments.bench.telemetry_of_gpu` fits them anew from the files and prints both.
VLLM_V0 = HostBoundStep(1.02e-3, 2.23e-4, 3.96e-3, 7.54e-5, 1.07e-2, 2.45e-5)
REPLAY_CARD = Card(47.6, 35.9, 26.7)
