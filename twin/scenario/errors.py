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


def _keys(model: type[BaseModel], location: Path) -> list[str]:
    """The YAML keys that the model at `location` below `model` takes; of a union whose member is not told, of all."""
    models = [model]
    for part in location:
        told = [m for m in models if part in _tags(m)]
        if told and len(models) > 1:
            models = told
            continue
        inner = [f.annotation for m in models for name, f in m.model_fields.items() if part == (f.alias or name)]
        if inner:
            models = [m for annotation in inner for m in _models(annotation)]
    return list(dict.fromkeys(f.alias or name for m in models for name, f in m.model_fields.items()))


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models inside an annotation such as ``Model | None`` or ``tuple[Model, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for argument in getattr(annotation, "__args__", ()) for m in _models(argument)]


def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    """What pydantic calls a member of a union by: its class, or the kinds that it has."""
    kind = model.model_fields.get("kind")
    return (model.__name__, *getattr(kind.annotation if kind else None, "__args__", ()))
