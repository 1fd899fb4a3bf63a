"""YAML read safely, with the place of every key.

Only plain data comes in: no tags that build objects, no keys twice, no anchors that explode. YAML 1.1's surprises are
left out: `off` and `12:30` stay text, `1e-3` is a number (as in YAML 1.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path as File
from typing import Any

import yaml

from twin.scenario.errors import Path, ScenarioError

LIMIT_BYTES = 1_000_000
"""Size of the largest file that is read."""
LIMIT_NODES = 50_000
"""Keys and values of a document with its anchors written out."""

_EXPONENT = re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")
_PLAIN = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "timestamp", "str")}


@dataclass(frozen=True)
class Document:
    """A YAML document as plain data, and where each key path of it was written (``file:line:column``)."""

    name: str
    data: dict[str, Any]
    positions: Mapping[Path, str]
    folder: File
    """Where relative file names in it start."""

    def known(self, path: Path) -> Path:
        """The part of `path` that the document has; names that pydantic puts between (of a union's member) are not."""
        found: Path = ()
        for part in path:
            if (*found, part) in self.positions:
                found = (*found, part)
        return found

    def where(self, path: Path) -> str:
        """The position of `path`, or of the nearest key around it."""
        return self.positions[self.known(path)]

    def locate(self, error: ScenarioError) -> ScenarioError:
        """The same error, with its position where it has none yet."""
        if not error.where:
            found = self.known(error.path)
            error.path, error.where = found, self.positions[found]
        return error

    def replaced(self, path: Path, data: dict[str, Any], positions: Mapping[Path, str]) -> Document:
        """The document with other data, and with other positions at and below `path` (theirs are relative to it)."""
        places = {p: where for p, where in self.positions.items() if p[: len(path)] != path}
        for depth in range(len(path)):
            places.setdefault(path[:depth], positions[()])
        places.update({(*path, *p): where for p, where in positions.items()})
        return replace(self, data=data, positions=places)


@contextmanager
def located(document: Document) -> Iterator[None]:
    """Give every ScenarioError that passes the position its path has in the document."""
    try:
        yield
    except ScenarioError as error:
        raise document.locate(error) from None


def read(file: File) -> Document:
    """The document in a file. Raises ScenarioError."""
    try:
        size = file.stat().st_size
        if size > LIMIT_BYTES:
            raise ScenarioError(f"the file has {size:,} bytes; at most {LIMIT_BYTES:,} are read", where=f"{file}:1:1")
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ScenarioError(f"not UTF-8 text (byte {error.start})", where=f"{file}:1:1") from None
    except OSError as error:
        raise ScenarioError(f"cannot read the file: {error.strerror or error}", where=str(file)) from None
    return parse(text, str(file), file.parent)


def parse(text: str, name: str = "<string>", folder: File = File()) -> Document:
    """The document in a text. Raises ScenarioError."""
    if len(text) > LIMIT_BYTES:
        raise ScenarioError(
            f"the text has {len(text):,} characters; at most {LIMIT_BYTES:,} are read", where=f"{name}:1:1"
        )
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            raise ScenarioError("the document is empty", where=f"{name}:1:1")
        _count(node, name)
        positions: dict[Path, str] = {(): _position(node, name)}
        data = _construct(node, (), positions, name)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else f"{name}:1:1"
        raise ScenarioError(f"not valid YAML: {error.problem or error.context}", where=where) from None
    except yaml.YAMLError as error:
        raise ScenarioError(f"not valid YAML: {str(error).splitlines()[0]}", where=f"{name}:1:1") from None
    except RecursionError:
        raise ScenarioError("nested too deeply", where=f"{name}:1:1") from None
    if not isinstance(data, dict):
        raise ScenarioError("expected a mapping with apiVersion, kind, metadata and spec", where=positions[()])
    return Document(name, data, positions, folder)


def value(text: str, where: str) -> tuple[Any, dict[Path, str]]:
    """The YAML value in a text, and its key paths, all at `where`. Raises ScenarioError."""
    try:
        document = parse(f"value: {text}" if text.strip() else "value: ''")
    except ScenarioError as error:
        raise ScenarioError(error.message, error.path, where) from None
    if set(document.data) != {"value"}:
        raise ScenarioError(f"expected one value, got {text!r}", where=where)
    return document.data["value"], {path[1:]: where for path in document.positions if path}


def _position(node: yaml.Node, name: str) -> str:
    return f"{name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _count(root: yaml.Node, name: str) -> None:
    """Refuse anchors that explode: count the nodes as if every alias were written out, each node visited once."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: yaml.Node) -> int:
        if id(node) in open_nodes:
            raise ScenarioError("an anchor contains itself", where=_position(node, name))
        if id(node) not in sizes:
            open_nodes.add(id(node))
            sizes[id(node)] = total = 1 + sum(size(child) for child in _children(node))
            open_nodes.remove(id(node))
            if total > LIMIT_NODES:
                raise ScenarioError(
                    f"more than {LIMIT_NODES:,} keys and values once its anchors are written out",
                    where=_position(node, name),
                )
        return sizes[id(node)]

    size(root)


def _construct(node: yaml.Node, path: Path, positions: dict[Path, str], name: str) -> Any:
    where = _position(node, name)
    if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key_where = _position(key_node, name)
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
                what = "merge keys (<<) are not read" if isinstance(key_node, yaml.ScalarNode) else "a key must be text"
                raise ScenarioError(what, path, key_where)
            key = key_node.value
            if key in data:
                raise ScenarioError(f"the key '{key}' is there twice", (*path, key), key_where)
            positions[(*path, key)] = key_where
            data[key] = _construct(value_node, (*path, key), positions, name)
        return data
    if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
        items = []
        for i, child in enumerate(node.value):
            positions[(*path, i)] = _position(child, name)
            items.append(_construct(child, (*path, i), positions, name))
        return items
    if isinstance(node, yaml.ScalarNode) and node.tag in _PLAIN:
        try:
            return _scalar(node)
        except (ValueError, OverflowError) as error:
            raise ScenarioError(f"not a {node.tag.rpartition(':')[2]}: {node.value!r} ({error})", path, where) from None
    tag = node.tag.replace("tag:yaml.org,2002:", "!!")
    raise ScenarioError(f"the tag {tag} is not read: a scenario is plain data", path, where)


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    kind = node.tag.rpartition(":")[2]
    plain = node.style is None
    if kind == "bool" and text.lower() not in ("true", "false"):
        return text
    if kind in ("int", "float") and ":" in text:
        return text
    if kind == "str" and plain and _EXPONENT.match(text):
        return float(text)
    # A scalar constructor looks at the node alone; the loader's stream stays empty.
    return yaml.SafeLoader("").construct_object(node)
