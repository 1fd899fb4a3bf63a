"""What must hold between the fields of a scenario, beyond each field by itself."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from twin.scenario.alert_rules import alert_rules
from twin.scenario.demand import check_demand
from twin.scenario.errors import ScenarioError
from twin.scenario.schema import ResolvedScenario, Spec
from twin.scenario.workload import Arrivals, Lengths

OBJECTIVES = {"inference": ("ttft_p99", "e2e_p99"), "openstack": ("api_p99", "create_p95", "availability")}
"""The objectives that a kind of cluster has a signal for, besides success."""

DIALECTS = {"inference": ("vllm-0.33", "vllm-0.8.5"), "openstack": ("zed", "loghub2017")}
"""The log and metric dialects that a kind of cluster can speak."""


def check_names(data: Mapping[str, Any]) -> None:
    """Refuse two faults of one name, where the second is. The data may still be malformed elsewhere."""
    spec = data.get("spec")
    faults = spec.get("faults") if isinstance(spec, dict) else None
    seen: dict[Any, int] = {}
    for i, fault in enumerate(faults if isinstance(faults, list) else ()):
        name = fault.get("name") if isinstance(fault, dict) else None
        if isinstance(name, str) and seen.setdefault(name, i) != i:
            raise ScenarioError(
                f"duplicate fault name '{name}': fault {seen[name]} has it", ("spec", "faults", i, "name")
            )


def check(scenario: ResolvedScenario) -> None:
    """Raise ScenarioError, with the path of the key, for fields that contradict each other."""
    spec = scenario.spec
    _check_times(spec)
    _check_arrivals(spec.cluster.kind, spec.workload.arrivals, ("spec", "workload", "arrivals"))
    _check_workload(spec)
    if spec.cluster.kind == "openstack":
        check_demand(spec)
    _check_noise(spec)
    alert_rules(spec)
    kind = spec.cluster.kind
    if spec.telemetry.dialect not in (None, *DIALECTS[kind]):
        raise ScenarioError(
            f"'{spec.telemetry.dialect}' is no dialect of {kind} clusters, which speak {' or '.join(DIALECTS[kind])}",
            ("spec", "telemetry", "dialect"),
        )
    for other, fields in OBJECTIVES.items():
        for field in fields if other != kind else ():
            if getattr(spec.slo, field) is not None:
                alias = type(spec.slo).model_fields[field].alias or field
                raise ScenarioError(
                    f"'{alias}' is an objective of {other} clusters, this one is {kind}", ("spec", "slo", alias)
                )


def _check_times(spec: Spec) -> None:
    if spec.control.warmup >= spec.horizon:
        raise ScenarioError(
            f"the horizon ({spec.horizon:g}s) is not after the warm-up ({spec.control.warmup:g}s)", ("spec", "horizon")
        )
    for i, fault in enumerate(spec.faults):
        if fault.at >= spec.horizon:
            raise ScenarioError(
                f"'{fault.name}' can come at {fault.at:g}s, but the horizon is {spec.horizon:g}s",
                ("spec", "faults", i, "at"),
            )
        if fault.duration == 0:
            raise ScenarioError(
                "a duration of 0 is no fault; leave it out to let the fault stay", ("spec", "faults", i, "duration")
            )


def _check_arrivals(kind: str, arrivals: Arrivals | None, path: tuple[str | int, ...]) -> None:
    if arrivals is None:
        return
    forms = [name for name in type(arrivals).model_fields if getattr(arrivals, name) is not None]
    others = [name for name in type(arrivals).model_fields if name not in ("constant", "poisson")]
    if kind == "openstack":
        for name in forms:
            if name in others and name != "concurrency":
                raise ScenarioError(f"'{name}' belongs to inference clusters, this one is openstack", (*path, name))
    if len(forms) != 1:
        more = f" (or {', '.join(others)})" if kind == "inference" else ""
        raise ScenarioError(f"expected exactly one of constant and poisson{more}", path)
    if arrivals.constant == 0 or arrivals.poisson == 0:
        raise ScenarioError("a rate must be above 0", (*path, forms[0]))
    if arrivals.profile is not None:
        times = [point.at for point in arrivals.profile]
        if times[0] != 0:
            raise ScenarioError(f"a profile begins at 0s, got {times[0]:g}s", (*path, "profile", 0, "at"))
        for i, (before, time) in enumerate(pairwise(times), 1):
            if time < before:
                raise ScenarioError(f"{time:g}s is before {before:g}s of the point above", (*path, "profile", i, "at"))
        if not any(point.rate for point in arrivals.profile):
            raise ScenarioError("some rate must be above 0", (*path, "profile"))


def _check_workload(spec: Spec) -> None:
    workload = spec.workload
    path = ("spec", "workload")
    if spec.cluster.kind == "openstack":
        for name in ("trace", "prompt", "output", "prefix", "conversations", "first_token_timeout", "retries"):
            if getattr(workload, name) is not None:
                key = type(workload).model_fields[name].alias or name
                raise ScenarioError(f"'{key}' belongs to inference clusters, this one is openstack", (*path, key))
    else:
        for name in ("lifetime", "client", "kind", "repeat", "flavor", "loads", "requests", "mix", "tenants"):
            if getattr(workload, name) is not None:
                raise ScenarioError(f"'{name}' belongs to openstack clusters, this one is inference", (*path, name))
    if workload.trace is not None:
        for name in ("arrivals", "prompt", "output", "prefix", "conversations"):
            if getattr(workload, name) is not None:
                raise ScenarioError(f"a trace brings its own {name}: leave one of them out", (*path, name))
    elif spec.cluster.kind == "openstack":
        for i, load in enumerate(workload.loads or ()):
            _check_arrivals("openstack", load.arrivals, (*path, "loads", i, "arrivals"))
    elif workload.arrivals is None:
        raise ScenarioError("a workload needs arrivals or a trace", path)
    else:
        for name in ("prompt", "output"):
            length = getattr(workload, name)
            if length is None:
                raise ScenarioError(f"missing key '{name}': tokens, or azure2023", path)
            if isinstance(length, int) and length < 1:
                raise ScenarioError(f"expected at least 1 token, got {length}", (*path, name))
            if isinstance(length, Lengths):
                _check_lengths(length, (*path, name))
    if (
        workload.conversations is not None
        and workload.arrivals is not None
        and workload.arrivals.concurrency is not None
    ):
        raise ScenarioError(
            "in a closed loop each user asks again by itself: leave one of concurrency and conversations out",
            (*path, "conversations"),
        )
    for name in ("client_timeout", "first_token_timeout"):
        if getattr(workload, name) == 0:
            raise ScenarioError(
                "a client that waits 0s never gets an answer", (*path, type(workload).model_fields[name].alias or name)
            )


def _check_noise(spec: Spec) -> None:
    path = ("spec", "noise")
    if spec.cluster.kind == "openstack" and spec.noise != "none":
        raise ScenarioError("'noise' belongs to inference clusters, this one is openstack", path)
    for i, rollout in enumerate(spec.benign.rollouts):
        if rollout.at >= spec.horizon:
            raise ScenarioError(
                f"a rollout can come at {rollout.at:g}s, but the horizon is {spec.horizon:g}s",
                (*path, "rollouts", i, "at"),
            )


def _check_lengths(lengths: Lengths, path: tuple[str | int, ...]) -> None:
    parts = [
        (lengths.between, path),
        *((p.between, (*path, "mixture", i)) for i, p in enumerate(lengths.mixture or ())),
    ]
    for between, where in parts:
        if between is not None and between[0] > between[1]:
            raise ScenarioError(f"the lowest value comes first, got {list(between)}", (*where, "between"))
