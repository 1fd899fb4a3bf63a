"""The microversion of placement's API that nova's client asks for, request by request.

Source: nova 26.2, scheduler/client/report.py, and a recorded control plane.
"""

from __future__ import annotations

DEFAULT = "1.0"

_OF_PROVIDER = {"traits": "1.6", "aggregates": "1.19"}


def asked(method: str, uri: str) -> str:
    """The microversion of a request: ``asked("PUT", "/allocations/UUID")`` is "1.36"."""
    resource, _, rest = uri.partition("?")[0].removeprefix("/").partition("/")
    if resource == "allocation_candidates":
        return "1.36"
    if resource == "allocations":
        return {"GET": "1.28", "DELETE": DEFAULT}.get(method, "1.36")
    if resource == "usages":
        return "1.9"
    if resource == "resource_providers":
        if not rest:
            return "1.14" if method == "GET" else "1.20"
        part = rest.rpartition("/")[2]
        return "1.26" if (method, part) == ("PUT", "inventories") else _OF_PROVIDER.get(part, DEFAULT)
    return DEFAULT
