"""What one experiment of the campaign showed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import twin
from twin.openstack.mutation.campaign import Point


@dataclass(frozen=True, slots=True)
class Record:
    """One experiment. Times in simulated seconds after the program came by the mutation first; None where it did not
    happen."""

    workload: str
    mutation: str
    activations: int
    api_error_after: float | None
    """When an API first answered the client with an error."""
    check_after: float | None
    """When one of the client's checks first found the wrong state."""
    error_after: float | None
    """When any service logged its first ERROR line."""
    errors: dict[str, int] = field(default_factory=dict)
    """Head lines of ERROR and above by kind of component; the lines of stack traces are not counted."""
    persists: bool = False
    """Whether the workload fails again once the program is right, on what the first round left behind."""
    missing: int = 0
    """RPC and REST events of the fault-free run that did not happen, by kind and outcome."""
    added: int = 0
    """Events that the fault-free run does not have."""
    broke: str = ""
    """The error that stopped the simulation: a bug of the twin."""
    seed: int = 0
    twin: str = ""
    """The twin that it was run on (`twin_digest`)."""

    @property
    def operator(self) -> str:
        """The kind of mutation."""
        return self.mutation.split("|")[1]

    @property
    def project(self) -> str:
        """Nova, neutron or cinder; a library (`neutron_lib`) is its project's."""
        return self.mutation.partition(".")[0].partition("_")[0]

    @property
    def point(self) -> Point:
        """What was run."""
        return Point(self.workload, self.mutation)

    @property
    def failed(self) -> bool:
        """Whether the client saw the failure, from the API or from its checks."""
        return self.api_error_after is not None or self.check_after is not None

    @property
    def silent(self) -> bool:
        """Whether no API ever told of the failure."""
        return self.api_error_after is None and self.check_after is not None

    def as_json(self) -> dict[str, Any]:
        """A JSON object, which `Record(**…)` reads back."""
        return asdict(self)


@cache
def twin_digest() -> str:
    """A digest of the twin's program: what was run on another one is no experiment on this one."""
    root = Path(twin.__file__).parent
    digest = sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def read(path: Path) -> list[Record]:
    """The records of a file of JSON lines; a last line that was cut off is left out. Raises UserError."""
    import json

    from experiments.errors import UserError

    if not path.exists():
        return []
    records = []
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, 1):
        if line and number < len(lines):  # what follows the last line break was cut off
            try:
                records.append(Record(**json.loads(line)))
            except (ValueError, TypeError) as error:
                raise UserError(f"{path}:{number}: not a record of a campaign ({error})") from None
    return records


def unfinished(points: Iterable[Point], records: Iterable[Record]) -> list[Point]:
    """The points of which there is no record yet."""
    done = {record.point for record in records}
    return [point for point in points if point not in done]
