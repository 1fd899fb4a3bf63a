"""The line of statistics that a vLLM server prints every ten seconds (vllm/v1/metrics/loggers.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.inference.messages import vllm
from twin.mechanics.vllm import STATS_INTERVAL

if TYPE_CHECKING:
    from twin.inference.replica import Replica


def print_later(replica: Replica, pid: int, counted: tuple[int, int, int] = (0, 0, 0), idle: bool = True) -> None:
    """Print it after each interval while process `pid` lives.

    `counted` are the prompt tokens, generated tokens and preemptions up to now. Where no token moved in an interval nor
    in the one before (`idle`), the line is at DEBUG, so it is not printed.
    """

    def log(_: object) -> None:
        engine, stats = replica.engine, replica.stats
        if engine is None or stats is None or replica.pid != pid:
            return
        engine.settle()
        now = (engine.prompt_tokens, engine.generation_tokens, engine.preemptions)
        prompt, generation, preemptions = (new - old for new, old in zip(now, counted, strict=True))
        still = not (prompt or generation)
        if not (still and idle):
            rates = prompt / STATS_INTERVAL, generation / STATS_INTERVAL
            preempted = f"Preemptions: {preemptions}, " if preemptions else ""
            counts = (engine.running, engine.queued_as_told, preempted)
            figures = (*rates, *counts, 100.0 * engine.kv_usage, 100.0 * stats.hit_rate)
            if len(engine.ranks) > 1:
                replica.log(vllm.STATS_OF_ALL, len(engine.ranks), *figures)
            else:
                replica.log(vllm.STATS, *figures)
        print_later(replica, pid, now, still)

    replica.world.clock.at(replica.world.now + STATS_INTERVAL, log)
