"""One self-contained HTML page about a run: nothing is fetched when it is opened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments import tracking
from experiments.comparison import shown
from experiments.errors import UserError
from experiments.judging import CHRONICLE, RESULTS

if TYPE_CHECKING:
    from mlflow.entities import Run as StoredRun

PAGE = "report.html"
LOSS, P50, P99, FAULT, ACTION = "#b3262e", "#4c78a8", "#1f4e79", "#d9772b", "#2b7a4b"
COLOURS = {"gpu": "#76b900", "node": "#8a8f98", "vllm": "#4c78a8"}
"""Colours of component kinds in the topology; other kinds are drawn in `PLAIN`."""
PLAIN = "#b07aa1"


def write_report(identifier: str, path: Path | None = None) -> tuple[Path, str]:
    """Write the report of a run to a file (default: `report-<run>.html`) and log it to the run; returns file and run.

    Raises UserError where the run has nothing to tell.
    """
    stored = tracking.find(identifier)
    page = render(tell(stored))
    path = path or Path(f"report-{stored.info.run_id[:8]}.html")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    tracking.client().log_text(stored.info.run_id, page, PAGE)
    return path, str(stored.info.run_id)


def tell(stored: StoredRun) -> dict[str, Any]:
    """What the page shows of a run: its own artifacts, or those of the newest run under it that has them."""
    sources = [stored, *_children(stored)]
    chronicle = _first(sources, CHRONICLE)
    comparisons = [json.loads(text) for text in (tracking.artifact_text(run, RESULTS) for run in sources) if text]
    if chronicle is None and not comparisons:
        raise UserError(
            f"run {stored.info.run_id} ({stored.data.tags.get(tracking.KIND)}) holds no episode and no comparison; "
            "give a run of simulate, evaluate or demo"
        )
    tags = stored.data.tags
    return {
        "name": stored.info.run_name,
        "id": stored.info.run_id,
        "status": stored.info.status,
        "kind": tags.get(tracking.KIND, ""),
        "command": tags.get("healtwin.command_line", ""),
        "commit": tags.get("mlflow.source.git.commit", "unknown")
        + (" with changes" if tags.get("healtwin.dirty") == "true" else ""),
        "versions": {
            k.removeprefix("version."): v for k, v in sorted(stored.data.params.items()) if k.startswith("version.")
        },
        "parameters": {k: v for k, v in sorted(stored.data.params.items()) if not k.startswith("version.")},
        "chronicle": None if chronicle is None else json.loads(chronicle),
        "comparisons": comparisons,
    }


def _children(stored: StoredRun) -> list[StoredRun]:
    query = f"tags.mlflow.parentRunId = '{stored.info.run_id}'"
    found = tracking.client().search_runs([stored.info.experiment_id], query, order_by=["attributes.start_time DESC"])
    return list(found)


def _first(runs: list[StoredRun], name: str) -> str | None:
    return next((text for text in (tracking.artifact_text(run, name) for run in runs) if text is not None), None)


def render(story: Mapping[str, Any]) -> str:
    """The page. All text is escaped: log lines are whatever the cluster's programs were made to print."""
    import jinja2
    from plotly.offline import get_plotlyjs

    template = (resources.files("experiments") / "templates" / "report.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["interval"] = _interval
    environment.filters["shown"] = shown
    chronicle = story["chronicle"]
    figures = {} if chronicle is None else {"timeline": timeline(chronicle), "topology": topology(chronicle)}
    return environment.from_string(template).render(story=story, figures=figures, plotly=get_plotlyjs())


def _interval(value: Mapping[str, float | None] | None) -> str:
    if value is None or value["mean"] is None:
        return "–"
    if value["low"] is None or value["high"] is None:
        return f"{value['mean']:.1f}"
    return f"{value['mean']:.1f} [{value['low']:.1f}, {value['high']:.1f}]"


def timeline(chronicle: Mapping[str, Any]) -> str:
    """SLO loss and latency over time, faults as bands and actions as lines: an HTML fragment."""
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    seconds = list(range(1, len(chronicle["loss"]) + 1))
    figure.add_scatter(x=seconds, y=chronicle["loss"], name="loss", line={"color": LOSS, "shape": "hv"}, row=1, col=1)
    violated = [1.02 if v else None for v in chronicle["violated"]]
    figure.add_scatter(
        x=seconds, y=violated, name="SLO violated", mode="lines", line={"color": LOSS, "width": 6}, row=1, col=1
    )
    latency = chronicle["latency"]
    for name, colour in (("p50", P50), ("p99", P99)):
        figure.add_scatter(
            x=latency["time"], y=latency[name], name=f"latency {name}", line={"color": colour}, row=2, col=1
        )
    for fault in chronicle["faults"]:
        if fault["injected"] is not None:
            end = chronicle["end"] if fault["cleared"] is None else fault["cleared"]
            figure.add_vrect(x0=fault["injected"], x1=end, fillcolor=FAULT, opacity=0.12, line_width=0)
            figure.add_vline(x=fault["injected"], line={"color": FAULT, "width": 1.5})
            _note(figure, fault["injected"], 1.1, f"{fault['kind']} on {', '.join(fault['targets'])}", FAULT)
    for number, action in enumerate(chronicle["actions"], 1):
        if action["legal"]:
            figure.add_vline(x=action["started"], line={"color": ACTION, "width": 1.5, "dash": "dot"})
            _note(figure, action["started"], 1.05, str(number), ACTION)
    figure.add_vrect(x0=0, x1=chronicle["warmup"], fillcolor="#888", opacity=0.10, line_width=0)
    figure.update_yaxes(title_text="SLO loss", range=[0, 1.08], row=1, col=1)
    figure.update_yaxes(title_text="latency, s", rangemode="tozero", row=2, col=1)
    figure.update_xaxes(title_text="simulated seconds", row=2, col=1)
    figure.update_layout(
        template="plotly_white",
        height=560,
        margin={"l": 55, "r": 20, "t": 90, "b": 45},
        legend={"orientation": "h", "y": -0.14},
    )
    return _fragment(figure)


def _note(figure: Any, x: float, y: float, text: str, colour: str) -> None:
    figure.add_annotation(
        x=x,
        y=y,
        xref="x",
        yref="paper",
        text=_plain(text),
        showarrow=False,
        xanchor="left",
        font={"size": 11, "color": colour},
    )


def topology(chronicle: Mapping[str, Any]) -> str:
    """Who calls whom (lines) and what runs on what (dotted); root causes have a ring: an HTML fragment."""
    import networkx as nx
    import plotly.graph_objects as go

    components = chronicle["topology"]["components"]
    calls = [tuple(edge) for edge in chronicle["topology"]["edges"]]
    places = [(c["name"], c["place"]) for c in components if c["place"]]
    graph = nx.Graph([*calls, *places])
    graph.add_nodes_from(c["name"] for c in components)
    at = nx.kamada_kawai_layout(graph)
    figure = go.Figure()
    for edges, dash, name in ((places, "dot", "runs on"), (calls, "solid", "calls")):
        x = [v for a, b in edges for v in (at[a][0], at[b][0], None)]
        y = [v for a, b in edges for v in (at[a][1], at[b][1], None)]
        line = {"color": "#b8bdc6" if dash == "dot" else "#707784", "width": 1, "dash": dash}
        figure.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", name=name)
    causes = {target for fault in chronicle["faults"] for target in fault["targets"]}
    for kind in dict.fromkeys(c["kind"] for c in components):
        names = [c["name"] for c in components if c["kind"] == kind]
        figure.add_scatter(
            x=[at[n][0] for n in names],
            y=[at[n][1] for n in names],
            mode="markers+text",
            text=[_plain(n) for n in names],
            textposition="top center",
            textfont={"size": 10},
            name=_plain(kind),
            marker={
                "size": 16,
                "color": COLOURS.get(kind, PLAIN),
                "line": {
                    "width": [4 if n in causes else 1 for n in names],
                    "color": [FAULT if n in causes else "#fff" for n in names],
                },
            },
        )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.update_layout(template="plotly_white", height=520, margin={"l": 10, "r": 10, "t": 40, "b": 10})
    return _fragment(figure)


def _plain(text: str) -> str:
    """Text for a figure, whose labels know a few tags of HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _fragment(figure: Any) -> str:
    return str(
        figure.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False, "responsive": True})
    )
