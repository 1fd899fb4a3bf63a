"""Dialects: the same cluster as another version of its programs prints and exports it.

A dialect changes names and wording where telemetry leaves the twin. Mechanics, features and policies know none: they
go by the current names. vLLM runs inside Ray here, which puts `ray_` before its metrics; current versions also turn
the colon into an underscore, 0.8.5 kept it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Literal

from twin.components import Component
from twin.inference.replica import Replica
from twin.inference.vllm_metrics import NAMES_085, VLLM_033, VLLM_085, VllmMetric
from twin.mechanics.engine_step import BLOCK_TOKENS
from twin.scenario.schema import Spec
from twin.telemetry.exposition import parted, written

Dialect = Literal["vllm-0.33", "vllm-0.8.5", "zed", "loghub2017"]

DEFAULT: dict[str, Dialect] = {"inference": "vllm-0.33", "openstack": "zed"}
"""What a kind of cluster speaks unless told otherwise."""

MODELS: dict[Dialect, str] = {
    "vllm-0.33": "vLLM 0.33.0 (engine V1) in Ray Serve 2.60",
    "vllm-0.8.5": "vLLM 0.33.0 (engine V1) in Ray Serve 2.60, with the metric names and log lines of vLLM 0.8.5",
    "zed": "OpenStack Zed",
    "loghub2017": "OpenStack Zed, with the log lines of the release of 2016 behind Loghub's OpenStack data set",
}
"""What the twin behind a dialect models, in words."""


def spoken(spec: Spec) -> Dialect:
    """The dialect of a scenario's cluster."""
    return spec.telemetry.dialect or DEFAULT[spec.cluster.kind]


_CURRENT = {metric.name: metric for metric in VLLM_033}
_OLD = {metric.name: metric for metric in VLLM_085}
_HISTOGRAM_PARTS = ("_sum", "_count", "_bucket")
_FACTORS_085 = {
    # That version counted blocks, today's counts tokens.
    "vllm:gpu_prefix_cache_queries_total": 1.0 / BLOCK_TOKENS,
    "vllm:gpu_prefix_cache_hits_total": 1.0 / BLOCK_TOKENS,
}


@cache
def exported(dialect: Dialect, series: str) -> tuple[str, float] | None:
    """The name under which a dialect exports a series and the factor for its values; None where it has no such."""
    if not series.startswith("vllm:"):
        return series, 1.0
    name, brace, labels = series.partition("{")
    family, part = _family(name)
    if dialect == "vllm-0.33":
        return f"ray_vllm_{name.removeprefix('vllm:')}{brace}{labels}", 1.0
    old = NAMES_085.get(family, family)
    if old is None or not _has(_OLD.get(old), labels):
        return None
    return f"ray_{old}{part}{brace}{labels}", _FACTORS_085.get(old, 1.0)


@cache
def absent(dialect: Dialect, features: tuple[str, ...]) -> tuple[str, ...]:
    """The features that a dialect does not export."""
    return tuple(feature for feature in features if exported(dialect, feature) is None)


def read_back(dialect: Dialect, features: Sequence[str]) -> dict[str, tuple[str, float]]:
    """By exported name: the feature and the factor that turns a value back into it."""
    found = {}
    for feature in features:
        shown = exported(dialect, feature)
        if shown is not None:
            found[shown[0]] = (feature, 1.0 / shown[1])
    return found


def labelled(name: str, labels: Mapping[str, str]) -> str:
    """A series name with more labels, all of them in alphabetical order as exporters print them."""
    bare, own = parted(name)
    return written(bare, dict(sorted({**own, **labels}.items())))


def constant_labels(component: Component) -> dict[str, str]:
    """The labels that vLLM puts on all its series: which model it serves, which of the server's engines it is."""
    if not isinstance(component, Replica):
        return {}
    return {"engine": "0", "model_name": component.model.served_name}


def _family(name: str) -> tuple[str, str]:
    """A series name without labels as (metric family, part of a histogram)."""
    if name in _CURRENT:
        return name, ""
    for part in _HISTOGRAM_PARTS:
        family = name.removesuffix(part)
        if family != name and family in _CURRENT:
            return family, part
    return name, ""


def _has(metric: VllmMetric | None, labels: str) -> bool:
    """Whether a metric exists with these labels: one of fixed values has no others."""
    if metric is None or not metric.values or not labels:
        return True
    return any(f'{metric.labels[-1]}="{value}"' in labels for value in metric.values)
