"""Exporting a policy: a bundle that runs without torch, written only for what has earned it.

policy.onnx    observation -> log-probabilities and value; masks and normalisation inside
interpreter/   adapter, projector, tokenizer and template table (safetensors and JSON), where there is one
policy.json    what goes in and out, in which order; versions, hashes, validation, sha256 of each file
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from policies import bundle as bundles
from policies.actor import NetworkPolicy
from policies.bundle import GRAPH, INTERPRETER, MANIFEST, Bundle, BundleError, open_bundle, sha256
from policies.checkpoint import replace
from policies.gate import GateVerdict
from policies.onnx_graph import OUTPUTS, write_graph
from twin.actions import CATEGORIES, PARAMETERS
from twin.spaces import AGE_LIMIT, BUCKETS, SEVERITIES
from twin.telemetry.features import FEATURES, IS_COUNTER, KINDS
from twin.telemetry.records import LEVELS

PACKAGES = ("healtwin", "torch", "onnx", "onnxscript", "onnxruntime", "numpy", "gymnasium", "transformers", "peft")
PORTABLE = {".safetensors", ".json", ".jsonl", ".txt", ".md", ".onnx"}
"""Kinds of file that a bundle may hold: none of them can run code when it is read."""


class ExportRefused(ValueError):  # noqa: N818 -- a verdict, not a mistake
    """The policy did not pass the gate; the message holds the failing numbers."""


def export(
    policy: NetworkPolicy,
    folder: Path,
    *,
    verdict: GateVerdict | None,
    gate_attempts: int,
    unvalidated: bool = False,
    interpreter: Path | None = None,
    hashes: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Bundle:
    """Write a bundle into `folder`, which must be empty or not there yet.

    `verdict` is the gate's judgement on `validation` (None: it was not tried) and `gate_attempts` how often this
    policy's training has tried it. `hashes` name the scenarios and suites it was trained and judged on; `metadata` is
    added as it is.

    Raises ExportRefused with the failing numbers unless the verdict is a pass or `unvalidated` is set, which marks the
    bundle; BundleError for a folder that is not empty or an interpreter with files that could run code; ValueError
    where the graph differs from the network.
    """
    passed = verdict is not None and verdict.passed
    failures = verdict.failures if verdict is not None else ("not validated",)
    if not passed and not unvalidated:
        raise ExportRefused("the policy does not beat the rule ladder on validation: " + "; ".join(failures))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BundleError(f"{folder} is not empty: choose another folder for the bundle")
    folder.mkdir(parents=True, exist_ok=True)
    if interpreter is not None:
        _copy_interpreter(interpreter, folder / INTERPRETER)
    difference = write_graph(policy.network, folder / GRAPH)
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    manifest = {
        "format": bundles.FORMAT,
        "name": policy.name,
        "validated": passed,
        "unvalidated_because": None if passed else list(failures),
        "gate_attempts": gate_attempts,
        "validation": verdict.as_json() if verdict is not None else None,
        **_interface(policy),
        "interpreter": interpreter is not None,
        "onnx_difference": difference,
        "versions": _versions(),
        "hashes": dict(hashes or {}),
        "metadata": dict(metadata or {}),
        "sha256": {p.relative_to(folder).as_posix(): sha256(p) for p in files},
    }
    text = json.dumps(manifest, indent=2, allow_nan=False) + "\n"
    replace(folder / f".{MANIFEST}", folder / MANIFEST, text.encode())
    return open_bundle(folder)


def _interface(policy: NetworkPolicy) -> dict[str, Any]:
    """All that someone needs who builds observations and carries out actions elsewhere."""
    network = policy.network
    twin_features = network.config.features == len(FEATURES)
    return {
        "decision": policy.mode,
        "inputs": list(network.config.inputs),
        "outputs": list(OUTPUTS),
        "features": [
            {
                "name": name,
                "read_as": "rate per second" if counter else "value",
                "mean": float(network.normaliser.mean[i]),
                "scale": float(network.normaliser.scale[i]),
            }
            for i, (name, counter) in enumerate(zip(FEATURES, IS_COUNTER, strict=True))
        ]
        if twin_features
        else [],
        "normalisation": "clip((symlog(value) - mean) * scale, -5, 5), inside the graph; absent values count as 0",
        "kinds": ["", *KINDS],
        "levels": [level.value for level in LEVELS],
        "severities": list(SEVERITIES),
        "age_limit": AGE_LIMIT,
        "sizes": list(BUCKETS),
        "actions": {"categories": list(CATEGORIES), "parameters": list(PARAMETERS)},
        "masks": "mask_category [C], mask_target [C, N], mask_parameter [C, N, P]: 1 where legal; applied inside the "
        "graph; no-op with target 0 and parameter 0 must be legal",
        "network": {"width": network.config.width, "layers": network.config.layers, "heads": network.config.heads},
    }


def _copy_interpreter(source: Path, target: Path) -> None:
    if not source.is_dir():
        raise BundleError(f"no interpreter at {source}")
    foreign = sorted(str(p) for p in source.rglob("*") if p.is_file() and p.suffix not in PORTABLE)
    if foreign:
        raise BundleError(
            f"an interpreter in a bundle holds {', '.join(sorted(PORTABLE))} only, not {', '.join(foreign)}"
        )
    shutil.copytree(source, target)


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
