"""What was done to a run, for the case's `truth.json`: the oracle, which is in no other file of a case."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twin.telemetry.export.rcaeval.services import Services
from twin.telemetry.folder import FolderError, TelemetryFolder


@dataclass(frozen=True)
class Truth:
    """The ground truth of a case, as plain data, and when the first fault was injected (Unix seconds)."""

    inject_time: int
    told: dict[str, Any]


def read_truth(folder: TelemetryFolder, services: Services) -> Truth:
    """The ground truth of a run. Raises FolderError where it has none, or where nothing was injected."""
    epoch = float(folder.manifest["epoch"])
    kinds = {node.name: node.kind for node in folder.topology.components}
    incidents = [row for row in _read(folder.path, "incidents") if row["injected"] is not None]
    if not incidents:
        raise FolderError(f"{folder.path}: no fault was injected in this run; a root-cause case needs one")
    incidents.sort(key=lambda row: row["injected"])

    def moment(seconds: float | None) -> float | None:
        return None if seconds is None else epoch + seconds

    causes: dict[str, None] = {}
    told = []
    for row in incidents:
        targets = [
            {"component": name, "kind": kinds[name], "services": list(services.affected(name))}
            for name in row["targets"]
        ]
        causes.update(dict.fromkeys(service for target in targets for service in target["services"]))
        told.append(
            {
                "fault": row["fault"],
                "reason": row["kind"],
                "family": row["family"],
                "root_causes": targets,
                "injected": moment(row["injected"]),
                "first_impact": moment(row["first_impact"]),
                "cleared": moment(row["cleared"]),
                "cleared_by": row["cleared_by"],
                "open_layers": row["open_layers"],
                "propagation": _propagation(row["targets"], services, folder.topology.edges),
            }
        )
    inject_time = math.floor(epoch + incidents[0]["injected"])
    return Truth(
        inject_time,
        {
            "scenario": folder.manifest["scenario"],
            "seed": folder.manifest["seed"],
            "services": list(causes),
            "inject_time": inject_time,
            "incidents": told,
            "benign": [
                {**row, "started": moment(row["started"]), "ended": moment(row["ended"])}
                for row in _read(folder.path, "benign")
            ],
            "actions": [
                {**row, "started": moment(row["started"]), "finished": moment(row["finished"])}
                for row in _read(folder.path, "actions")
            ],
        },
    )


def _propagation(targets: list[str], services: Services, edges: tuple[tuple[str, str], ...]) -> list[list[str]]:
    """How trouble can spread: the services that have the root cause or run on it, then those that call these, and so on
    against the direction of the calls."""
    called_by: dict[str, list[str]] = {}
    for caller, callee in edges:
        ends = services.by_component.get(caller), services.by_component.get(callee)
        if ends[0] is not None and ends[1] is not None:
            called_by.setdefault(ends[1], []).append(ends[0])
    on_it = [s.name for s in services.all if any(t == s.host or t in s.gpus or t in s.components for t in targets)]
    known, rings = set(on_it), [on_it]
    while rings[-1]:
        further = dict.fromkeys(caller for name in rings[-1] for caller in called_by.get(name, ()))
        rings.append([name for name in further if name not in known])
        known.update(rings[-1])
    return [ring for ring in rings if ring]


def _read(folder: Path, name: str) -> list[dict[str, Any]]:
    path = folder / "truth" / f"{name}.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, list):
            raise ValueError("not a list")
        return found
    except OSError as error:
        raise FolderError(f"cannot read {path}: {os.strerror(error.errno or 0)}") from None
    except ValueError as error:
        raise FolderError(f"{path}: {error}") from None
