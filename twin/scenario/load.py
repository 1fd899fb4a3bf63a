"""Scenarios: from a YAML file to something that a world can live through."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from twin.scenario import catalogue, draws, hardware
from twin.scenario.consistency import check, check_names
from twin.scenario.errors import ScenarioError
from twin.scenario.manifests import expand
from twin.scenario.overrides import override
from twin.scenario.schema import Metadata, ResolvedScenario
from twin.scenario.source import Document, located, parse, read

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Scenario:
    """A scenario as written: its randomised fields are drawn by `resolve`.

    Everything that can be said without building the cluster has been checked, at every end of its randomised fields.
    """

    document: Document

    @classmethod
    def load(cls, path: str | Path, overrides: Sequence[str] = ()) -> Scenario:
        """The scenario in a file, or the shipped one of that name. Raises ScenarioError."""
        return cls._checked(read(catalogue.find(path, "Scenario")), overrides)

    @classmethod
    def named(cls, name_or_path: str) -> Scenario:
        """`load` without overrides."""
        return cls.load(name_or_path)

    @classmethod
    def parse(cls, text: str, name: str = "<string>", overrides: Sequence[str] = ()) -> Scenario:
        """The scenario in a text. Raises ScenarioError."""
        return cls._checked(parse(text, name), overrides)

    @classmethod
    def _checked(cls, document: Document, overrides: Sequence[str]) -> Scenario:
        document = override(document, overrides)
        with located(document):
            expect_kind(document, "Scenario")
            document = expand(document)
        with located(document):
            check_names(document.data)
            scenario = cls(document)
            for resolved in scenario.extremes():
                check(resolved)
        return scenario

    @property
    def source(self) -> str:
        """The file it was read from, as it was given."""
        return self.document.name

    @cached_property
    def metadata(self) -> Metadata:
        """Name, title and labels."""
        return Metadata.model_validate(self.document.data["metadata"])

    @cached_property
    def digest(self) -> str:
        """sha256 of the scenario's content: comments, layout and the place of the file do not matter."""
        return sha256(self.document.data)

    @cached_property
    def draws(self) -> tuple[draws.Draw, ...]:
        """Its randomised fields."""
        return draws.find(self.document.data)

    def resolve(self, seed: int | None = None) -> ResolvedScenario:
        """The scenario with every randomised field drawn from the seed (default: `spec.seed`)."""
        data = self.document.data
        if seed is None:
            seed = int(data["spec"].get("seed", 0))
        filled = draws.drawn(data, self.draws, seed)
        return self._validated({**filled, "spec": {**filled["spec"], "seed": seed}})

    def extremes(self) -> Iterator[ResolvedScenario]:
        """The scenario at the ends of its randomised fields: all lowest, all highest, each choice."""
        for data in draws.extremes(self.document.data, self.draws):
            yield self._validated(data)

    def to_yaml(self) -> str:
        """The scenario as YAML, overrides and manifests written in, randomised fields left as they are."""
        return _yaml(self.document.data)

    def locate(self, error: ScenarioError) -> ScenarioError:
        """The same error, with file, line and column."""
        return self.document.locate(error)

    def _validated(self, data: dict[str, Any]) -> ResolvedScenario:
        return validated(ResolvedScenario, self._with_files(data))

    def _with_files(self, data: dict[str, Any]) -> dict[str, Any]:
        """A file named in a file lies relative to that file; one named by an override, to the current folder."""
        for block, key in _FILES:
            spec = data.get("spec")
            fields = spec.get(block) if isinstance(spec, dict) else None
            name = fields.get(key) if isinstance(fields, dict) else None
            if not isinstance(name, str):
                continue
            path = ("spec", block, key)
            overridden = self.document.where(path).startswith("--set ")
            file = self._file(key, name, (Path() if overridden else self.document.folder), path)
            data = {**data, "spec": {**data["spec"], block: {**data["spec"][block], key: file}}}
        return data

    def _file(self, key: str, name: str, folder: Path, path: tuple[str, ...]) -> str:
        """The absolute name of a file; the name itself where it is that of a GPU or model that ships."""
        if key in ("trace", "alarms"):
            file = (folder / name).resolve()
            if not file.is_file():
                raise ScenarioError(f"no such file: {file}", path)
            return str(file)
        kind: Literal["GPU", "Model"] = "GPU" if key == "gpu" else "Model"
        if name in hardware.shipped(kind):
            return name
        try:
            return str(hardware.find(kind, name, folder).resolve())
        except ScenarioError as error:
            raise ScenarioError(error.message, path) from None


_FILES = (
    ("workload", "trace"),
    ("background", "trace"),
    ("cluster", "gpu"),
    ("cluster", "model"),
    ("telemetry", "alarms"),
)
"""Fields of `spec` that may name a file."""


def to_yaml(resolved: ResolvedScenario) -> str:
    """A resolved scenario as YAML that loads to the same again."""
    return _yaml(resolved.model_dump(mode="json", by_alias=True, exclude_none=True))


def _yaml(data: Any) -> str:
    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120))


def expect_kind(document: Document, kind: str) -> None:
    """Raise ScenarioError for a document of another kind."""
    found = document.data.get("kind")
    if found != kind:
        raise ScenarioError(f"expected kind: {kind}, got {found!r}", ("kind",))


def validated(model: type[M], data: dict[str, Any]) -> M:
    """The model of some data. Raises ScenarioError, in words."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ScenarioError.from_validation(error, model) from None


def sha256(data: Any) -> str:
    """sha256 of plain data, as hexadecimal digits: the order of keys does not matter."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), default=lambda value: value.isoformat())
    return hashlib.sha256(text.encode()).hexdigest()
