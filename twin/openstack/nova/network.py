"""Nova's client of neutron: the ports of servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twin.openstack.nova import client_logs as logs
from twin.openstack.nova.exception import (
    NetworkNotFound,
    PortBindingFailed,
    PortLimitExceeded,
    PortNotFound,
    SecurityGroupNotFound,
)
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import HttpError
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Steps
from twin.openstack.tables import Server

Port = dict[str, Any]
"""A port as neutron's API shows it."""
NetworkInfo = list[Port]
"""What nova keeps of a server's ports."""


class NetworkAPI(Flow):
    """nova.network.neutron.API."""

    source = "nova.network.neutron"

    # --- before a build ---------------------------------------------------------------------------------------

    def validate_networks(self, context: Context, requested_networks: Sequence[str], num_instances: int) -> Steps:
        """How many servers the networks and the port quota allow. Raises NetworkNotFound, PortLimitExceeded."""
        self.say(logs.VALIDATING_NETWORKS, context, requested_networks)
        if not requested_networks:
            return num_instances
        nets = yield from self._get_available_networks(context, requested_networks)
        known = {net["id"] for net in nets}
        for network in requested_networks:
            if network not in known:
                raise NetworkNotFound(network_id=network)
        return num_instances

    def _get_available_networks(self, context: Context, net_ids: Sequence[str] | None = None) -> Steps:
        query = "&".join(f"id={network}" for network in net_ids or ())
        nets = yield from self.service.clients.request(
            context, "neutron-server", "networks.list", "GET", f"/v2.0/networks?{query}", id=list(net_ids or ()) or None
        )
        return nets

    # --- ports of a server ------------------------------------------------------------------------------------

    def allocate_for_instance(
        self, context: Context, instance: Server, requested_networks: Sequence[str], bind_host_id: str | None = None
    ) -> Steps:
        """A port in every network, bound to the host. Raises PortBindingFailed, PortLimitExceeded, HttpError."""
        self.say(logs.ALLOCATING_PORTS, context, instance=instance.uuid)
        if not requested_networks:  # --nic none
            return []
        nets = yield from self._get_available_networks(context, requested_networks)
        if not nets:
            return []
        security_group_ids = yield from self._process_security_groups(context, instance, instance.security_groups)
        created: list[str] = []
        try:
            for net in nets:
                port = yield from self._create_port_minimal(context, instance, net["id"], security_group_ids)
                created.append(port["id"])
                port = yield from self._update_port(context, instance, port["id"], bind_host_id)
                self._ensure_no_port_binding_failure(port)
        except Exception as error:
            self.unexpected(error)
            for port_id in created:
                yield from self._delete_port(context, instance, port_id)
            raise
        instance.own_ports.extend(created)
        network_info = yield from self.get_instance_nw_info(context, instance)
        return network_info

    def _process_security_groups(self, context: Context, instance: Server, security_groups: Sequence[str]) -> Steps:
        """Ids of the groups that were asked for by name. Raises SecurityGroupNotFound."""
        if not security_groups:
            return []
        listed = yield from self.service.clients.request(
            context,
            "neutron-server",
            "security_groups.list",
            "GET",
            f"/v2.0/security-groups?fields=id&fields=name&tenant_id={instance.project}",
        )
        by_name = {group["name"]: group["id"] for group in listed}
        missing = [name for name in security_groups if name not in by_name]
        if missing:
            raise SecurityGroupNotFound(security_group_id=missing[0])
        return [by_name[name] for name in security_groups]

    def _create_port_minimal(
        self, context: Context, instance: Server, network_id: str, security_group_ids: Sequence[str] = ()
    ) -> Steps:
        try:
            port = yield from self.service.clients.request(
                context,
                "neutron-server",
                "ports.create",
                "POST",
                "/v2.0/ports",
                network_id=network_id,
                device_id=instance.uuid,
                security_groups=security_group_ids or None,
            )
        except HttpError as error:
            if error.status == 409 and "quota" in str(error).lower():
                self.exception(logs.PORT_QUOTA_EXCEEDED, context, error, instance.project, instance=instance.uuid)
                raise PortLimitExceeded() from error
            self.exception(logs.PORT_CREATE_FAILED, context, error, network_id, instance=instance.uuid)
            raise
        self.say(logs.PORT_CREATED, context, port["id"], instance=instance.uuid)
        return port

    def _update_port(self, context: Context, instance: Server, port_id: str, bind_host_id: str | None) -> Steps:
        port = yield from self.service.clients.request(
            context,
            "neutron-server",
            "ports.update",
            "PUT",
            f"/v2.0/ports/{port_id}",
            port_id=port_id,
            device_owner="compute:nova",
            host_id=bind_host_id,
        )
        self.say(logs.PORT_UPDATED, context, port["id"], instance=instance.uuid)
        return port

    def _ensure_no_port_binding_failure(self, port: Port) -> None:
        if port["binding:vif_type"] == "binding_failed":
            raise PortBindingFailed(port_id=port["id"])

    def get_instance_nw_info(self, context: Context, instance: Server) -> Steps:
        """The ports of a server as neutron has them now; nova's cache is brought up to date."""
        self.say(logs.BUILDING_CACHE, context, instance=instance.uuid)
        ports = yield from self.service.clients.request(
            context,
            "neutron-server",
            "ports.list",
            "GET",
            f"/v2.0/ports?tenant_id={instance.project}&device_id={instance.uuid}",
            device_id=instance.uuid,
        )
        instance.ports = [port["id"] for port in ports]
        return ports

    def deallocate_for_instance(self, context: Context, instance: Server) -> Steps:
        """Delete the ports that nova made, unbind the others. Raises HttpError."""
        self.say(logs.DEALLOCATING_PORTS, context, instance=instance.uuid)
        ports = yield from self.service.clients.request(
            context,
            "neutron-server",
            "ports.list",
            "GET",
            f"/v2.0/ports?device_id={instance.uuid}",
            device_id=instance.uuid,
        )
        own = set(instance.own_ports)
        for port in ports:
            if port["id"] in own:
                yield from self._delete_port(context, instance, port["id"])
            else:
                yield from self._unbind_port(context, port["id"])
        instance.ports = []
        instance.own_ports = []

    def _delete_port(self, context: Context, instance: Server, port_id: str) -> Steps:
        try:
            yield from self.service.clients.request(
                context, "neutron-server", "ports.delete", "DELETE", f"/v2.0/ports/{port_id}", port_id=port_id
            )
        except HttpError as error:
            if error.status == 404:
                self.exception(logs.PORT_NOT_THERE, context, error, port_id, instance=instance.uuid)
            else:
                self.exception(logs.PORT_DELETE_FAILED, context, error, port_id, instance=instance.uuid)
                raise

    def _unbind_port(self, context: Context, port_id: str) -> Steps:
        try:
            yield from self.service.clients.request(
                context,
                "neutron-server",
                "ports.update",
                "PUT",
                f"/v2.0/ports/{port_id}",
                port_id=port_id,
                device_id="",
                device_owner="",
                host_id="",
            )
        except HttpError as error:
            self.exception(logs.PORT_UNBIND_FAILED, context, error, port_id)

    def allocate_port_for_instance(self, context: Context, instance: Server, network_id: str) -> Steps:
        """One more port for a server that runs."""
        network_info = yield from self.allocate_for_instance(context, instance, [network_id], instance.host)
        return network_info

    # --- moves ------------------------------------------------------------------------------------------------

    def setup_networks_on_host(self, context: Context, instance: Server, host: str) -> Steps:
        """Bind a server's ports to another host. Raises PortNotFound, HttpError."""
        for port_id in instance.ports:
            try:
                yield from self.service.clients.request(
                    context,
                    "neutron-server",
                    "ports.update",
                    "PUT",
                    f"/v2.0/ports/{port_id}",
                    port_id=port_id,
                    host_id=host,
                )
            except HttpError as error:
                if error.status == 404:
                    raise PortNotFound(port_id=port_id) from error
                self.exception(logs.PORT_BINDING_UPDATE_FAILED, context, error, port_id, instance=instance.uuid)
                raise
