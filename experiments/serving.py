"""`simulate --serve`: a world paced against the wall clock, with its exporters on a port and its logs on stdout.

    /metrics                      what all exporters that answer show, with the labels `instance` and `job`
    /metrics/<component>          what one of them shows; 503 where it does not answer
    /probe?target=<component>     the same, as exporters for many targets have it
    /targets                      the exporters in the format of Prometheus' HTTP service discovery

Serving changes nothing in the run: the telemetry folder has the same bytes as without it.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import FrameType, TracebackType
from typing import Any, NamedTuple, TextIO
from urllib.parse import parse_qs, unquote, urlsplit

from experiments.errors import UserError
from experiments.simulate import Stopped
from twin.scenario.errors import nearest
from twin.telemetry.lines import render
from twin.telemetry.pages import CONTENT_TYPE, Pages
from twin.world import World

TICK_SIMULATED, TICK_WALL = 1.0, 0.25
"""After how many seconds of either clock the pace is kept and new log lines leave, at most."""
BEHIND = 1.0
"""Wall-clock seconds that the world may be behind before it is said."""
SAY_AGAIN = 10.0
"""Wall-clock seconds until it is said again."""

_HOST = re.compile(r"[\w.\-]+(:\d+)?|\[[0-9a-fA-F:]+\](:\d+)?")


def read_address(text: str) -> tuple[str, int]:
    """Host and port of `[HOST]:PORT` or `PORT`; no host is every address of the machine. Raises UserError."""
    host, _, port = text.rpartition(":")
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535 or (":" in host and not host.startswith("[")):
        raise UserError(f"--serve {text}: expected HOST:PORT or :PORT, such as :9400 or 127.0.0.1:9400")
    return host.strip("[]"), int(port)


def read_pace(text: str) -> float:
    """Simulated seconds per wall-clock second, of `10x` or `10`. Raises UserError."""
    try:
        pace = float(text.removesuffix("x"))
    except ValueError:
        pace = math.nan
    if not 0 < pace < math.inf:
        raise UserError(f"--pace {text}: expected simulated seconds per second above 0, such as 10x")
    return pace


class Answer(NamedTuple):
    """What is sent back for a path."""

    status: HTTPStatus
    type: str
    body: str


def answer(pages: Pages, target: str, host: str) -> Answer:
    """The answer to a request for a path with its query, sent to `host` (name and port)."""
    url = urlsplit(target)
    parts = url.path.strip("/").split("/", 1)
    match parts:
        case ["metrics"]:
            return Answer(HTTPStatus.OK, CONTENT_TYPE, pages.everything())
        case ["metrics", component]:
            return _page(pages, unquote(component))
        case ["probe"]:
            wanted = parse_qs(url.query).get("target", [])
            if len(wanted) != 1:
                return _error(HTTPStatus.BAD_REQUEST, "expected one parameter: /probe?target=COMPONENT")
            return _page(pages, wanted[0])
        case ["targets"]:
            return Answer(HTTPStatus.OK, "application/json", json.dumps(discovered(pages, host), indent=1) + "\n")
        case _:
            known = "/metrics, /metrics/COMPONENT, /probe?target=COMPONENT and /targets"
            return _error(HTTPStatus.OK if parts == [""] else HTTPStatus.NOT_FOUND, f"healtwin serves {known}")


def discovered(pages: Pages, host: str) -> list[dict[str, Any]]:
    """The exporters as Prometheus' http_sd_configs takes them: each a group, `instance` and `job` among its labels."""
    return [
        {
            "targets": [host],
            "labels": {
                "__metrics_path__": "/probe",
                "__param_target": target.instance,
                "instance": target.instance,
                "job": target.job,
            },
        }
        for target in pages.targets
    ]


def _page(pages: Pages, component: str) -> Answer:
    try:
        page = pages.page(component)
    except KeyError:
        return _error(HTTPStatus.NOT_FOUND, f"no exporter '{component}'{nearest(component, pages.components)}")
    if page is None:
        return _error(HTTPStatus.SERVICE_UNAVAILABLE, f"{component} does not answer")
    return Answer(HTTPStatus.OK, CONTENT_TYPE, page)


