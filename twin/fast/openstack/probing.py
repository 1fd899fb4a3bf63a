"""What a release that is wrong does to clients: short lives of the SimPy twin with it and without, call by call.

Arrays have no code that a mutation could change. So a few clients live through their script in the SimPy twin, under
the same luck with the mutation and without it, and it is noted where each that meets it goes astray, and what becomes
of it after that. Nothing is said beforehand of any mutation.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from twin.fast.openstack.flows import MEDIAN, measured
from twin.fast.openstack.profiling import job, kind, owner
from twin.fast.openstack.recording import Recording, Root, Step, listening
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.mechanics.tenants import CLI_STARTUP, POLL_WAITS
from twin.openstack.tenants.lifecycle import DEFAULT_LIFETIME
from twin.scenario.schema import ResolvedScenario
from twin.scenario.workload import Arrivals, Concurrency, Load, Workload
from twin.world import World

if TYPE_CHECKING:
    from twin.openstack.cluster import OpenStackCluster

CLIENTS: Final = 10
"""Runs of a probe: half of them are under way when the release comes, each somewhere else in its script."""
SEED: Final = 0
NOTICED: Final = 2.0
"""Seconds by which a step must take longer to count."""
SPARE: Final = 250.0
"""Seconds for the last client beyond a healthy run."""
FAILS, ELSEWHERE, NEVER = 1, 2, 3
"""Flaws of a creation: it fails, it fails on this host, it never ends."""


@dataclass(frozen=True)
class Case:
    """What is probed: the clients of a load, a mutation and the kind of component that has it."""

    scenario: ResolvedScenario = field(compare=False)
    load: Load = field(compare=False)
    about: str
    """Cluster, load and acceleration as text: what `scenario` and `load` may say that matters here."""
    kind: str
    code: str


@dataclass(frozen=True)
class Way:
    """One way in which runs go astray."""

    step: int
    """Of the script, at which it shows; of a creation's job, that which begins it."""
    share: float
    """Of the runs that come there."""
    flaw: int
    """Of a creation's job; 0 where it is a client's step."""
    stage: int
    """At which of its stages the job fails."""
    after: float
    """Seconds from the stage's beginning until it does."""
    refused: Mapping[tuple[int, int], float]
    """(step, call) -> share of the runs that are gone astray which are refused there, or stumble, and stop."""
    broken: Mapping[tuple[int, int], float]
    """The same of those that are answered with 500 or more."""
    unseen: Mapping[int, float]
    """Step -> share whose check finds something else."""
    slower: Mapping[int, float]
    """Step -> seconds that it takes longer."""
    rest: float
    """Seconds in which what a stopped run has left is removed."""
    swept: float
    """Answers of 500 and more meanwhile."""


@dataclass(frozen=True)
class Found:
    """What a mutation does."""

    ways: tuple[Way, ...]
    broken: Mapping[str, float]
    """`service operation` -> share answered with 500 or more, whoever asks."""


def case(world: World, load: Load, condition: Condition, kind: str) -> Case:
    """The case of a mutation in a world."""
    about = load.model_copy(update={"arrivals": None, "repeat": None, "at": 0.0})
    matters = f"{world.spec.cluster!r} {about!r} {world.spec.acceleration!r}"
    return Case(world.scenario, about, matters, kind, condition.code)


def probed(case: Case) -> Found:
    """What the mutation of a case does."""
    return compared(case.load, healthy(_without(case)), lived(case))


def _without(case: Case) -> Case:
    return Case(case.scenario, case.load, case.about, "", "")


@cache
def healthy(case: Case) -> Recording:
    """The life without any mutation."""
    return lived(case)


def lived(case: Case) -> Recording:
    """One life of the probe's clients; the release comes when the first of them is through."""
    length = seconds(case.load)
    loop = Concurrency.model_construct(users=CLIENTS, ramp=2.0 * length, think=0.0)
    load = case.load.model_copy(update={"arrivals": Arrivals.model_construct(concurrency=loop), "repeat": 1})
    spec = case.scenario.spec.model_copy(
        update={
            "faults": (),
            "seed": SEED,
            "workload": Workload.model_construct(loads=(load,)),
            "horizon": 3.0 * length + SPARE,
        }
    )
    world = World(case.scenario.model_copy(update={"spec": spec}))
    recording = Recording(world)
    with listening(recording):
        world.run(until=length)
        cluster: OpenStackCluster = world.cluster  # type: ignore[assignment]
        for component in list(world.components.values()) if case.code else ():
            if component.kind == case.kind and component not in cluster._idle:
                component.impose(Condition(Layer.CONFIGURATION, "mutation", 1.0, "probe", code=case.code))
        world.run()
    return recording


