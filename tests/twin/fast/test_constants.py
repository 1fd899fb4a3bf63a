"""The fast twin has no physics of its own: every number in its programs is a size, a choice of arithmetic or a count.

Constants of the mechanics come from `twin.mechanics`, what was fitted from the calibration; a number that is neither is
either listed here, with the reason why it is no physics, or an error.
"""

from __future__ import annotations

import ast
from pathlib import Path

import twin.fast

HERE = Path(twin.fast.__file__).parent
PLAIN = {0, 1, 2, 0.5}
"""Indices, signs, halves: numbers that say nothing about a cluster."""
SMALL = 1e-4
"""What is smaller only keeps a division or a comparison from going wrong."""

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
    ("inference/demand.py", 4): "columns",
    ("inference/demand.py", 512): "calls of which those who come back have the mean lengths",
    ("inference/engines.py", 0.05): "requests a second that a wait is not divided by less than",
    ("inference/engines.py", 0.070566): "of an approximation of the normal distribution",
    ("inference/engines.py", 1.5976): "of the same",
    ("inference/engines.py", 12.0): "variance of what is even over a step is a twelfth of its square",
    ("inference/engines.py", 60.0): "beyond which an exponential is nothing",
    ("inference/engines.py", 1e4): "seconds that stand for never",
    ("inference/heat.py", 12): "clocks at which the times of steps are known",
    ("inference/network.py", 0.95): "where a series of time-outs is cut",
    ("inference/network.py", 0.999): "share of packets lost beyond which none passes",
    ("inference/network.py", 3.0): "variance of what is even is a third of its half-width squared",
    ("inference/network.py", 6): "columns",
    ("inference/network.py", 30.0): "logarithm that stands for nothing",
    ("inference/supervision.py", 9.0): "doublings after which the limit of a crash loop is long passed",
    ("inference/supervision.py", 1e4): "tells two settings apart in one number",
    ("inference/episodes.py", 3): "roles, programs beside the replicas, columns",
    ("inference/episodes.py", 4): "roles",
    ("inference/episodes.py", 16): "sequences at which the effect of a condition is measured",
    ("inference/episodes.py", 24): "batches through which the line of the decode steps is drawn",
    ("inference/episodes.py", 256): "tokens of an answer at which it is, where lengths vary",
    ("inference/episodes.py", 1024): "tokens of a prompt at which it is",
    ("inference/state.py", 8): "stages of an answer",
    ("inference/dynamics.py", 0.001): "seconds that nothing is divided by less than",
    ("inference/dynamics.py", 0.05): "requests a second that a wait is not divided by less than",
    ("inference/dynamics.py", 0.9): "share of the time for which a lost packet holds others at most",
    ("inference/dynamics.py", 0.98): "share of a token bucket in use beyond which its queue is not reckoned",
    ("inference/dynamics.py", 6.0): "how surely the shorter of two queue lengths that never change is taken",
    ("inference/dynamics.py", 60): "ticks' memory of what was served",
    ("inference/features.py", 100): "percent",
    ("openstack/components.py", 3): "members of a group",
    **dict.fromkeys(
        (
            ("openstack/draws.py", n)
            for n in (
                8,
                13,
                16,
                24,
                25,
                32,
                668265263,
                2246822507,
                2654435769,
                3266489909,
            )
        ),
        "a hash of integers, and its highest 24 bits as a number",
    ),
    ("openstack/draws.py", 1.702): "of the logistic approximation of the normal distribution",
    ("openstack/dynamics.py", 0.001): "that nothing is divided by less than",
    ("openstack/dynamics.py", 100.0): "calls over which a mean is taken",
    ("openstack/dynamics.py", 1e4): "beyond which more statements under way are not told apart",
    ("openstack/episodes.py", 3): "columns",
    ("openstack/episodes.py", 16): "slots come in sixteens",
    ("openstack/episodes.py", 1.15): "room for more runs than there are on average",
    ("openstack/episodes.py", 420.0): "seconds for which a run lasts at most, where slots are counted",
    ("openstack/episodes.py", 20): "bytes of a mebibyte, by powers of two",
    ("openstack/episodes.py", 30): "bytes of a gibibyte, by powers of two",
    ("openstack/flows.py", 3): "the median among the quantiles",
    **dict.fromkeys(
        (
            (module, n)
            for module in ("openstack/flows.py", "openstack/profiling.py")
            for n in (0.05, 0.25, 0.75, 0.9, 0.97, 0.99)
        ),
        "quantiles at which latencies are kept",
    ),
    ("openstack/guests.py", 0.37): "spreads the phases of hosts",
    ("openstack/jobs.py", 0.37): "of a draw that breaks ties",
    ("openstack/jobs.py", 97.0): "of the same",
    ("openstack/jobs.py", 0.001): "that nothing is divided by less than",
    ("openstack/jobs.py", 1e4): "that is larger than every count",
    **dict.fromkeys((("openstack/jobs.py", n) for n in (11, 12, 13, 14, 15)), "numbers of draws"),
    ("openstack/operations.py", 3): "the median among the quantiles",
    ("openstack/operations.py", 20): "bytes of a mebibyte, by powers of two",
    **dict.fromkeys(
        (("openstack/profiling.py", n) for n in (3, 4, 5, 16, 60.0, 300, 1200.0)),
        "how long it measures, and how many digits it keeps",
    ),
    ("openstack/programs.py", 8.0): "doublings after which the limit of a back-off is passed",
    ("openstack/programs.py", 50): "number of a draw",
    ("openstack/runs.py", 0.001): "seconds that tell late from in time",
    **dict.fromkeys(
        (("openstack/runs.py", n) for n in (3, 4, 5, 20, 30)), "numbers of draws; exponent of the least bin"
    ),
    ("openstack/scripts.py", 4): "kinds of rows",
    ("openstack/scripts.py", 1e9): "that stands for never",
    ("openstack/services.py", 0.001): "that nothing is divided by less than",
    ("openstack/services.py", 3.0): "of the moments of an even distribution",
    ("openstack/services.py", 4): "power: four connections in a row are dropped",
    ("openstack/state.py", 8): "states of a job",
}
"""(module, number) -> why it is no physics."""

