"""Errors of a scenario file, with the place they come from."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError

Path = tuple[str | int, ...]


class ScenarioError(ValueError):
    """Something is wrong in a scenario.

    `path` names the key; `where` (``file:line:column``) is filled in by the loader. The command line prints it and
    exits with code 2.
    """

    def __init__(self, message: str, path: Path = (), where: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.where = where

    def __str__(self) -> str:
        key = ".".join(str(part) for part in self.path)
        return ": ".join(part for part in (self.where, key, self.message) if part)

    @classmethod
    def from_validation(
        cls, error: ValidationError, model: type[BaseModel], path: Path = (), also: Iterable[str] = ()
    ) -> ScenarioError:
        """The first problem of a pydantic error, in words, with the nearest valid key for an unknown one.

        `also` names keys that are valid beside those of the model at `path`.
        """
        errors = error.errors(include_url=False)
        # An unknown key comes first: a misspelt required key is reported as missing too.
        first = min(errors, key=lambda e: e["type"] != "extra_forbidden")
        # Of a union, the member that was understood furthest.
        first = next(
            (e for e in errors if len(e["loc"]) > len(first["loc"]) and _same_value(e["loc"], first["loc"])), first
        )
        location: Path = tuple(first["loc"])
        if first["type"] == "extra_forbidden":
            known = [*_keys(model, location[:-1]), *(also if len(location) == 1 else ())]
            message = f"unknown key '{location[-1]}'{nearest(str(location[-1]), known)}"
        elif first["type"] == "missing":
            message = f"missing key '{location[-1]}'{_misspelt(str(location[-1]), first['input'])}"
        else:
            alternatives = [
                e["msg"] for e in errors if len(e["loc"]) == len(first["loc"]) and _same_value(e["loc"], first["loc"])
            ]
            message = " or ".join(dict.fromkeys(m.removeprefix("Value error, ") for m in alternatives))
        return cls(message, (*path, *location))


def nearest(word: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)``, or the list of what there is where nothing is near.

    Names that hold the word come first, up to three of them: whoever writes a100 means one of the a100s.
    """
    names = [name for name in known if name]
    holding = [name for name in names if len(word) > 1 and word.lower() in name.lower()]
    close = holding[:3] or difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if close:
        return f" (did you mean {' or '.join(map(repr, close))}?)"
    more = f" and {len(names) - 24} more" if len(names) > 24 else ""
    return f" (known: {', '.join(names[:24])}{more})" if names else ""


def _misspelt(missing: str, given: Any) -> str:
    close = difflib.get_close_matches(missing, map(str, given) if isinstance(given, dict) else (), n=1, cutoff=0.6)
    return f" (is '{close[0]}' meant?)" if close else ""


def _same_value(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether two locations read one value: pydantic adds the member of the union, such as ``tuple[int, ...]``."""
    depth = min(len(one), len(other)) - 1
    return one == other or (depth >= 0 and one[:depth] == other[:depth] and "[" in f"{one[depth]}{other[depth]}")


def _keys(model: Any, location: Path) -> list[str]:
    """The YAML keys that the model at `location` below `model` takes."""
    for part in location:
        if isinstance(part, str) and hasattr(model, "model_fields"):
            by_alias = {f.alias or name: f.annotation for name, f in model.model_fields.items()}
            model = by_alias.get(part, model)
        model = _model_in(model, str(part))
    fields = getattr(model, "model_fields", {})
    return [f.alias or name for name, f in fields.items()]


def _model_in(annotation: Any, tag: str) -> Any:
    """The model inside an annotation such as ``Model | None`` or ``tuple[Model, ...]``; of a union, the tagged one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    models = [m for m in (_model_in(a, tag) for a in getattr(annotation, "__args__", ())) if m is not None]
    tagged = [
        m
        for m in models
        if "kind" in m.model_fields and tag in getattr(m.model_fields["kind"].annotation, "__args__", ())
    ]
    return (tagged or models or [None])[0]
