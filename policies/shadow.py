"""Shadow mode: a bundle reads the telemetry of a cluster and says what it would do, without doing it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from llm.diagnosis import Diagnosis, Interpreter
from policies.bundle import BundleError, BundlePolicy
from policies.decision import LogProbs, probability
from policies.legality import legal_by_kind
from policies.perception import diagnosis_fields
from twin.actions import CATEGORIES, PARAMETERS
from twin.spaces import AGE_LIMIT, Layout, Observation
from twin.telemetry.features import FEATURES, KINDS
from twin.telemetry.folder import TelemetryFolder
from twin.telemetry.window import Topology, Window

WINDOW = 60.0
"""Seconds of telemetry that a decision sees, as in `twin.env`."""


def replay(
    policy: BundlePolicy,
    telemetry: TelemetryFolder,
    *,
    interpreter: Interpreter | None = None,
    interval: float | None = None,
    seed: int = 0,
) -> Iterator[dict[str, Any]]:
    """Decide at every point of the control grid; yields one JSON-ready dict a decision.

    Which actions are legal comes from the kinds of the components only, and nothing is ever in flight.
    Raises BundleError where the policy needs an interpreter and there is none.
    """
    diagnosed = "diagnosis_state" in policy.bundle.manifest["inputs"]
    if diagnosed and interpreter is None:
        raise BundleError(f"the policy in {policy.bundle.folder} reads a diagnosis: it needs the bundle's interpreter")
    layout = Layout(telemetry.topology)
    legal, busy = legal_by_kind(telemetry.topology), np.zeros(len(telemetry.topology.components), np.int8)
    policy.reset(seed)
    before: float | None = None
    for time in telemetry.decision_times(interval):
        window = telemetry.window(max(0.0, time - WINDOW), time)
        observation = layout.observe(window, time if before is None else before, legal, busy)
        before = time
        observation = _aligned(observation, policy.bundle.manifest)
        diagnosis = interpreter.interpret(window) if diagnosed and interpreter is not None else None
        if diagnosis is not None and interpreter is not None:
            fields = diagnosis_fields(diagnosis, window.topology, layout.size, interpreter.fault_types)
            observation = {**observation, **fields}
        yield _decision(policy, window, observation, diagnosis)


def _decision(
    policy: BundlePolicy, window: Window, observation: Observation, diagnosis: Diagnosis | None
) -> dict[str, Any]:
    action, log_probs, value = policy.decide(observation)
    category, target, parameter = (int(part) for part in action)
    acts = CATEGORIES[category] != "noop"
    result: dict[str, Any] = {
        "time": window.end,
        "category": CATEGORIES[category],
        "target": window.topology.components[target].name if acts else None,
        "parameter": PARAMETERS[parameter] if acts else None,
        "probability": round(probability(log_probs, action), 6),
        "value": round(value, 6),
        "categories": _categories(log_probs),
        "targets": _targets(log_probs, category, window.topology) if acts else {},
    }
    if diagnosis is not None:
        result["diagnosis"] = {
            "fault_type": max(diagnosis.fault_types, key=lambda name: diagnosis.fault_types[name]),
            "root_cause": max(diagnosis.root_causes, key=lambda name: diagnosis.root_causes[name], default=None),
            "unknown": round(float(diagnosis.unknown), 6),
        }
    return result


def _categories(log_probs: LogProbs) -> dict[str, float]:
    return {name: round(float(np.exp(log_probs.category[c])), 6) for c, name in enumerate(CATEGORIES)}


def _targets(log_probs: LogProbs, category: int, topology: Topology, most: int = 5) -> dict[str, float]:
    """The most probable targets of the category."""
    probabilities = np.exp(log_probs.target[category])
    best = [int(i) for i in np.argsort(-probabilities, kind="stable")[:most] if probabilities[i] > 0]
    return {topology.components[i].name: round(float(probabilities[i]), 6) for i in best}


def _aligned(observation: Observation, manifest: dict[str, Any]) -> Observation:
    """The observation with the bundle's own order of features and kinds; what it does not know is absent."""
    names = [feature["name"] for feature in manifest["features"]]
    kinds = list(manifest["kinds"])
    if names == list(FEATURES) and kinds == ["", *KINDS]:
        return observation
    size = observation["kind"].shape[0]
    features, present = np.zeros((size, len(names)), np.float32), np.zeros((size, len(names)), np.int8)
    age = np.full((size, len(names)), AGE_LIMIT, np.float32)
    for column, name in enumerate(names):
        if name in FEATURES:
            ours = FEATURES.index(name)
            features[:, column] = observation["features"][:, ours]
            present[:, column] = observation["present"][:, ours]
            age[:, column] = observation["age"][:, ours]
    number = np.array([kinds.index(kind) if kind in kinds else 0 for kind in ("", *KINDS)], np.int64)
    return {
        **observation,
        "features": features,
        "present": present,
        "age": age,
        "kind": number[observation["kind"]],
    }