def seconds(load: Load) -> float:
    """About how long a healthy run takes."""
    if load.kind == "lifecycle":
        return (DEFAULT_LIFETIME if load.lifetime is None else load.lifetime) + CLI_STARTUP
    script, calls = measured()["scripts"][load.kind], measured()["calls"]
    asked = sum(calls[name]["seconds"][MEDIAN] for step in script for name in step["calls"])
    typed = sum(CLI_STARTUP * (step["polls"] if step["check"] else 1.0) for step in script if step["calls"])
    return float(asked + typed + sum(sum(POLL_WAITS[: round(step["polls"])]) for step in script if step["check"]))


# --- two lives beside each other -----------------------------------------------------------------------------------


@dataclass
class _Straying:
    """What became of one run."""

    way: tuple[int, int, int]
    """Step, flaw, stage."""
    after: float
    refused: Counter[tuple[int, int]] = field(default_factory=Counter)
    broken: Counter[tuple[int, int]] = field(default_factory=Counter)
    unseen: Counter[int] = field(default_factory=Counter)
    slower: dict[int, float] = field(default_factory=dict)
    rest: float = 0.0
    swept: float = 0.0


def compared(load: Load, well: Recording, ill: Recording) -> Found:
    """Go through the same runs in both lives."""
    since = seconds(load)
    strayed: dict[tuple[int, int, int], list[_Straying]] = defaultdict(list)
    came: Counter[int] = Counter()
    for number in range(1, CLIENTS + 1):
        first, second = _steps(load, well, number), _steps(load, ill, number)
        away, reached = _astray(load, ill, number, first, second, since)
        came.update(reached)
        if away is not None:
            strayed[away.way].append(away)
    ways = [_way(key, runs, max(came[key[0]], len(runs))) for key, runs in sorted(strayed.items())]
    return Found(tuple(ways), _broken(ill, since))


def _astray(
    load: Load, ill: Recording, number: int, first: Sequence[Step], second: Sequence[Step], since: float
) -> tuple[_Straying | None, list[int]]:
    """What became of a run, None where nothing; and the steps after the release that it came to in good order."""
    over, stopped = _end(load, ill, number)
    steps = [step for step in second if step.start < over]  # what follows removes what a stopped run has left
    away, reached = None, []
    for i, (good, step) in enumerate(zip(first, steps, strict=False)):
        last = stopped and i == len(steps) - 1
        longer = 0.0 if last or not step.seen else _longer(good, step)
        broken = _fifth(step)
        if away is None:
            if not step.end <= since:
                reached.append(i)
            if not (last or (good.seen and not step.seen) or longer > NOTICED or broken is not None):
                continue
            away = _straying(i, steps)
            reached += [] if away.way[0] in reached else [away.way[0]]
        if broken is not None:
            away.broken[i, broken] += 1
        elif last:
            away.refused[i, max(len(step.roots) - 1, 0)] += 1
        if not step.seen and good.seen:
            away.unseen[i] += 1
        if longer > NOTICED:
            away.slower[i] = longer
    if away is not None and stopped:
        later = [root for step in second for root in _roots(step) if root.start >= over]
        away.rest = max([root.end for root in later if math.isfinite(root.end)], default=over) - over
        away.swept = float(sum(root.status >= 500 for root in later))
    return away, reached


def _longer(good: Step, step: Step) -> float:
    """Seconds that a step takes longer: a command's calls, a check that has to look at least twice more."""
    if step.check:
        return (step.end - step.start) - (good.end - good.start) if len(step.polls) - len(good.polls) > 1 else 0.0
    return sum(root.end - root.start for root in step.roots) - sum(root.end - root.start for root in good.roots)


