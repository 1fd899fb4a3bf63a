"""The JSON schema admits what loads, drawn forms included, and refuses misspellings."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from twin.faults.kinds import KINDS
from twin.scenario.catalogue import shipped
from twin.scenario.jsonschema import json_schema
from twin.scenario.source import read

SCHEMA = json_schema()
TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str | datetime),
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
}


def admits(schema: dict[str, Any], value: Any) -> bool:
    """Whether a JSON schema admits a value, for the keywords that ours uses."""
    if "$ref" in schema:
        return admits(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], value)
    checks = [
        "const" not in schema or value == schema["const"],
        "enum" not in schema or value in schema["enum"],
        "type" not in schema or any(TYPES[t](value) for t in _list(schema["type"])),
        "anyOf" not in schema or any(admits(option, value) for option in schema["anyOf"]),
        "oneOf" not in schema or sum(admits(option, value) for option in schema["oneOf"]) == 1,
    ]
    if isinstance(value, str) and "pattern" in schema:
        checks.append(re.search(schema["pattern"], value) is not None)
    if isinstance(value, dict):
        fields = schema.get("properties", {})
        others = schema.get("additionalProperties", True)
        checks.append(all(name in value for name in schema.get("required", ())))
        checks += [admits(fields[name], child) for name, child in value.items() if name in fields]
        rest = [child for name, child in value.items() if name not in fields]
        checks += [bool(others) if isinstance(others, bool) else admits(others, child) for child in rest]
    if isinstance(value, list):
        checks.append(schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)))
        checks += [admits(schema["items"], child) for child in value if isinstance(schema.get("items"), dict)]
    return all(checks)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


FILES = [file for kind in ("Scenario", "Suite", "Study") for file in shipped(kind).values()]
CAP = read(shipped("Scenario")["gpu-power-cap"]).data


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_shipped_file_is_admitted(file: Any) -> None:
    assert admits(SCHEMA, read(file).data)


@pytest.mark.parametrize(
    ("path", "value", "right"),
    [
        ("spec.horizon", "400s", True),
        ("spec.horizon", "400", False),
        ("spec.horizon", {"uniform": ["1s", "2s"]}, False),
        ("spec.horizn", "400s", False),
        ("spec.slo.success", 0.5, True),
        ("spec.slo.success", "50%", True),
        ("spec.slo.success", "50W", False),
        ("spec.workload.prompt", {"choice": [1, 2]}, True),
        ("spec.workload.prompt", {"choce": [1, 2]}, False),
        ("spec.workload.arrivals.poisson", {"uniform": ["1/s", "2/s"]}, True),
        ("spec.faults.0.powerLimit", "100W", True),
        ("spec.faults.0.powerLimit", "100s", False),
        ("spec.faults.0.powerLimt", "100W", False),
        ("spec.faults.0.at", {"uniform": ["1s"]}, False),
        ("spec.faults.0.kind", "GPUChoas", False),
        ("spec.faults.0.selector", {"components": {"choice": [["gpu-0"], ["gpu-1"]]}}, True),
        ("spec.faults.0.selector", {"pods": {"ray": [{"choice": ["a", "b"]}]}}, True),
        ("spec.faults.0", {"manifest": "x.yaml", "at": {"uniform": ["1s", "2s"]}}, True),
        ("spec.faults.0", {"manifest": "x.yaml"}, False),
    ],
)
def test_it_admits_what_is_right_and_only_that(path: str, value: Any, right: bool) -> None:
    changed = copy.deepcopy(CAP)
    *keys, last = [int(key) if key.isdecimal() else key for key in path.split(".")]
    place: Any = changed
    for key in keys:
        place = place[key]
    place[last] = value
    assert admits(SCHEMA, changed) == right


def test_every_kind_of_fault_is_in_it() -> None:
    titles = {option["title"] for option in SCHEMA["$defs"]["Fault"]["anyOf"]}
    assert titles == {f"{kind} {action}".strip() for kind in KINDS for action in KINDS[kind]} | {
        "a Chaos Mesh manifest"
    }


def test_it_is_json() -> None:
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("name", ["InferenceCluster", "EngineSettings", "Selector", "Objectives", "Control"])
def test_an_editor_can_say_what_each_key_is(name: str) -> None:
    properties = SCHEMA["$defs"][name]["properties"]
    assert not [key for key, schema in properties.items() if not schema.get("description")]
