"""What must hold between what the tenants of an OpenStack cloud do and the cloud they do it on."""

from __future__ import annotations

from collections.abc import Iterator

from twin.scenario.errors import Path, ScenarioError
from twin.scenario.schema import Spec
from twin.scenario.workload import Load


def check_demand(spec: Spec) -> None:
    """Raise ScenarioError, with the path of the key, for a load that contradicts itself or that cannot be carried."""
    workload, path = spec.workload, ("spec", "workload")
    if not workload.all_loads() and workload.requests is None and workload.tenants is None:
        raise ScenarioError("a workload needs arrivals, a kind, loads, requests or tenants", path)
    if workload.mix is not None and workload.requests is None:
        raise ScenarioError("a mix says what the requests are: give requests, such as 0.5/s", (*path, "mix"))
    if spec.slo.availability is not None and workload.tenants is None:
        raise ScenarioError(
            "availability is that of tenants' servers: give workload.tenants", ("spec", "slo", "availability")
        )
    if workload.arrivals is None and workload.kind is None:
        for name in ("repeat", "flavor", "lifetime", "client", "client_timeout"):
            if getattr(workload, name) is not None:
                key = type(workload).model_fields[name].alias or name
                raise ScenarioError(f"'{key}' says more about arrivals or a kind: give one of them", (*path, key))
    for load, where in placed(spec):
        _check_load(load, where, spec.horizon)


def placed(spec: Spec) -> Iterator[tuple[Load, Path]]:
    """The loads, each with the path of its keys."""
    path: Path = ("spec", "workload")
    loads = spec.workload.all_loads()
    further = len(spec.workload.loads or ())
    for i, load in enumerate(loads):
        j = i - (len(loads) - further)
        yield load, path if j < 0 else (*path, "loads", j)


def _check_load(load: Load, path: Path, horizon: float) -> None:
    loop = load.arrivals is not None and load.arrivals.concurrency is not None
    if load.at >= horizon:
        raise ScenarioError(f"begins at {load.at:g}s, but the horizon is {horizon:g}s", (*path, "at"))
    if load.kind == "lifecycle":
        if load.arrivals is None:
            raise ScenarioError("server lives need arrivals", path)
        if load.client is not None and load.client.keep is not None:
            if not loop:
                raise ScenarioError(
                    "a client that keeps servers is a closed loop: give concurrency", (*path, "arrivals")
                )
            if load.lifetime is not None:
                raise ScenarioError(
                    "a client that keeps so many deletes the eldest: leave one of keep and lifetime out",
                    (*path, "lifetime"),
                )
            if load.repeat is not None:
                raise ScenarioError(
                    "a client that keeps servers goes on to the end: leave one of keep and repeat out",
                    (*path, "repeat"),
                )
    else:
        for name in ("lifetime", "client", "client_timeout"):
            if getattr(load, name) is not None:
                key = type(load).model_fields[name].alias or name
                raise ScenarioError(f"'{key}' belongs to lifecycle loads, this one is {load.kind}", (*path, key))
