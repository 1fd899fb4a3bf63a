"""What can go wrong, as the services' own code raises and expects it.

Errors that are not of these are Python's own (TypeError, AttributeError …): in a healthy twin a bug of ours, after a
mutation what the mutated program would have raised.
"""

from __future__ import annotations

from typing import Any, ClassVar


class CloudError(Exception):
    """An error of a service. `module` is where the real class lives, `code` the HTTP status that it stands for.

    `text` is a format of named fields: ``InstanceNotFound(instance_id=uuid)``; a message may be given instead.
    """

    module: ClassVar[str] = "builtins"
    code: int = 500
    text: ClassVar[str] = ""

    def __init__(self, message: str = "", **fields: Any) -> None:
        super().__init__(message or self.text.format(**fields))
        self.fields = fields
        """What its text was made of."""
        self.remote = ""
        """The service in which it was raised, where it came back through an RPC."""

    @property
    def kind(self) -> str:
        """The qualified name of the real class, as tracebacks print it."""
        name = f"{self.module}.{type(self).__name__}"
        return f"{name}_Remote" if self.remote else name


def described(error: BaseException) -> str:
    """The last line of an error's traceback: kind and message."""
    kind = error.kind if isinstance(error, CloudError) else type(error).__name__
    message = str(error)
    return f"{kind}: {message}" if message else kind


_LEFT_OUT = (TypeError, ValueError, KeyError, AttributeError, ImportError)


def summary(error: BaseException) -> str:
    """What oslo.log appends to a warning or an error that is logged while an exception is handled.

    Empty for the kinds that it leaves out, for programs use them to probe their data.
    """
    return "" if type(error) in _LEFT_OUT else described(error).partition("\n")[0]


# --- oslo.db -----------------------------------------------------------------------------------------------------


class DBError(CloudError):
    """A statement failed."""

    module = "oslo_db.exception"


class DBConnectionError(DBError):
    """The server is gone, or does not take the connection."""

    def __init__(self, message: str = "") -> None:
        super().__init__(f"{message}\n(Background on this error at: https://sqlalche.me/e/14/e3q8)")


class DBDeadlock(DBError):
    """The transaction was rolled back: it conflicted with another one."""


class PoolTimeout(CloudError):
    """No connection of the pool came free in time (SQLAlchemy's TimeoutError)."""

    module = "sqlalchemy.exc"

    @property
    def kind(self) -> str:
        return "sqlalchemy.exc.TimeoutError"


# --- oslo.messaging ----------------------------------------------------------------------------------------------


class MessagingTimeout(CloudError):
    """No reply within the time allowed."""

    module = "oslo_messaging.exceptions"
    text = "Timed out waiting for a reply to message ID {id}"


class RemoteError(CloudError):
    """The called service answered with an exception that the caller's program does not know."""

    module = "oslo_messaging.rpc.client"
    text = "Remote error: {kind} {value}\n{trace}."


class UnsupportedVersion(CloudError):
    """The called service has no such method."""

    module = "oslo_messaging.rpc.dispatcher"
    text = "Endpoint does not support RPC version {version}. Attempted method: {method}"


# --- HTTP --------------------------------------------------------------------------------------------------------


class HttpError(CloudError):
    """Another service's API answered with an error, as its client library raises it."""

    def __init__(self, service: str, status: int, message: str = "") -> None:
        super().__init__(message or f"{REASONS.get(status, 'Error')} (HTTP {status})")
        self.service = service
        self.status = status
        self.code = status

    @property
    def kind(self) -> str:
        module, names = CLIENTS.get(self.service, CLIENTS[""])
        return f"{module}.{names.get(self.status, REASONS.get(self.status, 'InternalServerError'))}"


class ConnectFailure(HttpError):
    """No connection to another service's API: its name is not found, or nobody answers."""

    def __init__(self, service: str, uri: str, reason: str) -> None:
        super().__init__(service, 503, f"Unable to establish connection to {uri}: {reason}")

    @property
    def kind(self) -> str:
        return "keystoneauth1.exceptions.connection.ConnectFailure"


class SSLError(CloudError):
    """The other side's certificate was not accepted: there was no HTTP at all."""

    module = "keystoneauth1.exceptions.connection"


class HTTPFault(CloudError):
    """What an API's own code answers a client with (webob.exc): a status below 500 and an explanation."""

    module = "webob.exc"

    def __init__(self, status: int, explanation: str) -> None:
        super().__init__(explanation)
        self.code = status

    @property
    def kind(self) -> str:
        return f"webob.exc.HTTP{REASONS.get(self.code, 'Error')}"


REASONS: dict[int, str] = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    413: "RequestEntityTooLarge",
    500: "InternalServerError",
    502: "BadGateway",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}
"""HTTP reasons as exception classes are named after them."""

CLIENTS: dict[str, tuple[str, dict[int, str]]] = {
    "": ("keystoneauth1.exceptions.http", {}),
    "neutron-server": ("neutronclient.common.exceptions", {}),
    "cinder-api": ("cinderclient.exceptions", {500: "ClientException", 504: "ClientException"}),
    "glance-api": (
        "glanceclient.exc",
        {409: "HTTPConflict", 500: "HTTPInternalServerError", 504: "HTTPGatewayTimeout"},
    ),
    "nova-api": ("novaclient.exceptions", {500: "ClientException", 504: "ClientException"}),
}
"""By service: the module of its client library's exceptions, and names that are not the reason's."""