def _straying(at: int, steps: Sequence[Step]) -> _Straying:
    """Where it began: at a client's step, or in the building of the server that the client then looks for."""
    step = steps[at]
    begun = next((i for i in range(at - 1, -1, -1) if _creates(steps[i])), None)
    between = [] if begun is None else [s for s in steps[begun + 1 : at] if not s.check and _writes(s)]
    if begun is None or between or not step.check or step.seen:
        return _Straying((at, 0, 0), 0.0)
    root = steps[begun].roots[-1]
    stages = job(root)
    hosts = list(dict.fromkeys(e.service for e in root.events if kind(e.service) == "nova-compute"))
    stage = next((i for i, s in enumerate(stages) if s["owner"] == "nova-compute"), 0) if hosts else 0
    flaw = ELSEWHERE if len(hosts) > 1 else FAILS if step.saw == "ERROR" else NEVER
    mine = [e for e in root.events if math.isfinite(e.end) and (not hosts or e.service == hosts[0])]
    begins = [e.start for e in root.events if e.what == "cast" and owner(e.detail.split(" ")[0]) == _owner(stage)]
    after = max([e.end for e in mine], default=0.0) - min(begins, default=root.end)
    return _Straying((begun, flaw, stage), max(after, 0.0))


def _owner(stage: int) -> str:
    return ("nova-conductor", "nova-compute")[stage]


def _creates(step: Step) -> bool:
    return bool(step.roots) and step.roots[-1].operation == "nova-api servers.create"


def _writes(step: Step) -> bool:
    """Whether a command begins something else that is then looked for."""
    return any(not root.operation.endswith((".list", ".show", ".detail", "token")) for root in step.roots) and any(
        event.what == "cast" for event in step.roots[-1].events
    )


def _roots(step: Step) -> list[Root]:
    return [*step.roots, *(root for poll in step.polls for root in poll)]


def _fifth(step: Step) -> int | None:
    """Which of a step's calls, of a check those of its last look, is answered with 500 or more; None if none is."""
    calls = step.polls[-1] if step.check and step.polls else step.roots
    return next((i for i, root in enumerate(calls) if root.status >= 500), None)


def _end(load: Load, recording: Recording, number: int) -> tuple[float, bool]:
    """When a run was over, and whether it stopped before its end."""
    world = recording.world
    if load.kind == "lifecycle":
        return world.now, False
    for trial in world.cluster.workload.trials:  # type: ignore[attr-defined]
        if trial.number == number:
            return trial.started + trial.seconds, trial.phase != "done"
    return world.now, False


def _way(key: tuple[int, int, int], runs: Sequence[_Straying], came: int) -> Way:
    def shares(of: str) -> dict[tuple[int, int], float]:
        total: Counter[tuple[int, int]] = sum((getattr(run, of) for run in runs), Counter())
        return {at: min(1.0, times / len(runs)) for at, times in total.items()}

    step, flaw, stage = key
    unseen: Counter[int] = sum((run.unseen for run in runs), Counter())
    slower = {at for run in runs for at in run.slower}
    return Way(
        step, len(runs) / came, flaw, stage, float(np.mean([run.after for run in runs])), shares("refused"),
        shares("broken"), {at: min(1.0, times / len(runs)) for at, times in unseen.items()},
        {at: float(np.mean([run.slower.get(at, 0.0) for run in runs])) for at in sorted(slower)},
        float(np.mean([run.rest for run in runs])), float(np.mean([run.swept for run in runs])),
    )  # fmt: skip


def _broken(ill: Recording, since: float) -> dict[str, float]:
    """Shares of the calls since the release, of operations of which any went wrong."""
    asked: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for root in ill.roots.values():
        if root.start >= since and math.isfinite(root.end):
            asked[root.operation] += 1
            wrong[root.operation] += root.status >= 500
    return {name: wrong[name] / asked[name] for name in sorted(wrong) if wrong[name]}


# --- runs as steps -------------------------------------------------------------------------------------------------


def _steps(load: Load, recording: Recording, number: int) -> list[Step]:
    if load.kind == "lifecycle":
        return _life(load, [root for root in recording.roots.values() if root.owner == (number,)])
    return [step for step in recording.steps if step.owner == (load.kind, number)]


def _life(load: Load, roots: Sequence[Root]) -> list[Step]:
    """A server's life as steps: token, creation, looking for it, deletion, looking until it is gone."""
    found: list[Step] = []
    for root in sorted(roots, key=lambda r: r.start):
        check = root.operation == "nova-api servers.show"
        if not found or not (check and found[-1].check):
            found.append(Step(root.owner, root.operation, check, start=root.start))
        (found[-1].polls.append([root]) if check else found[-1].roots.append(root))
        found[-1].end = root.end
    lifetime = DEFAULT_LIFETIME if load.lifetime is None else load.lifetime
    for step, after in zip(found, [*found[1:], None], strict=True):
        if step.check and after is not None:  # who has not seen its server does not wait for its end
            step.seen = after.start - step.end > lifetime / 2.0 or step.polls[-1][0].status == 404
    return found
