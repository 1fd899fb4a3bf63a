"""Policies on the same scenarios, seeds and luck."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass

from experiments.contenders import contender
from experiments.episode import EpisodeResult, judge, live
from twin.scenario import ResolvedScenario, Scenario, Suite


@dataclass(frozen=True, slots=True)
class Case:
    """One scenario and seed, which every policy lives through."""

    scenario: Scenario
    seed: int

    @property
    def resolved(self) -> ResolvedScenario:
        """The scenario as the seed draws it."""
        return self.scenario.resolve(self.seed)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The episodes of a comparison: every policy on every case, in the order of the cases."""

    policies: tuple[str, ...]
    episodes: tuple[EpisodeResult, ...]
    cases: int
    """Cases that were planned; fewer were done where the clock ran out."""
    stopped: str
    """``done`` or ``clock``."""

    @property
    def done(self) -> int:
        """Cases that every policy lived through."""
        return len({(e.scenario, e.seed) for e in self.episodes})


def cases(suite: Suite, seeds: int | None = None) -> list[Case]:
    """The first `seeds` seeds of a suite (all by default) on each of its scenarios.

    Seed by seed, so that a comparison that is cut short has seen every scenario equally often.
    """
    return [Case(scenario, seed) for seed in suite.seeds[:seeds] for scenario in suite.scenarios]


def evaluate(
    policies: Sequence[str],
    planned: Sequence[Case],
    *,
    harm_checks: int = 0,
    workers: int = 1,
    seconds: float | None = None,
    on_case: Callable[[int, list[EpisodeResult]], None] = lambda done, results: None,
) -> Evaluation:
    """Let every policy (as `experiments.contenders` names them) live through every case.

    `seconds` of wall clock end it between two cases, but not before the first. `on_case(done, results)` is called after
    each.     Raises UserError for a policy that there is not, ScenarioError for a scenario that cannot be built.
    """
    for specification in policies:
        contender(specification)  # say now what cannot be read
    began = time.monotonic()
    collected: dict[int, list[EpisodeResult]] = {}
    longest = 0.0

    def spent() -> bool:
        return seconds is not None and bool(collected) and time.monotonic() - began + longest > seconds

    if workers <= 1:
        for i, case in enumerate(planned):
            if spent():
                break
            started = time.monotonic()
            collected[i] = compare_on(policies, case.resolved, harm_checks)
            longest = max(longest, time.monotonic() - started)
            on_case(len(collected), collected[i])
    else:
        for i, results, took in _in_parallel(policies, planned, harm_checks, workers, spent):
            collected[i] = results
            longest = max(longest, took)
            on_case(len(collected), results)
    episodes = tuple(result for _, results in sorted(collected.items()) for result in results)
    return Evaluation(tuple(policies), episodes, len(planned), "done" if len(collected) == len(planned) else "clock")


def compare_on(policies: Sequence[str], scenario: ResolvedScenario, harm_checks: int) -> list[EpisodeResult]:
    """Every policy on one case: a scenario with its seed drawn into it."""
    results = []
    for specification in policies:
        who = contender(specification)
        results.append(judge(live(scenario, scenario.spec.seed, who.policy, who.wrap), specification, harm_checks))
    return results


def _in_parallel(
    policies: Sequence[str], planned: Sequence[Case], harm_checks: int, workers: int, spent: Callable[[], bool]
) -> Iterator[tuple[int, list[EpisodeResult], float]]:
    """Cases as they are done; no more are begun than there are workers, so that the clock can stop the rest."""
    context = multiprocessing.get_context("spawn")
    todo = iter(enumerate(planned))
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_prepared, initargs=(tuple(policies),)) as pool:
        going: dict[Future[tuple[list[EpisodeResult], float]], int] = {}

        def begin() -> None:
            following = next(todo, None)
            if following is not None:
                i, case = following
                going[pool.submit(_timed, policies, case.resolved, harm_checks)] = i

        for _ in range(workers):
            begin()
        while going:
            finished, _ = wait(going, return_when=FIRST_COMPLETED)
            for future in sorted(finished, key=lambda f: going[f]):
                yield going.pop(future), *future.result()
                if not spent():
                    begin()


def _timed(policies: Sequence[str], scenario: ResolvedScenario, harm_checks: int) -> tuple[list[EpisodeResult], float]:
    began = time.monotonic()
    return compare_on(policies, scenario, harm_checks), time.monotonic() - began


def _prepared(policies: Sequence[str]) -> None:
    """A worker reads the policies before its first case, which would else seem to take long."""
    import os
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    os.environ["OMP_NUM_THREADS"] = "1"
    for specification in policies:
        contender(specification)
