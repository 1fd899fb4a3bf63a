"""The proof as one page of HTML with pictures; nothing is fetched when it is opened."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from experiments.fidelity.proof import Proof
from experiments.fidelity.tables import sentences, tables

if TYPE_CHECKING:
    from plotly.graph_objects import Figure
    from rich.table import Table

SIMPY, FAST, BAR = "#4c78a8", "#d9772b", "#b3262e"


def render(title: str, proof: Proof) -> str:
    """The page."""
    import jinja2
    from plotly.offline import get_plotlyjs

    template = (resources.files("experiments") / "templates" / "fidelity.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    drawn = {
        "Steady state: relative errors": steady(proof),
        "Loss over time, nothing done": losses(proof),
        "Seconds to recover": recoveries(proof),
        "What policies cost": returns(proof),
    }
    figures = {
        name: figure.to_html(full_html=False, include_plotlyjs=False) for name, figure in drawn.items() if figure
    }
    return environment.from_string(template).render(
        title=title,
        sentences=list(sentences(proof)),
        figures=figures,
        tables=[_cells(table) for table in tables(proof)],
        plotly=get_plotlyjs(),
    )


def steady(proof: Proof) -> Figure:
    """A point for each scenario and figure, between its bars."""
    import plotly.graph_objects as go

    figure = go.Figure()
    names = list(dict.fromkeys(one.figure for one in proof.steady if one.bar is not None))
    for i, name in enumerate(names):
        found = [one for one in proof.steady if one.figure == name]
        figure.add_scatter(
            x=[100 * one.relative for one in found], y=[name] * len(found), mode="markers", showlegend=False,
            marker={"color": FAST, "size": 9, "opacity": 0.7}, text=[one.scenario for one in found],
            hovertemplate="%{text}: %{x:+.1f} %<extra></extra>",
        )  # fmt: skip
        bar = 100 * float(found[0].bar or 0.0)
        for x in (-bar, bar):
            figure.add_shape(type="line", x0=x, x1=x, y0=i - 0.4, y1=i + 0.4, line={"color": BAR, "width": 2})
    figure.update_xaxes(title="fast / SimPy - 1, %", zeroline=True)
    figure.update_yaxes(autorange="reversed")
    return _sized(figure, 90 + 42 * len(names))


def losses(proof: Proof) -> Figure | None:
    """The mean loss of every scenario in both twins."""
    from plotly.subplots import make_subplots

    if not proof.losses:
        return None
    columns = 4
    rows = -(-len(proof.losses) // columns)
    figure = make_subplots(
        rows, columns, subplot_titles=list(proof.losses), vertical_spacing=min(0.3 / rows, 0.1), horizontal_spacing=0.05
    )
    for i, (simpy, fast, tick) in enumerate(proof.losses.values()):
        row, column = i // columns + 1, i % columns + 1
        for name, values, step, colour in (("SimPy", simpy, 1.0, SIMPY), ("fast", fast, tick, FAST)):
            smooth, times = _by_five_seconds(values, step)
            figure.add_scatter(
                x=times, y=smooth, name=name, legendgroup=name, showlegend=i == 0, mode="lines",
                line={"color": colour, "width": 1.6}, row=row, col=column,
            )  # fmt: skip
    figure.update_annotations(font_size=11)
    figure.update_yaxes(rangemode="tozero")
    return _sized(figure, 60 + 170 * rows)


def recoveries(proof: Proof) -> Figure | None:
    """The two distributions under each action."""
    import plotly.graph_objects as go

    known = [one for one in proof.recoveries if len(one.simpy)]
    if not known:
        return None
    figure = go.Figure()
    for name, colour in (("SimPy", SIMPY), ("fast", FAST)):
        values = [one.simpy if name == "SimPy" else one.fast for one in known]
        categories = [one.category for one, each in zip(known, values, strict=True) for _ in each]
        figure.add_box(y=np.concatenate(values).tolist(), x=categories, name=name, marker_color=colour, boxpoints=False)
    figure.update_layout(boxmode="group")
    figure.update_yaxes(title="s", rangemode="tozero")
    return _sized(figure, 420)


def returns(proof: Proof) -> Figure | None:
    """What each policy costs on average in both twins, in the order that they have in the SimPy twin; a panel for each
    suite. Where both twins agree on the order, the fast one's points go the same way."""
    from plotly.subplots import make_subplots

    if not proof.rankings:
        return None
    heights = [len(one.policies) for one in proof.rankings]
    ticks = [digit * 10**power for power in range(-1, 5) for digit in (1, 2, 5)]
    figure = make_subplots(
        len(proof.rankings), 1, subplot_titles=[one.suite for one in proof.rankings], row_heights=heights,
        vertical_spacing=0.2 / len(proof.rankings),
    )  # fmt: skip
    for row, one in enumerate(proof.rankings, 1):
        simpy, fast = (np.maximum(-means, 0.1) for means in one.means)  # they differ by orders of magnitude
        order = np.argsort(simpy)
        names = [one.policies[i] for i in order]
        for name, here, there in zip(names, simpy[order], fast[order], strict=True):
            figure.add_scatter(
                x=[here, there], y=[name, name], mode="lines", line={"color": "#ccc", "width": 3}, showlegend=False,
                hoverinfo="skip", row=row, col=1,
            )  # fmt: skip
        for twin, values, colour in (("SimPy", simpy, SIMPY), ("fast", fast, FAST)):
            figure.add_scatter(
                x=values[order], y=names, name=twin, legendgroup=twin, showlegend=row == 1, mode="markers",
                marker={"color": colour, "size": 9}, hovertemplate="%{y}: %{x:.1f} s<extra></extra>", row=row, col=1,
            )  # fmt: skip
        figure.update_xaxes(title="s of outage", type="log", tickvals=ticks, row=row, col=1)
        figure.update_yaxes(autorange="reversed", automargin=True, row=row, col=1)
    figure.update_yaxes(type="category")
    figure.update_layout(legend={"orientation": "h", "x": 0.0, "y": 1.0, "yanchor": "bottom"})
    return _sized(figure, 90 * len(heights) + 26 * sum(heights))


def _by_five_seconds(values: list[float], step: float) -> tuple[list[float], list[float]]:
    """Means of five seconds each, and their times."""
    each = max(1, round(5.0 / step))
    whole = np.array(values[: len(values) // each * each]).reshape(-1, each)
    return whole.mean(axis=1).tolist(), [5.0 * (i + 0.5) for i in range(len(whole))]


def _sized(figure: Figure, height: int) -> Figure:
    figure.update_layout(
        height=height, margin={"l": 60, "r": 30, "t": 40, "b": 45}, template="plotly_white", font={"size": 12}
    )
    return figure


def _cells(table: Table) -> dict[str, object]:
    """A table's title, columns and rows as text."""
    columns = [list(column.cells) for column in table.columns]
    return {
        "title": table.title,
        "columns": [str(column.header) for column in table.columns],
        "rows": [[str(cell) for cell in row] for row in zip(*columns, strict=True)],
    }
