"""`bench twin`: the kernel, both clusters, start-up and the environment."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from typing import Any

import gymnasium
import numpy as np
import simpy

from experiments.bench.rows import Row, at_most, fastest, per_cpu_second
from twin.clock import Clock
from twin.env import ClusterEnv
from twin.scenario import Scenario
from twin.world import World

EVENTS = 20_000
"""Events of one measured stretch of the kernel."""
TURNS = 4
"""Times that the two kernels are measured in turns; the fastest of each counts, for the machine may be busy."""
START_BAR, HELP_BAR = 1.0, 0.5
"""Seconds: `import twin` in well under a second, `healtwin --help` in half a one (DESIGN)."""
SCENARIOS = {"inference": "inference-healthy", "openstack": "openstack-healthy"}


def rows(quick: bool) -> Iterator[Row]:
    """The rows of the benchmark, as they are measured. `quick` takes about half a minute."""
    seconds = 1.0 if quick else 5.0
    yield from _kernel(seconds)
    for kind, name in SCENARIOS.items():
        yield from _cluster(kind, Scenario.load(name), seconds)
    yield from _start(3 if quick else 7)
    yield from _environment(Scenario.load(SCENARIOS["inference"]), seconds)


def _ticks(clock: simpy.Environment, count: int) -> Generator[Any, Any, None]:
    for _ in range(count):
        yield clock.timeout(1.0)


def _kernel(seconds: float) -> Iterator[Row]:
    """Each kernel in a process of its own: CPython specialises its loop for the class that runs through it first."""
    calls = [f"{timeouts.__name__}({kernel.__name__}, {seconds / TURNS})" for kernel in (simpy.Environment, Clock)]
    bare, ours = (max(turn) for turn in zip(*([_alone(call) for call in calls] for _ in range(TURNS)), strict=True))
    anchor = f"bare SimPy: {bare:,.0f}"
    yield Row("kernel: timeouts", ours, "events / CPU-s", anchor=anchor)
    # An empty subclass of SimPy's environment has 0.86 on CPython 3.11; the clock only adds methods to one.
    yield Row("kernel: timeouts, of bare SimPy's", ours / bare, "ratio", anchor=anchor)
    yield Row("kernel: call-backs", _alone(f"{callbacks.__name__}({seconds})"), "events / CPU-s", anchor=anchor)


def timeouts(kernel: type[simpy.Environment], seconds: float) -> float:
    """Events per CPU-second of one process that waits again and again."""

    def stretch() -> float:
        clock = kernel()
        clock.process(_ticks(clock, EVENTS))
        clock.run()
        return EVENTS

    return per_cpu_second(stretch, seconds)


def callbacks(seconds: float) -> float:
    """Events per CPU-second of call-backs at absolute times."""

    def stretch() -> float:
        clock = Clock()
        for i in range(EVENTS):
            clock.at(float(i), lambda event: None)
        clock.live_until(float(EVENTS))
        return EVENTS

    return per_cpu_second(stretch, seconds)


def _alone(call: str) -> float:
    """What a function of this module returns in a fresh process."""
    program = f"from {__name__} import *; from simpy import Environment; print({call})"
    done = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def _cluster(kind: str, scenario: Scenario, seconds: float) -> Iterator[Row]:
    def lived() -> float:
        world = World(scenario, seed=1)
        world.run()
        return world.now

    name = scenario.metadata.name
    yield Row(f"{kind}: {name}", per_cpu_second(lived, seconds), "simulated s / CPU-s", anchor="real time: 1")


def _start(times: int) -> Iterator[Row]:
    def wall(*program: str) -> float:
        began = time.monotonic()
        subprocess.run([sys.executable, *program], check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - began

    python = fastest(lambda: wall("-c", "pass"), times)
    anchor = f"python -c pass: {python:.2f} s"
    yield at_most("start: import twin", fastest(lambda: wall("-c", "import twin"), times), "s", START_BAR, anchor)
    yield at_most(
        "start: healtwin --help", fastest(lambda: wall("-m", "experiments", "--help"), times), "s", HELP_BAR, anchor
    )


def _environment(scenario: Scenario, seconds: float) -> Iterator[Row]:
    cartpole = gymnasium.make("CartPole-v1")
    cartpole.reset(seed=0)

    def cartpole_steps() -> float:
        for _ in range(2000):
            _, _, terminated, truncated, _ = cartpole.step(cartpole.action_space.sample())
            if terminated or truncated:
                cartpole.reset()
        return 2000

    env = ClusterEnv(scenario)
    noop = np.zeros(3, np.int64)

    def episode() -> float:
        env.reset(seed=1)
        decisions, ended = 0, False
        while not ended:
            _, _, terminated, truncated, _ = env.step(noop)
            decisions, ended = decisions + 1, terminated or truncated
        return decisions

    ours, anchor = per_cpu_second(episode, seconds), per_cpu_second(cartpole_steps, seconds)
    described = f"CartPole-v1: {anchor:,.0f}"
    yield Row("environment: decisions", ours, "decisions / CPU-s", anchor=described)
    yield Row("environment: decisions, of CartPole's steps", ours / anchor, "ratio", anchor=described)
    simulated = ours * scenario.resolve(1).spec.control.interval
    yield Row("environment: simulated time", simulated, "simulated s / CPU-s", anchor="real time: 1")