TO_BE_FITTED: dict[tuple[str, float], str] = {
    ("openstack/channels.py", 1500.0): "an Ethernet frame's payload: belongs into twin.mechanics",
    ("openstack/dynamics.py", 3.0): "statements of a periodic transaction",
    ("openstack/episodes.py", 60.0): "a server's lifetime where a scenario gives none: the SimPy twin's own, repeated",
    ("openstack/jobs.py", 3.0): "seconds until what was left is taken up",
    ("openstack/jobs.py", 6): "messages of an agent's pass",
    ("openstack/runs.py", 0.2): "by how much clients' pauses vary: the SimPy twin's own, repeated",
    ("openstack/runs.py", 0.9): "of the same",
    ("openstack/services.py", 0.01): "seconds of a refused connection",
    ("openstack/services.py", 0.3): "seconds until an error that nothing waits for",
    ("openstack/state.py", 0.1): "seconds of statements of a first call",
    ("inference/operations.py", 8): "sequences below which limit-kv does not go: the SimPy twin's own number, repeated",
    ("inference/operations.py", 0.1): "requests a second that a load limit lets in at least: repeated, too",
}
"""Free constants that belong into the calibration, and mechanics' numbers that belong into `twin.mechanics`."""


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
        if path.name != "calibration.py"
        for value in numbers(path)
    }
    unknown = sorted(f"{module}: {value:g}" for module, value in found - set(ALLOWED) - set(TO_BE_FITTED))
    assert not unknown, "numbers of the fast twin's own: take them from twin.mechanics or the calibration"
    assert set(TO_BE_FITTED) <= found, "what has been moved is to be taken from the list"


def test_a_constant_would_be_seen(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("BOOT = 95.0\ndef seconds(x, of=True):\n    return -7.25 * x + 1 - 1e-6\n")
    assert numbers(module) == {95.0, 7.25}
