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
    ("inference/exposed.py", 30): "halvings of a search",
    ("inference/exposed.py", 1000): "more than any number of an XID",
    ("inference/episodes.py", 3): "roles, programs beside the replicas, columns",
    ("inference/episodes.py", 4): "roles",
    ("inference/episodes.py", 16): "sequences at which the effect of a condition is measured",
    ("inference/episodes.py", 24): "batches through which the line of the decode steps is drawn",
    ("inference/episodes.py", 256): "tokens of an answer at which it is, where lengths vary",
    ("inference/episodes.py", 1024): "tokens of a prompt at which it is",
    ("inference/state.py", 8): "stages of an answer",
    ("inference/dynamics.py", 9): "doublings after which the limit of a crash loop is long passed",
    ("inference/dynamics.py", 1e4): "seconds that stand for never",
    ("inference/dynamics.py", 60): "beyond which an exponential is nothing; ticks' memory of what was served",
    ("inference/features.py", 100): "percent",
    ("inference/features.py", 3): "a column",
    ("inference/features.py", 1e9): "nanoseconds; a time that never comes",
    ("inference/recording.py", 200): "of HTTP",
    ("inference/recording.py", 500): "of HTTP",
    ("inference/recording.py", 502): "of HTTP",
    ("inference/recording.py", 504): "of HTTP",
    ("lines.py", 0.001): "lines that are as good as none",
    ("lines.py", 4): "digits",
    ("observing.py", 1.5): "scrapes: more than one and less than two ago",
    ("scraping.py", 1e9): "seconds that stand for never",
}
"""(module, number) -> why it is no physics."""

TO_BE_FITTED: dict[tuple[str, float], str] = {
    ("inference/dynamics.py", 1.9): "decay of waiting",
    ("inference/dynamics.py", 20): "seconds of memory of the rate of requests",
    ("inference/dynamics.py", 0.97): "share of the time that prompts take at most",
    ("inference/dynamics.py", 0.7): "memory of lengths",
    ("inference/dynamics.py", 0.3): "memory of lengths",
    ("inference/dynamics.py", 0.05): "spread of the time of an answer",
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
