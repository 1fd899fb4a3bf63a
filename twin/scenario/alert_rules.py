"""Alert rules from files that Prometheus reads too.

    groups:
      - name: gpus
        rules:
          - alert: GpuXid
            expr: DCGM_FI_DEV_XID_ERRORS > 0
            for: 0s
            labels: {severity: critical}
            annotations: {summary: "{{ $labels.instance }} reports XID {{ $value }}"}

Format: https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/. Of PromQL, `twin.scenario.promql`
is understood; annotations are for people. Rules that record, and what is not named above, are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from twin.scenario import catalogue, promql
from twin.scenario.errors import Path as Key
from twin.scenario.errors import ScenarioError
from twin.scenario.model import Model
from twin.scenario.schema import Spec
from twin.scenario.source import Document, located, read

Severity = Literal["warning", "critical"]


@dataclass(frozen=True, slots=True)
class AlertRule:
    """Fires for a series that `expression` has found for `hold` seconds, looking every `interval` seconds.

    With an interval of 0, it looks at every scrape.
    """

    name: str
    severity: Severity
    expression: promql.Expression
    hold: float
    interval: float = 0.0


def default_file() -> Path:
    """The rules that hold unless a scenario brings its own."""
    return catalogue.folder() / "alarms" / "healtwin.yaml"


def alert_rules(spec: Spec) -> tuple[AlertRule, ...]:
    """The rules of a scenario. Raises ScenarioError with the place in their file."""
    return read_rules(Path(spec.telemetry.alarms) if spec.telemetry.alarms else default_file())


def read_rules(file: Path) -> tuple[AlertRule, ...]:
    """The rules in a file. Raises ScenarioError with file, line and column."""
    try:
        changed = file.stat().st_mtime_ns
    except OSError:
        changed = 0  # reading it says why
    return _read_rules(file, changed)


# --- what a file says ------------------------------------------------------------------------------------------------


def _duration(value: Any) -> float:
    if not isinstance(value, str):
        raise ValueError(f"expected a duration such as 30s, got {value!r}")
    return promql.duration(value)


PrometheusDuration = Annotated[float, BeforeValidator(_duration)]


class RuleSpec(Model):
    """An alerting rule."""

    alert: str = Field(min_length=1)
    expr: str
    for_: PrometheusDuration = Field(0.0, alias="for")
    labels: dict[str, str] = Field(default={})
    annotations: dict[str, str] = Field(default={})


class GroupSpec(Model):
    """Rules that are evaluated together."""

    name: str = Field(min_length=1)
    interval: PrometheusDuration = 0.0
    rules: tuple[RuleSpec, ...]


class FileSpec(Model):
    """A rule file."""

    groups: tuple[GroupSpec, ...]


_REFUSED = {
    "record": "rules that record are not evaluated here; write what they record into the alert's expression",
    **dict.fromkeys(("keep_firing_for", "limit", "query_offset", "partial_response_strategy"), "not evaluated here"),
}
"""What Prometheus, or a tool around it, understands and the twin does not."""


@lru_cache(maxsize=16)
def _read_rules(file: Path, changed: int) -> tuple[AlertRule, ...]:
    document = read(file)
    with located(document):
        _check_keys(document)
        try:
            spec = FileSpec.model_validate(document.data)
        except ValidationError as error:
            raise ScenarioError.from_validation(error, FileSpec) from None
        names = [group.name for group in spec.groups]
        for i, name in enumerate(names):
            if name in names[:i]:
                raise ScenarioError(f"two groups have the name '{name}'", ("groups", i, "name"))
        return tuple(_rules(spec))


def _check_keys(document: Document) -> None:
    groups = document.data.get("groups")
    for i, group in enumerate(groups if isinstance(groups, list) else ()):
        rules = group.get("rules") if isinstance(group, dict) else None
        known: list[tuple[Any, Key]] = [(group, ("groups", i))]
        known += [(rule, ("groups", i, "rules", j)) for j, rule in enumerate(rules if isinstance(rules, list) else ())]
        for keys, path in known:
            for key in keys if isinstance(keys, dict) else ():
                if key in _REFUSED:
                    raise ScenarioError(_REFUSED[key], (*path, key))


def _rules(spec: FileSpec) -> Iterator[AlertRule]:
    for i, group in enumerate(spec.groups):
        for j, rule in enumerate(group.rules):
            path: Key = ("groups", i, "rules", j)
            try:
                expression = promql.parse(rule.expr)
            except promql.QueryError as error:
                raise ScenarioError(str(error), (*path, "expr")) from None
            severity = rule.labels.get("severity")
            if severity not in ("warning", "critical"):
                said = f"got '{severity}'" if severity else "there is none"
                raise ScenarioError(f"expected the label severity, warning or critical; {said}", (*path, "labels"))
            yield AlertRule(rule.alert, severity, expression, rule.for_, group.interval)  # type: ignore[arg-type]
