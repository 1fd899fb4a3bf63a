"""The fast twin has no physics of its own: every number in its programs is a size, a choice of arithmetic or a count.

Constants of the mechanics come from `twin.mechanics`, what was fitted from the calibration; a number that is neither is
either listed here, with the reason why it is no physics, or an error.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import twin.fast
import twin.openstack.tenants
from twin.fast.openstack.flows import PAUSES

HERE = Path(twin.fast.__file__).parent
TENANTS = Path(twin.openstack.tenants.__file__).parent
PLAIN = {0, 1, 2, 0.5}
"""Indices, signs, halves: numbers that say nothing about a cluster."""
SMALL = 1e-4
"""What is smaller only keeps a division or a comparison from going wrong."""

APART: dict[str, str] = {
    "calibration.py": "reads what was fitted",
    "draws.py": "a generator of random numbers: multipliers and shifts of a hash",
    "openstack/profiling.py": "measures the SimPy twin beforehand, for flows.json; no part of a run",
    "openstack/probing.py": "measures what a mutation does in the SimPy twin, before a run",
}
"""Modules whose numbers are no cluster's."""

ALLOWED: dict[tuple[str, float], str] = {
    ("latency.py", 0.01): "where the bins of latencies begin",
    ("latency.py", 1000.0): "where they end",
    ("latency.py", 240): "how many there are",
    ("objectives.py", 8): "bad requests a tick that are drawn one by one",
    ("orders.py", 8): "slots of actions in flight",
    ("twin.py", 10): "ticks of a decision, unless said otherwise",
    ("twin.py", 16): "episodes of a scenario, unless said otherwise",
    ("vector.py", 4): "twins whose programs are kept",
    ("vector.py", 31): "bits of a seed",
    ("inference/channels.py", 0.001): "seconds that nothing is divided by less than",
    ("inference/clients.py", 0.001): "seconds that nothing is divided by less than",
    ("objectives.py", 0.95): "what counts as one request, which has been divided and added up",
    ("objectives.py", 0.55): "share of bad requests above which good ones are counted",
    ("inference/demand.py", 3): "the column of tokens that are computed",
    ("inference/demand.py", 4): "columns",
    ("inference/demand.py", 512): "calls of which those who come back have the mean lengths",
    ("inference/engines.py", 0.001): "requests that nothing is divided by less than",
    ("inference/engines.py", 0.05): "requests a second that a wait is not divided by less than",
    ("inference/engines.py", 0.070566): "of an approximation of the normal distribution",
    ("inference/engines.py", 1.5976): "of the same",
    ("inference/engines.py", 12.0): "variance of what is even over a step is a twelfth of its square",
    ("inference/engines.py", 60.0): "beyond which an exponential is nothing",
    ("inference/engines.py", 1e4): "seconds that stand for never",
    ("inference/kernels.py", 16): "decoding requests beside a prompt where its line is laid",
    ("inference/kernels.py", 24): "batches that the line through decode steps is laid through",
    ("inference/kernels.py", 128): "prompts of which the height of the line is the mean",
    ("inference/heat.py", 12): "clocks at which the times of steps are known",
    ("inference/network.py", 0.95): "where a series of time-outs is cut",
    ("inference/network.py", 0.999): "share of packets lost beyond which none passes",
    ("inference/network.py", 3.0): "variance of what is even is a third of its half-width squared",
    ("inference/network.py", 6): "columns",
    ("inference/network.py", 30.0): "logarithm that stands for nothing",
    ("inference/supervision.py", 9.0): "doublings after which the limit of a crash loop is long passed",
    ("inference/supervision.py", 1e4): "tells two settings apart in one number",
    ("inference/exposed.py", 30): "halvings of a search",
    ("inference/exposed.py", 1000): "more than any number of an XID",
    ("inference/episodes.py", 3): "roles, programs beside the replicas, columns",
    ("inference/episodes.py", 4): "roles",
    ("inference/episodes.py", 16): "sequences at which the effect of a condition is measured",
    ("inference/episodes.py", 256): "tokens of an answer at which it is, where lengths vary",
    ("inference/episodes.py", 1024): "tokens of a prompt at which it is",
    ("inference/state.py", 8): "stages of an answer",
    ("inference/dynamics.py", 0.001): "seconds that nothing is divided by less than",
    ("inference/dynamics.py", 0.05): "requests a second that a wait is not divided by less than",
    ("inference/dynamics.py", 0.9): "share of the time for which a lost packet holds others at most",
    ("inference/dynamics.py", 0.95): "share of the deadline past which the head of a queue is about to hang up",
    ("inference/dynamics.py", 0.98): "share of a token bucket in use beyond which its queue is not reckoned",
    ("inference/dynamics.py", 6.0): "how surely the shorter of two queue lengths that never change is taken",
    ("inference/dynamics.py", 60): "ticks' memory of what was served",
    ("inference/gpus.py", 100): "percent",
    ("openstack/components.py", 3): "members of the database's cluster",
    ("openstack/dynamics.py", 0.001): "that nothing is divided by less than",
    ("openstack/dynamics.py", 100): "calls and stages over which a running mean is taken",
    ("openstack/dynamics.py", 1e4): "threads at most",
    ("openstack/episodes.py", 220): "seconds of a run by which slots are counted: the size of an array",
    ("openstack/episodes.py", 1.15): "room to spare in the size of an array",
    ("openstack/episodes.py", 3): "columns",
    ("openstack/episodes.py", 16): "what sizes are rounded up to",
    ("openstack/episodes.py", 20): "bits of a mebibyte",
    ("openstack/episodes.py", 30): "bits of a gibibyte",
    ("openstack/flows.py", 0.05): "quantiles at which times are kept",
    ("openstack/flows.py", 0.25): "quantiles at which times are kept",
    ("openstack/flows.py", 0.75): "quantiles at which times are kept",
    ("openstack/flows.py", 0.9): "quantiles at which times are kept",
    ("openstack/flows.py", 0.97): "quantiles at which times are kept",
    ("openstack/flows.py", 0.99): "quantiles at which times are kept",
    ("openstack/flows.py", 1.1): "pauses of clients: the SimPy twin's, repeated (see `REPEATED`)",
    ("openstack/guests.py", 0.37): "spreads phases",
    ("openstack/jobs.py", 0.37): "breaks ties",
    ("openstack/jobs.py", 97): "breaks ties",
    ("openstack/jobs.py", 4): "columns of a table",
    ("openstack/jobs.py", 5): "columns of a table",
    ("openstack/jobs.py", 6): "columns of a table",
    ("openstack/jobs.py", 1e4): "puts two orders into one number",
    ("openstack/jobs.py", 0.001): "rounding",
    ("openstack/lookup.py", 16): "rows of a small table",
    ("openstack/jobs.py", 11): "which draw",
    ("openstack/jobs.py", 12): "which draw",
    ("openstack/jobs.py", 13): "which draw",
    ("openstack/jobs.py", 14): "which draw",
    ("openstack/jobs.py", 15): "which draw",
    ("openstack/mutations.py", 60): "which draw",
    ("openstack/mutations.py", 61): "which draw",
    ("openstack/operations.py", 20): "bits of a mebibyte",
    ("openstack/programs.py", 8): "doublings after which the limit is long passed",
    ("openstack/programs.py", 50): "which draw",
    ("openstack/runs.py", 0.001): "rounding",
    ("openstack/runs.py", 3): "which draw",
    ("openstack/runs.py", 4): "which draw",
    ("openstack/runs.py", 5): "which draw",
    ("openstack/runs.py", 20): "which draw",
    ("openstack/runs.py", 30): "which draw",
    ("openstack/scripts.py", 4): "kinds of rows",
    ("openstack/scripts.py", 1e9): "without an end",
    ("openstack/services.py", 0.001): "that nothing is divided by less than",
    ("openstack/services.py", 3): "moments of what is evenly distributed",
    ("openstack/services.py", 4): "tries of a balancer, as its pauses",
    ("openstack/episodes.py", 4): "columns of a table",
    ("openstack/jobs.py", 0.1): "share of a port that is treated once more: a literal of the SimPy twin's agent",
    ("openstack/state.py", 9): "states of a job",
    ("inference/logged.py", 3): "what becomes of requests, before what becomes of processes",
    ("inference/gpus.py", 3): "a column",
    ("inference/gpus.py", 1e9): "nanoseconds",
    ("inference/told.py", 1e9): "a time that never comes",
    ("inference/recording.py", 200): "of HTTP",
    ("inference/recording.py", 500): "of HTTP",
    ("inference/recording.py", 502): "of HTTP",
    ("inference/recording.py", 504): "of HTTP",
    ("lanes/axes.py", 96): "length of an axis",
    ("lanes/values.py", 16): "length of an axis",
    ("lines.py", 0.001): "lines that are as good as none",
    ("lines.py", 4): "digits",
    ("observing.py", 1.5): "scrapes: more than one and less than two ago",
    ("scraping.py", 1e9): "seconds that stand for never",
}
"""(module, number) -> why it is no physics."""

