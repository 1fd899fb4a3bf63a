"""What clients do, row by row: a server's life, a tester's run. Each row is a call, a wait or a login."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twin.fast.errors import NotCompiledError
from twin.fast.openstack.flows import Visits, call, measured, stages
from twin.mechanics.tenants import CLI_STARTUP, DELETE_ATTEMPTS, DELETE_PATIENCE, POLL_WAITS
from twin.openstack.tenants.lifecycle import DEFAULT_LIFETIME, DEFAULT_PATIENCE
from twin.scenario.workload import Load, ServerClient

END, CALL, WAIT, LOGIN = range(4)
"""Kinds of rows."""
FIELDS: Final = (
    "kind",
    "visits",  # row of the table of visits, of a call
    "before",  # seconds before it: of a wait all that it takes, of a command its start
    "next",  # row after it
    "otherwise",  # row after it where it fails, or its check does
    "check",  # 1: what was begun must be done for it to go on
    "again",  # row to go back to until then
    "tries",  # how often at most
    "patience",  # seconds at most
    "job",  # the stage that it begins, a row of the table of visits; -1
    "stages",  # of that job
    "creates",  # 1: it is a server's creation, judged as such
    "deletes",  # 1: its deletion
    "strict",  # 1: an answer that is an error ends the run, or leads to `otherwise`
    "needs",  # 1: it fails where what was begun before is not done
    "spoils",  # 1: the run is not well once it leads to `otherwise`
    "touchy",  # 1: an answer of 500 and more spoils the run, whatever comes of it
)
"""Columns of the table of rows."""
COLUMN: Final = {name: i for i, name in enumerate(FIELDS)}
WITHOUT: Final = -1.0


@dataclass
class Tables:
    """Rows and visits of all loads of a scenario, as they are collected."""

    rows: list[list[float]] = field(default_factory=list)
    visits: list[Visits] = field(default_factory=list)
    spans: list[list[tuple[int, int]]] = field(default_factory=list)
    """Of each load: the first and the last row of each of its steps."""
    _known: dict[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.add(kind=END)

    def add(self, **columns: float) -> int:
        """A row; its number."""
        usual = {"job": WITHOUT, "tries": 1e9, "patience": 1e9}
        self.rows.append([float(columns.get(name, usual.get(name, 0.0))) for name in FIELDS])
        return len(self.rows) - 1

    def change(self, row: int, **columns: float) -> None:
        """Set columns of a row."""
        for name, value in columns.items():
            self.rows[row][COLUMN[name]] = float(value)

    def call(self, load: str, operation: str) -> int:
        """The row of the table of visits of a call."""
        key = (load, operation)
        if key not in self._known:
            self._known[key] = len(self.visits)
            self.visits.append(call(load, operation))
        return self._known[key]

    def job(self, found: Sequence[Visits]) -> dict[str, float]:
        """Columns of a row that begins a job."""
        if not found:
            return {}
        first = len(self.visits)
        self.visits += found
        return {"job": first, "stages": len(found)}


def script(tables: Tables, load: Load) -> int:
    """Append a load's rows; the number of the first. Raises NotCompiledError."""
    return _lifecycle(tables, load) if load.kind == "lifecycle" else _tester(tables, load.kind)


def _lifecycle(tables: Tables, load: Load) -> int:
    if load.client is not None and load.client != ServerClient():
        raise NotCompiledError("clients of a lifecycle with habits of their own")
    jobs = {name: stages(job) for name, job in measured()["scripts"]["lifecycle"].items()}

    def calls(operation: str) -> int:
        return tables.call("lifecycle", operation)

    lifetime = DEFAULT_LIFETIME if load.lifetime is None else load.lifetime
    token = tables.add(kind=CALL, visits=calls("keystone token"), strict=1, spoils=1, otherwise=0)
    created = tables.add(
        kind=CALL, visits=calls("nova-api servers.create"), strict=1, spoils=1, otherwise=0, creates=1,
        **tables.job(jobs["servers.create"]),
    )  # fmt: skip
    patience = load.client_timeout or DEFAULT_PATIENCE
    looks = tables.add(kind=CALL, visits=calls("nova-api servers.show"), check=1, patience=patience, spoils=1)
    lives = tables.add(kind=WAIT, before=lifetime)
    deleted = tables.add(
        kind=CALL, visits=calls("nova-api servers.delete"), strict=1, spoils=1, deletes=1, tries=DELETE_ATTEMPTS,
        **tables.job(jobs["servers.delete"]),
    )  # fmt: skip
    gone = tables.add(kind=CALL, visits=calls("nova-api servers.show"), check=1, patience=DELETE_PATIENCE)
    for row in (token, created, looks, deleted, gone):
        tables.change(row, touchy=1)
    tables.change(token, next=created)
    tables.change(created, next=looks)
    tables.change(looks, next=lives, otherwise=deleted, again=looks)
    tables.change(lives, next=deleted)
    tables.change(deleted, next=gone, otherwise=deleted)
    tables.change(gone, next=0, otherwise=deleted, again=gone)
    tables.spans.append([(row, row) for row in (token, created, looks, deleted, gone)])
    return token


def _tester(tables: Tables, load: str) -> int:
    steps = measured()["scripts"][load]
    first = len(tables.rows)
    spans: list[tuple[int, int]] = []
    for step in steps:
        operations = step["calls"]
        login = step["check"] and not operations
        began = len(tables.rows)
        spans.append((began, began + max(len(operations), 1) - 1))
        if login:
            tables.add(kind=LOGIN, check=1, next=began + 1, otherwise=began + 1, again=began, spoils=1,
                       tries=len(POLL_WAITS))  # fmt: skip
            continue
        for i, operation in enumerate(operations):
            row = len(tables.rows)
            last = i == len(operations) - 1
            columns: dict[str, float] = {
                "kind": CALL,
                "visits": tables.call(load, operation),
                "next": row + 1,
                "before": 0.0 if i else CLI_STARTUP,
            }
            if step["check"]:
                columns |= {"otherwise": row + 1, "again": began, "spoils": 1, "tries": len(POLL_WAITS), "check": last}
                if not last:  # a look that fails is not seen, and the next one follows
                    columns["next"] = row + 1
            else:
                columns |= {"strict": 1, "spoils": 1, "otherwise": 0, "needs": bool(last and step["job"])}
                if last:
                    columns |= tables.job(stages(step["job"]))
                    columns["creates"] = operation == "nova-api servers.create"
                    columns["deletes"] = "delete" in operation
            tables.add(**columns)
    tables.change(len(tables.rows) - 1, next=0)
    tables.spans.append(spans)
    return first


def table(tables: Tables, size: int) -> NDArray[np.float32]:
    """[R, F] the rows, padded."""
    found = np.zeros((size, len(FIELDS)), np.float32)
    found[: len(tables.rows)] = tables.rows
    return found
