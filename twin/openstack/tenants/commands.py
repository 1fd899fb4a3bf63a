"""The `openstack` commands that the testers type, one method each, named as the command is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twin.mechanics.tenants import CIRROS_BYTES, UPLOAD_RATE
from twin.openstack.oslo.service import Steps
from twin.openstack.tenants.client import ApiError, RequestError
from twin.openstack.tenants.command_line import CommandLine

Names = Mapping[str, tuple[str, str]]
"""Argument of an operation -> kind and name of what has that id."""


class Commands(CommandLine):
    """The commands. Each returns the body of the answer to its call, and raises RequestError."""

    # --- images and key pairs ------------------------------------------------------------------------------------

    def image_create(self, name: str, size: float = CIRROS_BYTES) -> Steps:
        """Create an image and upload its file."""

        def body() -> Steps:
            yield self.world.clock.timeout(size / UPLOAD_RATE)
            return (
                yield from self.session.ask("glance-api", "images.create", "POST", "/v2/images", name=name, size=size)
            )

        return self.run("image create", body)

    def image_delete(self, name: str) -> Steps:
        """Delete an image."""
        return self.act(
            "image delete", "glance-api", "images.delete", "DELETE /v2/images/{image_id}", {"image_id": ("image", name)}
        )

    def keypair_create(self, name: str) -> Steps:
        """Register a public key."""
        return self.act("keypair create", "nova-api", "keypairs.create", "POST /v2.1/os-keypairs", name=name)

    def keypair_delete(self, name: str) -> Steps:
        """Forget a public key."""
        return self.act("keypair delete", "nova-api", "keypairs.delete", f"DELETE /v2.1/os-keypairs/{name}", name=name)

    # --- networks ------------------------------------------------------------------------------------------------

    def security_group_create(self, name: str) -> Steps:
        """Create a security group, which lets nothing in."""
        return self._neutron("security group create", "security_groups.create", "POST /v2.0/security-groups", name=name)

    def rule_create(self, group: str, protocol: str, port: int) -> Steps:
        """Let a protocol's port in."""
        return self._neutron(
            "security group rule create",
            "security_group_rules.create",
            "POST /v2.0/security-group-rules",
            {"group_id": ("security group", group)},
            protocol=protocol,
            port=port,
        )

    def security_group_delete(self, name: str) -> Steps:
        """Delete a security group with its rules."""
        return self._neutron(
            "security group delete",
            "security_groups.delete",
            "DELETE /v2.0/security-groups/{group_id}",
            {"group_id": ("security group", name)},
        )

    def network_create(self, name: str) -> Steps:
        """Create a network."""
        return self._neutron("network create", "networks.create", "POST /v2.0/networks", name=name)

    def network_delete(self, name: str) -> Steps:
        """Delete a network with its subnets."""
        return self._neutron(
            "network delete",
            "networks.delete",
            "DELETE /v2.0/networks/{network_id}",
            {"network_id": ("network", name)},
        )

    def subnet_create(self, network: str, cidr: str) -> Steps:
        """Create a subnet of a network."""
        return self._neutron(
            "subnet create",
            "subnets.create",
            "POST /v2.0/subnets",
            {"network_id": ("network", network)},
            cidr=cidr,
        )

    def router_create(self, name: str, external: str) -> Steps:
        """Create a router with a gateway into an external network."""
        return self._neutron(
            "router create",
            "routers.create",
            "POST /v2.0/routers",
            {"external_network_id": ("network", external)},
            name=name,
        )

    def router_add_subnet(self, router: str, subnet: str) -> Steps:
        """Give a router an interface in a subnet."""
        return self._neutron(
            "router add subnet",
            "routers.add_interface",
            "PUT /v2.0/routers/{router_id}/add_router_interface",
            {"router_id": ("router", router)},
            subnet_id=subnet,
        )

    def router_remove_subnet(self, router: str, subnet: str) -> Steps:
        """Take a router's interface out of a subnet."""
        return self._neutron(
            "router remove subnet",
            "routers.remove_interface",
            "PUT /v2.0/routers/{router_id}/remove_router_interface",
            {"router_id": ("router", router)},
            subnet_id=subnet,
        )

    def router_delete(self, name: str) -> Steps:
        """Delete a router without interfaces."""
        return self._neutron(
            "router delete", "routers.delete", "DELETE /v2.0/routers/{router_id}", {"router_id": ("router", name)}
        )

    def port_create(self, network: str) -> Steps:
        """Create a port."""
        return self._neutron("port create", "ports.create", "POST /v2.0/ports", {"network_id": ("network", network)})

    def port_delete(self, port: str) -> Steps:
        """Delete a port by its id."""
        return self._neutron("port delete", "ports.delete", f"DELETE /v2.0/ports/{port}", port_id=port)

    def ports_of(self, kind: str, name: str) -> Steps:
        """List the ports of a router or of a network."""
        argument = "device_id" if kind == "router" else "network_id"
        return self._neutron(
            "port list", "ports.list", f"GET /v2.0/ports?{argument}={{{argument}}}", {argument: (kind, name)}
        )

    def floating_ip_create(self, external: str) -> Steps:
        """Take an address of an external network."""
        return self._neutron(
            "floating ip create",
            "floatingips.create",
            "POST /v2.0/floatingips",
            {"external_network_id": ("network", external)},
        )

    def floating_ip_delete(self, id: str) -> Steps:
        """Give an address back."""
        return self._neutron(
            "floating ip delete", "floatingips.delete", f"DELETE /v2.0/floatingips/{id}", floatingip_id=id
        )

    def server_add_floating_ip(self, server: str, floating_ip: str) -> Steps:
        """Point an address at the first port of a server."""

        def body() -> Steps:
            server_id = yield from self.find("server", server)
            ports = yield from self.session.ask(
                "neutron-server", "ports.list", "GET", f"/v2.0/ports?device_id={server_id}", device_id=server_id
            )
            if not list(ports):
                message = "No attached ports found to associate floating IP with"
                raise RequestError(ApiError("state", "neutron-server", "ports.list", 404, message, self.world.now))
            uri = f"/v2.0/floatingips/{floating_ip}"
            return (
                yield from self.session.ask(
                    "neutron-server",
                    "floatingips.update",
                    "PUT",
                    uri,
                    floatingip_id=floating_ip,
                    port_id=ports[0]["id"],
                )
            )

        return self.run("server add floating ip", body)

    def _neutron(
        self,
        command: str,
        operation: str,
        request: str,
        names: Mapping[str, tuple[str, str]] | None = None,
        **more: Any,
    ) -> Steps:
        return self.act(command, "neutron-server", operation, request, names, **more)

    # --- servers -------------------------------------------------------------------------------------------------

    def server_create(self, name: str, flavor: str, **what: Any) -> Steps:
        """Create a server; `what` holds image, networks, volume, key_name, security_groups: names, except networks."""

        def body() -> Steps:
            session = self.session
            arguments: dict[str, Any] = {"name": name, "flavor": flavor}
            yield from session.ask("nova-api", "flavors.list", "GET", "/v2.1/flavors")
            for argument in ("image", "volume"):
                if argument in what:
                    arguments[argument] = yield from self.find(argument, what[argument])
            if "networks" in what:
                ids = []
                for network in what["networks"]:
                    ids.append((yield from self.find("network", network)))
                arguments["networks"] = tuple(ids)
            arguments |= {key: value for key, value in what.items() if key not in ("image", "volume", "networks")}
            return (yield from session.ask("nova-api", "servers.create", "POST", "/v2.1/servers", **arguments))

        return self.run("server create", body)

    def server_delete(self, name: str) -> Steps:
        """Delete a server."""
        return self._server("server delete", name, "servers.delete", "DELETE /v2.1/servers/{server_id}")

    def server_action(self, name: str, action: str, **parameters: Any) -> Steps:
        """Reboot, rebuild, stop … a server."""
        request = "POST /v2.1/servers/{server_id}/action"
        return self._server(f"server {action}", name, "servers.action", request, action=action, **parameters)

    def server_rebuild(self, name: str, image: str) -> Steps:
        """Make a server anew from an image."""

        def body() -> Steps:
            server_id = yield from self.find("server", name)
            image_id = yield from self.find("image", image)
            uri = f"/v2.1/servers/{server_id}/action"
            return (
                yield from self.session.ask(
                    "nova-api", "servers.action", "POST", uri, server_id=server_id, action="rebuild", image=image_id
                )
            )

        return self.run("server rebuild", body)

    def server_add_volume(self, server: str, volume: str) -> Steps:
        """Attach a volume to a server."""
        return self.act(
            "server add volume",
            "nova-api",
            "volume_attachments.create",
            "POST /v2.1/servers/{server_id}/os-volume_attachments",
            {"server_id": ("server", server), "volume_id": ("volume", volume)},
        )

    def server_remove_volume(self, server: str, volume: str) -> Steps:
        """Detach a volume from a server."""
        return self.act(
            "server remove volume",
            "nova-api",
            "volume_attachments.delete",
            "DELETE /v2.1/servers/{server_id}/os-volume_attachments/{volume_id}",
            {"server_id": ("server", server), "volume_id": ("volume", volume)},
        )

    def server_add_network(self, server: str, network: str) -> Steps:
        """Give a server an interface in one more network."""
        return self.act(
            "server add network",
            "nova-api",
            "interfaces.create",
            "POST /v2.1/servers/{server_id}/os-interface",
            {"server_id": ("server", server), "network_id": ("network", network)},
        )

    def _server(self, command: str, name: str, operation: str, request: str, **arguments: Any) -> Steps:
        return self.act(command, "nova-api", operation, request, {"server_id": ("server", name)}, **arguments)

    # --- volumes -------------------------------------------------------------------------------------------------

    def volume_create(self, name: str, size: int, image: str | None = None, snapshot: str | None = None) -> Steps:
        """Create a volume of `size` GB: empty, or with what an image or a snapshot has."""
        names = {}
        if image is not None:
            names["image_id"] = ("image", image)
        if snapshot is not None:
            names["snapshot_id"] = ("snapshot", snapshot)
        return self.act(
            "volume create", "cinder-api", "volumes.create", "POST /v3/volumes", names, name=name, size=size
        )

    def volume_extend(self, name: str, size: int) -> Steps:
        """Make a volume larger."""
        return self._volume("volume set", name, "volumes.extend", "POST /v3/volumes/{volume_id}/action", size=size)

    def volume_delete(self, name: str) -> Steps:
        """Delete a volume."""
        return self._volume("volume delete", name, "volumes.delete", "DELETE /v3/volumes/{volume_id}")

    def snapshot_create(self, volume: str, name: str) -> Steps:
        """Take a snapshot of a volume."""
        return self._volume("volume snapshot create", volume, "snapshots.create", "POST /v3/snapshots", name=name)

    def snapshot_delete(self, snapshot: str) -> Steps:
        """Delete a snapshot by its id."""
        return self.act(
            "volume snapshot delete",
            "cinder-api",
            "snapshots.delete",
            f"DELETE /v3/snapshots/{snapshot}",
            snapshot_id=snapshot,
        )

    def _volume(self, command: str, volume: str, operation: str, request: str, **arguments: Any) -> Steps:
        return self.act(command, "cinder-api", operation, request, {"volume_id": ("volume", volume)}, **arguments)
