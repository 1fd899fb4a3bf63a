"""What the proof says, as tables, sentences and metrics."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.table import Table

from experiments.fidelity import ranking
from experiments.fidelity.proof import Proof
from experiments.fidelity.recovering import BAR, QUANTILES
from experiments.fidelity.trial import NOTHING


def tables(proof: Proof) -> Iterator[Table]:
    """Steady state, violations with nothing done, recovery, ranking; then what was left out."""
    yield _steady(proof)
    yield _violations(proof)
    yield _recoveries(proof)
    if proof.rankings:
        yield _rankings(proof)
    if proof.left_out:
        yield _left_out(proof)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right")
    return table


def _steady(proof: Proof) -> Table:
    table = _table(
        "steady state: scenarios without their faults",
        "scenario",
        "figure",
        "seeds",
        "SimPy",
        "fast",
        "error",
        "bar",
        "",
    )
    for i, one in enumerate(proof.steady):
        last = i + 1 == len(proof.steady) or proof.steady[i + 1].scenario != one.scenario
        bar = "" if one.bar is None else f"{one.bar:.0%}"
        table.add_row(
            one.scenario, one.figure, str(one.seeds), f"{one.simpy:.3g}", f"{one.fast:.3g}", f"{one.relative:+.1%}",
            bar, _verdict(one.holds), end_section=last,
        )  # fmt: skip
    return table


def _violations(proof: Proof) -> Table:
    table = _table(
        "with nothing done: means over seeds, SimPy / fast", "scenario", "seeds", "SLO violated, s", "loss, s of outage"
    )
    for one in proof.violations:
        if one.category == NOTHING:
            table.add_row(one.scenario, str(one.seeds), _both(one.violation), _both(one.loss))
    return table


def _recoveries(proof: Proof) -> Table:
    quantiles = [f"p{100 * q:.0f}" for q in QUANTILES]
    table = _table(
        f"seconds to recover under each action (median within {BAR:.0%})",
        "action", "lives", "SimPy", "fast", "error", "", "Wasserstein, s", *quantiles, "SimPy only", "fast only",
    )  # fmt: skip
    for one in proof.recoveries:
        simpy, fast = one.medians
        errors = [_percent(error) for error in one.quantile_errors]
        table.add_row(
            one.category, str(len(one.simpy)), f"{simpy:.3g}", f"{fast:.3g}", _percent(one.error), _verdict(one.holds),
            f"{one.wasserstein:.3g}", *errors, *map(str, one.only),
        )  # fmt: skip
    return table


def _rankings(proof: Proof) -> Table:
    table = _table("mean return of policies, seconds of outage", "suite", "policy", "cases", "SimPy", "fast")
    for one in proof.rankings:
        simpy, fast = one.means
        for i in sorted(range(len(one.policies)), key=lambda p: -simpy[p]):
            table.add_row(one.suite, one.policies[i], str(one.simpy.shape[1]), f"{simpy[i]:.1f}", f"{fast[i]:.1f}")
        table.add_section()
    return table


def _left_out(proof: Proof) -> Table:
    table = _table("not compared: the fast twin does not have all of them", "scenario", "missing")
    for name, what in proof.left_out.items():
        table.add_row(name, what)
    return table


def sentences(proof: Proof) -> Iterator[str]:
    """One for each row of the proof."""
    judged = [one for one in proof.steady if one.bar is not None]
    for figure in dict.fromkeys(one.figure for one in judged):
        errors = [one for one in judged if one.figure == figure]
        worst = max(errors, key=lambda one: abs(one.relative))
        within = sum(bool(one.holds) for one in errors)
        yield (
            f"steady state, {figure}: {within} of {len(errors)} scenarios within {worst.bar:.0%}; worst "
            f"{worst.relative:+.1%} ({worst.scenario})"
        )
    known = [one for one in proof.recoveries if one.holds is not None]
    within = sum(bool(one.holds) for one in known)
    yield f"recovery: median within {BAR:.0%} for {within} of {len(known)} actions"
    for one in proof.rankings:
        turned = ", ".join(f"{better} before {worse}" for better, worse in one.turned)
        yield (
            f"rank correlation on {one.suite}: Kendall tau-b {one.tau:.2f} (bar {ranking.BAR:g}) over {len(one.pairs)} "
            f"of {math.comb(len(one.policies), 2)} pairs of {len(one.policies)} policies that differ in the SimPy twin"
            + (f"; the fast twin has {turned}" if turned else "")
        )


def metrics(proof: Proof) -> dict[str, float]:
    """For a run's record."""
    found = {f"steady/{one.figure}/{one.scenario}": one.relative for one in proof.steady}
    for one in proof.recoveries:
        found |= {f"recovery/{one.category}": one.error, f"wasserstein/{one.category}": one.wasserstein}
    for rank in proof.rankings:
        found |= {f"tau/{rank.suite}": rank.tau, f"pairs/{rank.suite}": float(len(rank.pairs))}
    return found


def _both(values: tuple[float, float]) -> str:
    return f"{values[0]:.1f} / {values[1]:.1f}"


def _percent(value: float) -> str:
    return f"{value:+.0%}" if math.isfinite(value) else "-"


def _verdict(holds: bool | None) -> str:
    return "" if holds is None else "yes" if holds else "NO"