REPEATED: dict[str, tuple[float, ...]] = {
    "lifecycle.py": PAUSES,
    "workload.py": PAUSES,
}
"""Module of `twin.openstack.tenants` -> numbers that stand in it without a name, and here with one."""


def numbers(path: Path) -> set[float]:
    """All numbers of a module's program that say something."""
    nodes = ast.walk(ast.parse(path.read_text()))
    found = [node.value for node in nodes if isinstance(node, ast.Constant)]
    values = [abs(value) for value in found if isinstance(value, (int, float)) and not isinstance(value, bool)]
    return {value for value in values if value not in PLAIN and value > SMALL}


def test_the_fast_twin_defines_no_constant_of_physics() -> None:
    found = {
        (path.relative_to(HERE).as_posix(), value)
        for path in HERE.rglob("*.py")
        if path.relative_to(HERE).as_posix() not in APART
        for value in numbers(path)
    }
    unknown = sorted(f"{module}: {value:g}" for module, value in found - set(ALLOWED))
    assert not unknown, "numbers of the fast twin's own: take them from twin.mechanics or the calibration"


@pytest.mark.parametrize("module", REPEATED)
def test_what_has_no_name_in_the_simpy_twin_is_as_it_stands_there(module: str) -> None:
    calls = [node for node in ast.walk(ast.parse((TENANTS / module).read_text())) if isinstance(node, ast.Call)]
    drawn = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "between"]
    assert drawn
    for call in drawn:
        assert tuple(ast.literal_eval(number) for number in call.args[:2]) == REPEATED[module]


def test_a_constant_would_be_seen(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("BOOT = 95.0\ndef seconds(x, of=True):\n    return -7.25 * x + 1 - 1e-6\n")
    assert numbers(module) == {95.0, 7.25}
