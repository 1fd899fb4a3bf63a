"""Bodies of requests to neutron's API: what a client leaves out is filled in as the API's attribute maps do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twin.openstack.neutron.tables import Row


def network(project: str, name: str) -> Row:
    """POST /v2.0/networks."""
    return {"name": name, "project_id": project}


def subnet(project: str, network_id: str, cidr: str) -> Row:
    """POST /v2.0/subnets."""
    return {"network_id": network_id, "cidr": cidr, "project_id": project}


def port(
    project: str,
    network_id: str,
    device_id: str = "",
    device_owner: str = "",
    host_id: str = "",
    security_groups: Sequence[str] | None = None,
) -> Row:
    """POST /v2.0/ports."""
    return {
        "network_id": network_id,
        "device_id": device_id,
        "device_owner": device_owner,
        "binding:host_id": host_id,
        "security_groups": list(security_groups or ()),
        "project_id": project,
    }


def router(project: str, name: str, external_network_id: str | None = None) -> Row:
    """POST /v2.0/routers."""
    gateway = {"network_id": external_network_id} if external_network_id else None
    return {"name": name, "external_gateway_info": gateway, "project_id": project}


def floating_ip(project: str, external_network_id: str, port_id: str | None = None) -> Row:
    """POST /v2.0/floatingips."""
    return {"floating_network_id": external_network_id, "port_id": port_id, "project_id": project}


def security_group(project: str, name: str) -> Row:
    """POST /v2.0/security-groups."""
    return {"name": name, "project_id": project}


def security_group_rule(project: str, group_id: str, protocol: str, port: int) -> Row:
    """POST /v2.0/security-group-rules."""
    return {"security_group_id": group_id, "protocol": protocol, "port_range_min": port, "project_id": project}


RESOURCES: dict[str, tuple[str, Callable[..., Row]]] = {
    "networks": ("network", network),
    "subnets": ("subnet", subnet),
    "ports": ("port", port),
    "routers": ("router", router),
    "floatingips": ("floatingip", floating_ip),
    "security_groups": ("security_group", security_group),
    "security_group_rules": ("security_group_rule", security_group_rule),
}
"""Collections: the resource and the body of its creation."""

LENGTHS: dict[str, int] = {
    "network": 650,
    "subnet": 594,
    "port": 839,
    "router": 480,
    "floatingip": 500,
    "security_group": 1600,
    "security_group_rule": 400,
}
"""Bytes of a resource in a body (a recorded Zed control plane, as far as it has them)."""

SELECTED: dict[tuple[str, str], int] = {
    ("network", "segments"): 22,
    ("network", "provider"): 86,
    ("port", "id"): 46,
    ("port", "binding"): 59,
    ("security_group", "name"): 76,
}
"""The same where only some of its fields are asked for."""


def length(resource: str, fields: str = "") -> int:
    """Bytes of a resource in a body."""
    return SELECTED.get((resource, fields)) or LENGTHS.get(resource, 500)


ATTRIBUTES = {"host_id": "binding:host_id"}
"""Arguments that the API knows by another name."""


def changes(resource: str, arguments: dict[str, Any]) -> tuple[str, Row]:
    """The id and the attributes of a PUT. None is left out, except as the port of a floating IP."""
    id = arguments[f"{resource}_id"]
    data = {
        ATTRIBUTES.get(name, name): value
        for name, value in arguments.items()
        if name != f"{resource}_id" and (value is not None or resource == "floatingip")
    }
    return id, data