def _error(status: HTTPStatus, message: str) -> Answer:
    return Answer(status, "text/plain; charset=utf-8", f"{message}\n")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    pages: Pages

    def __init__(self, family: socket.AddressFamily, where: Any) -> None:
        self.address_family = family
        super().__init__(where, _Handler)

    def server_bind(self) -> None:
        """Take the port; the server's name, which nobody needs, is not looked up."""
        TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away or says nothing is no error."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10.0
    server_version, sys_version = "healtwin", ""

    def do_GET(self) -> None:
        """Answer with a page."""
        asked = self.headers.get("Host", "")
        here = self.connection.getsockname()
        host = asked if _HOST.fullmatch(asked) else _printed(here[0], here[1])
        status, kind, body = answer(self.server.pages, self.path, host)
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged: stdout and stderr have other uses."""


def _printed(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Serving:
    """Keeps worlds to the pace, serves their exporters, prints their logs. A context: the port is taken at its start.

    Up to the first scrape nothing can be shown: that time passes as fast as it can. SIGINT and SIGTERM end the run at
    its next tick.

    Raises UserError where the address cannot be listened on.
    """

    def __init__(self, address: str, pace: float, logs: TextIO, say: Callable[[str], None]) -> None:
        self._host, self._port = read_address(address)
        self._address = address
        self.pace = pace
        self._logs: TextIO | None = logs
        self._say = say
        self._stopped = threading.Event()
        self._printed = 0
        self._world: World | None = None
        self._thread: threading.Thread | None = None
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Serving:
        self._server = self._listen()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._interrupted)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._leave_signals()
        if self._world is not None:
            self._print_logs(self._world)
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it serves; by this machine's own name for itself where it serves on every address."""
        return f"http://{_printed(self._host or 'localhost', self._server.server_address[1])}"

    def attend(self, world: World) -> None:
        """Accompany a world that has not lived yet. Raises UserError where its exporters are not scraped."""
        if world.spec.telemetry.mode != "scraped":
            raise UserError(f"--serve needs scraped metrics, not spec.telemetry.mode: {world.spec.telemetry.mode}")
        self._world = world
        world.clock.at(world.spec.telemetry.scrape, lambda _: self._begin(world))

    def stop(self) -> None:
        """End the run at its next tick."""
        self._stopped.set()

    # --- keeping pace -----------------------------------------------------------------------------------------

    def _begin(self, world: World) -> None:
        """The first scrape is there."""
        self._server.pages = Pages(world)
        self._since, self._began = world.now, time.monotonic()
        self._said = -math.inf
        self._ticks = 0
        self._tick = min(TICK_SIMULATED, TICK_WALL * self.pace, world.spec.telemetry.scrape)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()
        self._say(f"serving {self.url}/metrics and {self.url}/targets at {self.pace:g}x")
        self._keep_pace(world)

    def _keep_pace(self, world: World) -> None:
        self._server.pages.show()
        self._print_logs(world)
        now = time.monotonic()
        behind = now - self._began - (world.now - self._since) / self.pace
        if behind < 0:
            self._stopped.wait(-behind)
        elif behind > BEHIND and now - self._said > SAY_AGAIN:
            self._said = now
            reached = (world.now - self._since) / (now - self._began)
            self._say(f"behind by {behind:.1f} s: this machine lives at {reached:.3g}x, not at {self.pace:g}x")
        if self._stopped.is_set():
            raise Stopped(world)
        self._ticks += 1
        world.clock.at(self._since + self._ticks * self._tick, lambda _: self._keep_pace(world))

    # --- logs -------------------------------------------------------------------------------------------------

    def _print_logs(self, world: World) -> None:
        """Print what has been logged since the last time, as the folder's logs.jsonl has it."""
        records = world.recorder.logs_since(self._printed)
        self._printed = world.recorder.logged
        if self._logs is None:
            return
        try:
            for record in records:
                self._logs.write(json.dumps(render(record, world.epoch, world.dialect)._asdict()) + "\n")
            self._logs.flush()
        except BrokenPipeError:
            # Python would try again at its end: what is left in the buffer goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._logs.fileno())
            self._logs = None
            self._say("nobody reads the logs on stdout any more; they still go to the folder")

    # --- the port and the signals -----------------------------------------------------------------------------

    def _listen(self) -> _Server:
        try:
            found = socket.getaddrinfo(self._host or None, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            # Of every address of the machine, those of IPv4: they are there on every machine.
            family, *_, where = min(found, key=lambda one: one[0] != socket.AF_INET)
            return _Server(family, where)
        except UnicodeError:  # what is no name of the Internet
            raise UserError(f"--serve {self._address}: '{self._host}' is no host") from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                why = f"port {self._port} is in use; name another, or 0 for one that is free"
            elif error.errno == errno.EACCES:
                why = f"port {self._port} is not for everybody; name one from 1024 on"
            else:
                why = f"cannot listen there: {error.strerror or error}; name an address of this machine, or none"
            raise UserError(f"--serve {self._address}: {why}") from None

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        self._leave_signals()  # the second one ends it at once
        self.stop()

    def _leave_signals(self) -> None:
        while self._handlers:
            signal.signal(*self._handlers.popitem())
