"""The JSON schema of scenario files, so that editors complete and check them.

A fault's fields follow from its kind and action; numbers and targets of faults and workload also admit the drawn forms.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from twin.faults.kinds import KINDS
from twin.scenario.draws import FIXED
from twin.scenario.manifests import BESIDE
from twin.scenario.schema import ResolvedScenario, StudyDocument, SuiteDocument

DRAWN = {
    "Uniform": {
        "type": "object",
        "description": "drawn evenly between two numbers, or two quantities of the same unit",
        "properties": {
            "uniform": {"type": "array", "items": {"type": ["number", "string"]}, "minItems": 2, "maxItems": 2}
        },
        "required": ["uniform"],
        "additionalProperties": False,
    },
    "Choice": {
        "type": "object",
        "description": "one of these, each as likely",
        "properties": {"choice": {"type": "array", "minItems": 1}},
        "required": ["choice"],
        "additionalProperties": False,
    },
}
"""The two forms of a randomised field."""

_DRAWABLE = (
    *(
        "Workload",
        "Arrivals",
        "Renewal",
        "ProfilePoint",
        "Diurnal",
        "ClientMix",
        "Concurrency",
        "Lengths",
        "LengthPart",
    ),
    *("LognormalLength", "SharedPrefix", "Conversations", "Retries", "Selector"),
)
"""Models every field of which may be drawn (the fields of faults are treated one by one)."""


def json_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a file with a Scenario, a Suite or a Study."""
    documents: list[type[BaseModel]] = [ResolvedScenario, SuiteDocument, StudyDocument]
    kinds: list[type[BaseModel]] = [k.parameters for actions in KINDS.values() for k in actions.values()]
    models: list[tuple[type[BaseModel], Literal["validation"]]]
    models = [(model, "validation") for model in (*documents, *dict.fromkeys(kinds))]
    references, schema = models_json_schema(models, by_alias=True)
    definitions: dict[str, Any] = schema["$defs"]
    drawable = {*_DRAWABLE, *_reachable(definitions, [references[k, "validation"]["$ref"] for k in kinds])}
    for name in drawable:
        _admit_draws(definitions[name])
    base = definitions.pop("Fault")
    definitions |= DRAWN
    definitions["Telemetry"] = {"anyOf": [{"enum": ["off", False]}, definitions["Telemetry"]]}
    definitions["Fault"] = {"anyOf": [_manifest(base), *_faults(base, definitions, references)]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "healtwin/v1",
        "oneOf": [references[document, "validation"] for document in documents],
        "$defs": definitions,
    }


def _faults(base: dict[str, Any], definitions: dict[str, Any], references: Any) -> list[dict[str, Any]]:
    """One object schema for each kind and action."""
    schemas = []
    for kind, actions in KINDS.items():
        for action, fault in actions.items():
            own = definitions[references[fault.parameters, "validation"]["$ref"].rpartition("/")[2]]
            said = {"kind": {"const": kind}} | ({"action": {"const": action}} if action else {})
            common = {name: field for name, field in base["properties"].items() if name != "action" or action}
            schema = {
                "title": f"{kind} {action}".strip(),
                "type": "object",
                "properties": {**common, **own.get("properties", {}), **said},
                "required": [*base["required"], *(("action",) if action else ()), *own.get("required", ())],
                "additionalProperties": False,
            }
            _admit_draws(schema)
            schemas.append(schema)
    return schemas


def _manifest(base: dict[str, Any]) -> dict[str, Any]:
    fields = {key: base["properties"].get(key, {"type": "string"}) for key in BESIDE}
    schema = {
        "title": "a Chaos Mesh manifest",
        "type": "object",
        "properties": fields,
        "required": ["manifest", "at"],
        "additionalProperties": False,
    }
    _admit_draws(schema)
    return schema


def _admit_draws(schema: dict[str, Any]) -> None:
    """Let every property of an object schema be a draw, and every item of a list in it."""
    drawn = [{"$ref": f"#/$defs/{name}"} for name in DRAWN]
    properties = schema.get("properties", {})
    for name, field in properties.items():
        if name not in FIXED and not (isinstance(field.get("anyOf"), list) and drawn[0] in field["anyOf"]):
            kept = {key: field[key] for key in ("description", "title", "default") if key in field}
            properties[name] = {**kept, "anyOf": [_with_drawn_items(field, drawn), *drawn]}


def _with_drawn_items(field: dict[str, Any], drawn: list[dict[str, str]]) -> dict[str, Any]:
    changed = dict(field)
    if isinstance(field.get("items"), dict):
        changed["items"] = {"anyOf": [field["items"], *drawn]}
    if isinstance(field.get("additionalProperties"), dict):
        inner = _with_drawn_items(field["additionalProperties"], drawn)
        changed["additionalProperties"] = {"anyOf": [inner, *drawn]}
    if "anyOf" in field:
        changed["anyOf"] = [_with_drawn_items(option, drawn) for option in field["anyOf"]]
    return changed


def _reachable(definitions: dict[str, Any], references: list[str]) -> set[str]:
    """The names of all definitions that the references lead to."""
    names: set[str] = set()
    waiting = [reference.rpartition("/")[2] for reference in references]
    while waiting:
        name = waiting.pop()
        if name not in names:
            names.add(name)
            waiting += _references(definitions[name])
    return names


def _references(schema: Any) -> list[str]:
    if isinstance(schema, dict):
        own = [schema["$ref"].rpartition("/")[2]] if isinstance(schema.get("$ref"), str) else []
        return own + [name for child in schema.values() for name in _references(child)]
    return [name for child in schema for name in _references(child)] if isinstance(schema, list) else []
