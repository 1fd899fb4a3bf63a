"""Chaos Mesh manifests as faults: ``{manifest: network-delay.yaml, at: 300s}``.

The manifest is read as it is (chaos-mesh.org/v1alpha1). Its fields keep their names; what our cluster cannot do is
refused where the fault is planned, by name.
"""

from __future__ import annotations

from pathlib import Path as File
from typing import Any

from twin.quantities import go_duration
from twin.scenario.errors import Path, ScenarioError, nearest
from twin.scenario.source import Document, located, read

BESIDE = ("manifest", "at", "duration", "name")
"""What a scenario may say about a manifest; name and duration replace the manifest's own."""

UNSUPPORTED = {
    "scheduler": "when the fault comes is said beside the manifest, with at",
    "remoteCluster": "there is one cluster",
}
"""Fields of a manifest's spec that are refused, and why. Those of a kind are in its `FaultKind`."""

UNSUPPORTED_SELECTORS = {
    "expressionSelectors": "write the labels that must be equal as labelSelectors",
    "annotationSelectors": "pods have no annotations here; use labelSelectors",
    "fieldSelectors": "name the pods with pods",
    "nodeSelectors": "nodes have no labels here; name them with nodes",
    "podPhaseSelectors": "pods are selected whatever their phase",
}

_TOP = ("apiVersion", "kind", "metadata", "spec", "status")


def expand(document: Document) -> Document:
    """The scenario with every manifest replaced by the fault in it. Raises ScenarioError."""
    spec = document.data.get("spec")
    faults = spec.get("faults") if isinstance(spec, dict) else None
    if not isinstance(faults, list):
        return document
    for i, fault in enumerate(faults):
        if isinstance(fault, dict) and "manifest" in fault:
            document = _expand(document, fault, ("spec", "faults", i))
    return document


def _expand(document: Document, entry: dict[str, Any], path: Path) -> Document:
    for key in entry:
        if key not in BESIDE:
            raise ScenarioError(f"unknown key '{key}' beside a manifest{nearest(key, BESIDE)}", (*path, key))
    if not isinstance(entry["manifest"], str):
        raise ScenarioError(f"expected a file name, got {entry['manifest']!r}", (*path, "manifest"))
    file = document.folder / File(entry["manifest"])
    if not file.is_file():
        raise ScenarioError(f"no such file: {file}", (*path, "manifest"))
    manifest = read(file)
    with located(manifest):
        fault, origin = _fault(manifest)
    places = {
        (*new, *p[len(old) :]): w for new, old in origin for p, w in manifest.positions.items() if p[: len(old)] == old
    }
    for key in ("name", "at", "duration"):
        if key in entry:
            fault[key] = entry[key]
            places = {p: w for p, w in places.items() if p[:1] != (key,)}
            below = (*path, key)
            places |= {p[len(path) :]: w for p, w in document.positions.items() if p[: len(below)] == below}
    faults = list(document.data["spec"]["faults"])
    faults[int(path[-1])] = fault
    data = {**document.data, "spec": {**document.data["spec"], "faults": faults}}
    return document.replaced(path, data, {(): manifest.positions[()], **places})


def _fault(manifest: Document) -> tuple[dict[str, Any], list[tuple[Path, Path]]]:
    """The fault in a manifest, and for each of its keys where in the manifest it comes from."""
    data = manifest.data
    if data.get("apiVersion") != "chaos-mesh.org/v1alpha1":
        raise ScenarioError(
            f"expected apiVersion chaos-mesh.org/v1alpha1, got {data.get('apiVersion')!r}", ("apiVersion",)
        )
    for key in data:
        if key not in _TOP:
            raise ScenarioError(f"unknown key '{key}'{nearest(key, _TOP)}", (key,))
    metadata, spec = data.get("metadata"), data.get("spec")
    if not isinstance(metadata, dict) or "name" not in metadata:
        raise ScenarioError("missing key 'name'", ("metadata",))
    if not isinstance(spec, dict) or not isinstance(data.get("kind"), str):
        raise ScenarioError("a manifest needs a kind and a spec", ())
    _check_supported(spec)
    fault = {"name": metadata["name"], "kind": data["kind"], **spec}
    origin: list[tuple[Path, Path]] = [(("name",), ("metadata", "name")), (("kind",), ("kind",))]
    origin += [((key,), ("spec", key)) for key in spec]
    if "duration" in spec:
        fault["duration"] = f"{_seconds(spec['duration'])!r}s"
    return fault, origin


def _check_supported(spec: dict[str, Any]) -> None:
    selector = spec.get("selector")
    for given, refused, path in ((spec, UNSUPPORTED, ()), (selector, UNSUPPORTED_SELECTORS, ("selector",))):
        for key in given if isinstance(given, dict) else ():
            if key in refused:
                raise ScenarioError(f"'{key}' is not supported: {refused[key]}", ("spec", *path, key))


def _seconds(text: Any) -> float:
    """Seconds of a Go duration such as ``1m30s`` (what Chaos Mesh writes)."""
    try:
        seconds = go_duration(text)
    except ValueError as error:
        raise ScenarioError(str(error), ("spec", "duration")) from None
    if seconds <= 0:
        raise ScenarioError(f"expected a duration above 0, got {text!r}", ("spec", "duration"))
    return seconds
