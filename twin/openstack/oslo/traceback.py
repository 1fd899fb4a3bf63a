"""Stack traces: the frames that the real program would print, made from the Python traceback of the twin's own.

A frame of a flow becomes a frame of the real module and function; what the twin's machinery does stands for frames of
oslo.messaging, SQLAlchemy or keystoneauth (`twin.openstack.oslo.frames`). Line numbers of flows are made up, and
stable.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from types import CodeType, FrameType

from twin.openstack.oslo import frames
from twin.openstack.oslo.exceptions import DBError, MessagingTimeout, described
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.frames import PACKAGES, Frame

STANDS_FOR: dict[tuple[str, str], tuple[Frame, ...]] = {
    ("twin.openstack.oslo.clients", "request"): frames.HTTP_CALL,
    ("twin.openstack.oslo.service", "_reconnect_database"): (*frames.PING, *frames.STATEMENT),
    ("twin.openstack.cinder.flow_utils", "run"): frames.TASKFLOW,
    ("twin.openstack.cinder.flow_utils", "_execute_task"): frames.TASK,
}
"""The real frames behind a function of the twin's machinery, by module and name."""

REFUSED = "(2003, "
"""PyMySQL's error of a connection that could not be made."""
_DRIVER_ERROR = re.compile(r"\((pymysql\.err\.\w+)\) (.*)")
_BEFORE_CALL = re.compile(r"return |(?:[\w.\[\]]+(?:, [\w.\[\]]+)* = )+|for \w+ in |else |if (?:not )?")

CAUSED = "The above exception was the direct cause of the following exception:"
MEANWHILE = "During handling of the above exception, another exception occurred:"


def lines(error: BaseException, entry: tuple[Frame, ...] = ()) -> Iterator[str]:
    """The lines of an error's traceback, those of the error that it came from first."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if isinstance(error, DBError):
        yield from _of_driver(error)
    elif before is not None:
        yield from lines(before, entry)
        yield ""
        yield CAUSED if error.__cause__ is not None else MEANWHILE
        yield ""
    yield "Traceback (most recent call last):"
    for frame in (*entry, *_frames(error)):
        yield from _printed(frame)
    yield from described(error).split("\n")


def _of_driver(error: DBError) -> Iterator[str]:
    """What PyMySQL raised, and what it had met: oslo.db's error is made of it."""
    found = _DRIVER_ERROR.match(str(error))
    if found is None:
        return
    refused = found[2].startswith(REFUSED)
    if refused:
        yield from _part(frames.SOCKET, "ConnectionRefusedError: [Errno 111] ECONNREFUSED", MEANWHILE)
    yield from _part(frames.CONNECT if refused else frames.STATEMENT, f"{found[1]}: {found[2]}", CAUSED)


def _part(shown: tuple[Frame, ...], last: str, then: str) -> Iterator[str]:
    yield "Traceback (most recent call last):"
    for frame in shown:
        yield from _printed(frame)
    yield last
    yield ""
    yield then
    yield ""


@cache
def _printed(frame: Frame) -> tuple[str, ...]:
    """A frame as Python 3.11 prints it: what was evaluated is underlined where it is not the whole line."""
    head = f'  File "{PACKAGES}{frame.path}", line {frame.line}, in {frame.function}'
    statement = frame.statement
    before = _BEFORE_CALL.match(statement)
    if before is None:
        return (head, f"    {statement}")
    mark = " " * before.end() + "^" * len(statement[before.end() :].rstrip(":"))
    return (head, f"    {statement}", f"    {mark}")


def _frames(error: BaseException) -> Iterator[Frame]:
    """The frames that the program would have."""
    entry = error.__traceback__
    while entry is not None:
        code = entry.tb_frame.f_code
        flow = _flow(entry.tb_frame)
        if flow is not None:
            path = flow.source.replace(".", "/") + ".py"
            line = _line(path, code.co_name) + entry.tb_lineno - code.co_firstlineno
            yield Frame(path, code.co_name, _statement(code, entry.tb_lineno), line)
        else:
            yield from _behind(entry.tb_frame.f_globals.get("__name__", ""), code.co_name, error)
        entry = entry.tb_next


def _behind(module: str, function: str, error: BaseException) -> tuple[Frame, ...]:
    """The real frames behind a function of the twin's machinery; how they end depends on what went wrong."""
    if (module, function) == ("twin.openstack.oslo.service", "sql_once"):
        if REFUSED in str(error):
            return (*frames.TRANSACTION, *frames.QUERY, *frames.CONNECT)
        return (*frames.TRANSACTION, *frames.EXECUTE, *frames.STATEMENT)
    if (module, function) == ("twin.openstack.oslo.messaging", "call"):
        end = frames.RPC_TIMEOUT if isinstance(error, MessagingTimeout) else frames.RPC_ERROR
        return (*frames.RPC_CALL, *end)
    return STANDS_FOR.get((module, function), ())


def _flow(frame: FrameType) -> Flow | None:
    owner = frame.f_locals.get("self")
    return owner if isinstance(owner, Flow) else None


def _statement(code: CodeType, number: int) -> str:
    """The line of the program, without what it needs only here."""
    return linecache.getline(code.co_filename, number).strip().replace("yield from ", "").replace("yield ", "")


@cache
def _line(path: str, function: str) -> int:
    digest = blake2b(f"{path}:{function}".encode(), digest_size=2).digest()
    return 40 + int.from_bytes(digest, "big") % 2400
