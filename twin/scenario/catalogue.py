"""The scenarios, suites and studies that ship with the package, by name."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from twin.scenario.errors import ScenarioError, nearest
from twin.scenario.source import read

KINDS = ("Scenario", "Suite", "Study")


def folder() -> Path:
    """The shipped `scenarios` folder: it lies beside the package `twin`, in a checkout and where it is installed.

    Asking for the package `scenarios` instead would mix in any folder of that name that is on the path.
    """
    return Path(str(resources.files("twin"))).parent / "scenarios"


def shipped(kind: str) -> dict[str, Path]:
    """The shipped files of a kind (Scenario, Suite or Study) by name. The name is the file's, without its ending."""
    elsewhere = {"Suite": "suites", "Study": "studies"}
    root = folder()
    if kind in elsewhere:
        files = (root / elsewhere[kind]).glob("*.yaml")
    else:
        files = (f for f in root.glob("*/*.yaml") if f.parent.name not in (*elsewhere.values(), "manifests", "alarms"))
    return {file.stem: file for file in sorted(files)}


def find(name_or_path: str | Path, kind: str, beside: Path | None = None) -> Path:
    """The file that a path or the name of a shipped one means; relative paths start at `beside`.

    Raises ScenarioError with the nearest name.
    """
    named = shipped(kind)
    if str(name_or_path) in named:
        return named[str(name_or_path)]
    path = (beside or Path()) / name_or_path
    if path.is_file():
        return path
    for other in KINDS:
        if str(name_or_path) in shipped(other):
            raise ScenarioError(f"'{name_or_path}' is a {other.lower()}, not a {kind.lower()}")
    if path.is_dir():
        raise ScenarioError(f"'{name_or_path}' is a folder, not a {kind.lower()}'s file")
    known = nearest(str(name_or_path).removesuffix(".yaml").rpartition("/")[2], named)
    raise ScenarioError(f"no file and no shipped {kind.lower()} '{name_or_path}'{known}")


def kind_of(name_or_path: str | Path) -> str:
    """The kind (Scenario, Suite or Study) of a file or of what ships under a name. Raises ScenarioError."""
    named = next((kind for kind in KINDS if str(name_or_path) in shipped(kind)), None)
    if named is not None:
        return named
    document = read(find(name_or_path, "Scenario"))
    kind = document.data.get("kind")
    if kind not in KINDS:
        raise document.locate(ScenarioError(f"expected kind: {', '.join(KINDS)}, got {kind!r}", ("kind",)))
    return str(kind)
