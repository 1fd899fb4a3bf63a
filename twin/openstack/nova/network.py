"""Nova's client of neutron: the ports of servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twin.openstack.nova import client_logs as logs
from twin.openstack.nova.exception import (
    NetworkNotFound,
    NoMoreFixedIps,
    PortBindingFailed,
    PortLimitExceeded,
    PortNotFound,
    SecurityGroupNotFound,
)
from twin.openstack.oslo.context import Context, on_behalf
from twin.openstack.oslo.exceptions import HttpError
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps
from twin.openstack.tables import Server

Port = dict[str, Any]
"""A port as neutron's API shows it."""
NetworkInfo = list[Port]
"""What nova keeps of a server's ports."""
TUNNELS = ("vxlan", "gre", "geneve")
NO_ADDRESS = "No more IP addresses available on network"
"""Neutron's IpAddressGenerationFailure."""


class NetworkAPI(Flow):
    """nova.network.neutron.API."""

    source = "nova.network.neutron"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.admin = on_behalf(self.world, "nova")
        """Who asks neutron for what a user may not see or set."""

    # --- before a build ---------------------------------------------------------------------------------------

    def validate_networks(self, context: Context, requested_networks: Sequence[str], num_instances: int) -> Steps:
        """How many servers the networks and the port quota allow. Raises NetworkNotFound, PortLimitExceeded."""
        self.say(logs.VALIDATING_NETWORKS, context, requested_networks)
        if not requested_networks:
            return num_instances
        nets = yield from self._get_available_networks(context, context.request.project, requested_networks)
        known = {net["id"] for net in nets}
        for network in requested_networks:
            if network not in known:
                raise NetworkNotFound(network_id=network)
        project = context.request.project
        quotas = yield from self._read(context, "quotas.show", f"quotas/{project}", project_id=project)
        if quotas["port"] == -1:
            return num_instances
        ports = yield from self._read(
            context, "ports.list", f"ports?tenant_id={project}&fields=id", project_id=project, fields="id"
        )
        free_ports = quotas["port"] - len(ports)
        if free_ports < 0:
            raise PortLimitExceeded()
        return min(num_instances, free_ports // len(requested_networks))

    def create_resource_requests(self, context: Context, requested_networks: Sequence[str]) -> Steps:
        """What the ports of new servers will want of their host: here nothing but the network's segment."""
        for network_id in requested_networks:
            yield from self._get_physnet_tunneled_info(context, network_id)

    def _get_physnet_tunneled_info(self, context: Context, net_id: str) -> Steps:
        """The physical network, and whether there is a tunnel: asked for the segments first, which are an extension."""
        admin = self.admin(context)
        uri = f"networks/{net_id}?fields=segments"
        yield from self._read(admin, "networks.show", uri, network_id=net_id, fields="segments")
        uri = f"networks/{net_id}?fields=provider%3Aphysical_network&fields=provider%3Anetwork_type"
        network = yield from self._read(admin, "networks.show", uri, network_id=net_id, fields="provider")
        return network["provider:physical_network"], network["provider:network_type"] in TUNNELS

    def _get_available_networks(self, context: Context, project_id: str, net_ids: Sequence[str] = ()) -> Steps:
        """The networks with these ids; without any the project's own, and those that everybody shares."""
        if net_ids:
            query = "&".join(f"id={network}" for network in net_ids)
            nets = yield from self._read(context, "networks.list", f"networks?{query}", id=list(net_ids))
            return nets
        uri = f"networks?tenant_id={project_id}&shared=False"
        nets = yield from self._read(context, "networks.list", uri, project_id=project_id)
        shared = yield from self._read(context, "networks.list", "networks?shared=True", shared=True)
        return nets + shared

    def _read(self, context: Context, operation: str, uri: str, **arguments: Any) -> Steps:
        """GET from neutron."""
        body = yield from self.service.clients.request(
            context, "neutron-server", operation, "GET", f"/v2.0/{uri}", **arguments
        )
        return body

    # --- ports of a server ------------------------------------------------------------------------------------

    def allocate_for_instance(
        self, context: Context, instance: Server, requested_networks: Sequence[str], bind_host_id: str | None = None
    ) -> Steps:
        """A port in every network, bound to the host; those that it made.

        Raises NetworkNotFound, PortBindingFailed, PortLimitExceeded, HttpError.
        """
        self.say(logs.ALLOCATING_PORTS, context, instance=instance.uuid)
        if not requested_networks:  # --nic none
            return []
        nets = yield from self._get_available_networks(context, instance.project, requested_networks)
        if not nets:
            raise NetworkNotFound(network_id=requested_networks[0])
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
        network_info = yield from self.get_instance_nw_info(context, instance, nets)
        return [vif for vif in network_info if vif["id"] in created]

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
            if error.status == 409 and str(error).startswith(NO_ADDRESS):
                self.say(logs.PORT_NO_MORE_IPS, context, network_id, error, instance=instance.uuid)
                raise NoMoreFixedIps(net=network_id) from error
            self.exception(logs.PORT_CREATE_FAILED, context, error, network_id, instance=instance.uuid)
            raise
        self.say(logs.PORT_CREATED, context, port["id"], instance=instance.uuid)
        return port

    def _update_port(self, context: Context, instance: Server, port_id: str, bind_host_id: str | None) -> Steps:
        port = yield from self.service.clients.request(
            self.admin(context),
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

    def heal_instance_info_cache(self, context: Context, instance: Server) -> Steps:
        """What the periodic task does for one server: see whether its ports are bound here, then read them again."""
        uri = f"ports?device_id={instance.uuid}&fields=binding%3Ahost_id&fields=binding%3Avif_type"
        yield from self._read(self.admin(context), "ports.list", uri, device_id=instance.uuid, fields="binding")
        network_info = yield from self.get_instance_nw_info(context, instance)
        return network_info

    def get_instance_nw_info(
        self, context: Context, instance: Server, networks: Sequence[dict[str, Any]] | None = None
    ) -> Steps:
        """The ports of a server as neutron has them now; nova's cache is brought up to date."""
        self.say(logs.BUILDING_CACHE, context, instance=instance.uuid)
        admin = self.admin(context)
        uri = f"ports?tenant_id={instance.project}&device_id={instance.uuid}"
        ports = yield from self._read(admin, "ports.list", uri, device_id=instance.uuid)
        if networks is None:
            net_ids = list(dict.fromkeys(port["network_id"] for port in ports))
            yield from self._get_available_networks(admin, instance.project, net_ids)
        for port in ports:
            yield from self._build_vif_model(admin, port)
        instance.ports = [port["id"] for port in ports]
        return ports

    def _build_vif_model(self, context: Context, port: Port) -> Steps:
        """One port's floating addresses, subnets and network, each asked for by itself."""
        yield from self._nw_info_get_ips(context, port)
        yield from self._get_subnets_from_port(context, port)
        yield from self._get_physnet_tunneled_info(context, port["network_id"])

    def _nw_info_get_ips(self, context: Context, port: Port) -> Steps:
        for fixed_ip in port["fixed_ips"]:
            address = fixed_ip["ip_address"]
            uri = f"floatingips?fixed_ip_address={address}&port_id={port['id']}"
            yield from self._read(context, "floatingips.list", uri, fixed_ip_address=address, port_id=port["id"])

    def _get_subnets_from_port(self, context: Context, port: Port) -> Steps:
        wanted = list(dict.fromkeys(fixed_ip["subnet_id"] for fixed_ip in port["fixed_ips"]))
        if not wanted:
            return
        query = "&".join(f"id={subnet}" for subnet in wanted)
        subnets = yield from self._read(context, "subnets.list", f"subnets?{query}", id=wanted)
        for subnet in subnets:  # its DHCP server's address is that of a port
            network_id = subnet["network_id"]
            uri = f"ports?network_id={network_id}&device_owner=network%3Adhcp"
            yield from self._read(context, "ports.list", uri, network_id=network_id, device_owner="network:dhcp")

    def get_instances_security_groups_bindings(self, context: Context, servers: Sequence[str]) -> Steps:
        """The security groups of servers, as the API shows them."""
        if not servers:
            return []
        query = "&".join(f"device_id={server}" for server in servers)
        ports = yield from self._read(context, "ports.list", f"ports?{query}", device_id=list(servers))
        groups = list(dict.fromkeys(group for port in ports for group in port["security_groups"]))
        if not groups:
            return []
        query = "&".join(f"id={group}" for group in groups)
        found = yield from self._read(
            context, "security_groups.list", f"security-groups?{query}&fields=id&fields=name", id=groups, fields="name"
        )
        return [group["name"] for group in found]

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
                self.admin(context),
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

    def deallocate_port_for_instance(self, context: Context, instance: Server, port_id: str) -> Steps:
        """Delete a port that nova made; those that are left."""
        yield from self._delete_port(context, instance, port_id)
        instance.own_ports = [own for own in instance.own_ports if own != port_id]
        network_info = yield from self.get_instance_nw_info(context, instance)
        return network_info

    # --- moves ------------------------------------------------------------------------------------------------

    def setup_networks_on_host(self, context: Context, instance: Server, host: str) -> Steps:
        """Bind a server's ports to another host. Raises PortNotFound, HttpError."""
        for port_id in instance.ports:
            try:
                yield from self.service.clients.request(
                    self.admin(context),
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
