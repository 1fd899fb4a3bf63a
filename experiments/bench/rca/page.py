"""Scores and findings as one page of HTML that needs nothing else: no scripts, nothing fetched, everything escaped."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from experiments.bench.rca.findings import Finding
from experiments.bench.rca.scores import ALL, FIGURES, Score
from experiments.bench.rca.tables import decimal

if TYPE_CHECKING:
    from markupsafe import Markup


class Line(NamedTuple):
    """One method in its group."""

    score: Score
    best: frozenset[str]
    """Figures, and `lift`, of which nobody in the group has a higher mean."""


def render(
    title: str,
    about: Mapping[str, str],
    found: Mapping[str, Sequence[Score]],
    tested: Sequence[Finding] = (),
    broken: Mapping[str, str] | None = None,
) -> str:
    """A page with findings, if any, the scores under their headings, and the cases that cannot be read with why."""
    import jinja2

    template = (resources.files("experiments") / "templates" / "scores.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.tests["finite"] = math.isfinite
    environment.filters |= {"coded": _coded, "decimal": decimal}
    return environment.from_string(template).render(
        title=title,
        about=about,
        tables={heading: grouped(lines) for heading, lines in found.items()},
        findings=tested,
        broken=broken or {},
        figures=tuple(FIGURES),
    )


def grouped(found: Sequence[Score]) -> dict[str, list[Line]]:
    """The lines of each group under its heading, in their order."""
    groups: dict[str, list[Score]] = {}
    for score in found:
        groups.setdefault("all kinds of fault" if score.group == ALL else score.group, []).append(score)
    return {group: [Line(score, _best(score, scores)) for score in scores] for group, scores in groups.items()}


def _best(score: Score, group: Sequence[Score]) -> frozenset[str]:
    if len(group) == 1:
        return frozenset()
    first = next(iter(FIGURES))
    means = [{**{name: one.mean for name, one in s.figures.items()}, "lift": s.lift[first].mean} for s in group]
    mine = means[group.index(score)]
    return frozenset(name for name, mean in mine.items() if mean >= max(other[name] for other in means) - 1e-9)


def _coded(text: str) -> Markup:
    """What stands between backticks as code, all of it escaped."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))
