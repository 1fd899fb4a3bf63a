"""Stack traces: the frames that the real program would print, made from the Python traceback of the twin's own.

A frame of a flow becomes a frame of the real module and function; what the twin's machinery does stands for frames of
oslo.messaging, SQLAlchemy or keystoneauth. Line numbers are made up, and stable.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from hashlib import blake2b
from types import CodeType, FrameType
from typing import NamedTuple

from twin.openstack.oslo.exceptions import described
from twin.openstack.oslo.flow import Flow

PACKAGES = "/usr/lib/python3/dist-packages/"


class Frame(NamedTuple):
    """One frame of a traceback as it is printed."""

    path: str
    function: str
    statement: str


WSGI_ENTRY: tuple[Frame, ...] = (
    Frame("webob/dec.py", "__call__", "resp = self.call_func(req, *args, **self.kwargs)"),
    Frame("webob/dec.py", "call_func", "return self.func(req, *args, **kwargs)"),
    Frame("keystonemiddleware/auth_token/__init__.py", "__call__", "response = req.get_response(self._app)"),
    Frame("webob/request.py", "send", "status, headers, app_iter = self.call_application("),
    Frame("webob/request.py", "call_application", "app_iter = application(self.environ, start_response)"),
    Frame("routes/middleware.py", "__call__", "response = self.app(environ, start_response)"),
)
"""Between the socket and an API's own code."""

RPC_ENTRY: tuple[Frame, ...] = (
    Frame("oslo_messaging/rpc/server.py", "_process_incoming", "res = self.dispatcher.dispatch(message)"),
    Frame("oslo_messaging/rpc/dispatcher.py", "dispatch", "return self._do_dispatch(endpoint, method, ctxt, args)"),
    Frame("oslo_messaging/rpc/dispatcher.py", "_do_dispatch", "result = func(ctxt, **new_args)"),
)
"""Between RabbitMQ and a procedure."""

PERIODIC_ENTRY: tuple[Frame, ...] = (
    Frame("oslo_service/periodic_task.py", "run_periodic_tasks", "task(self, context)"),
)

_RPC_CALL: tuple[Frame, ...] = (
    Frame("oslo_messaging/rpc/client.py", "call", "result = self.transport._send("),
    Frame("oslo_messaging/transport.py", "_send", "return self._driver.send(target, ctxt, message,"),
    Frame("oslo_messaging/_drivers/amqpdriver.py", "send", "return self._send(target, ctxt, message, wait_for_reply,"),
    Frame("oslo_messaging/_drivers/amqpdriver.py", "_send", "result = self._waiter.wait(msg_id, timeout,"),
)
_HTTP_CALL: tuple[Frame, ...] = (
    Frame("keystoneauth1/adapter.py", "request", "return self.session.request(url, method, **kwargs)"),
    Frame("keystoneauth1/session.py", "request", "raise exceptions.from_response(resp, method, url)"),
)
_SQL_CALL: tuple[Frame, ...] = (
    Frame("oslo_db/sqlalchemy/enginefacade.py", "wrapper", "with self._transaction_scope(context):"),
    Frame("sqlalchemy/orm/query.py", "all", "return self._iter().all()"),
    Frame("sqlalchemy/orm/session.py", "execute", "result = conn._execute_20(statement, params or {})"),
    Frame("sqlalchemy/engine/base.py", "_execute_context", "self._handle_dbapi_exception("),
    Frame("sqlalchemy/engine/default.py", "do_execute", "cursor.execute(statement, parameters)"),
    Frame("pymysql/cursors.py", "execute", "result = self._query(query)"),
    Frame("pymysql/connections.py", "query", "self._affected_rows = self._read_query_result(unbuffered=unbuffered)"),
    Frame("pymysql/connections.py", "_read_packet", "packet_header = self._read_bytes(4)"),
)
_TASKFLOW: tuple[Frame, ...] = (
    Frame("taskflow/engines/action_engine/engine.py", "run", "for _state in self.run_iter(timeout=timeout):"),
    Frame("taskflow/engines/action_engine/engine.py", "run_iter", "failure.Failure.reraise_if_any(er_failures)"),
    Frame("taskflow/types/failure.py", "reraise_if_any", "failures[0].reraise()"),
    Frame("taskflow/types/failure.py", "reraise", "six.reraise(*self._exc_info)"),
)
_TASK: tuple[Frame, ...] = (
    Frame("taskflow/engines/action_engine/executor.py", "_execute_task", "result = task.execute(**arguments)"),
)
STANDS_FOR: dict[tuple[str, str], tuple[Frame, ...]] = {
    ("twin.openstack.oslo.messaging", "call"): _RPC_CALL,
    ("twin.openstack.oslo.clients", "request"): _HTTP_CALL,
    ("twin.openstack.oslo.service", "sql"): _SQL_CALL,
    ("twin.openstack.cinder.flow_utils", "run"): _TASKFLOW,
    ("twin.openstack.cinder.flow_utils", "_execute_task"): _TASK,
}
"""The real frames behind a function of the twin's machinery, by module and name."""


def lines(error: BaseException, entry: tuple[Frame, ...] = ()) -> Iterator[str]:
    """The lines of an error's traceback, those of the error that it came from first."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from lines(before, entry)
        yield ""
        if error.__cause__ is not None:
            yield "The above exception was the direct cause of the following exception:"
        else:
            yield "During handling of the above exception, another exception occurred:"
        yield ""
    yield "Traceback (most recent call last):"
    for frame, number in (*((frame, 0) for frame in entry), *_frames(error)):
        yield f'  File "{PACKAGES}{frame.path}", line {_line(frame, number)}, in {frame.function}'
        yield f"    {frame.statement}"
    yield from described(error).split("\n")


def _frames(error: BaseException) -> Iterator[tuple[Frame, int]]:
    """The frames that the program would have; the number is the line within the function."""
    entry = error.__traceback__
    while entry is not None:
        code = entry.tb_frame.f_code
        flow = _flow(entry.tb_frame)
        if flow is not None:
            path = flow.source.replace(".", "/") + ".py"
            yield Frame(path, code.co_name, _statement(code, entry.tb_lineno)), entry.tb_lineno - code.co_firstlineno
        else:
            module = entry.tb_frame.f_globals.get("__name__", "")
            for frame in STANDS_FOR.get((module, code.co_name), ()):
                yield frame, 0
        entry = entry.tb_next


def _flow(frame: FrameType) -> Flow | None:
    owner = frame.f_locals.get("self")
    return owner if isinstance(owner, Flow) else None


def _statement(code: CodeType, number: int) -> str:
    """The line of the program, without what it needs only here."""
    return linecache.getline(code.co_filename, number).strip().replace("yield from ", "").replace("yield ", "")


def _line(frame: Frame, within: int) -> int:
    digest = blake2b(f"{frame.path}:{frame.function}".encode(), digest_size=2).digest()
    return 40 + int.from_bytes(digest, "big") % 2400 + within
