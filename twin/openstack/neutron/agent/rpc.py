"""What all agents use to talk to the server: patience that grows, heartbeats, and a cache of the server's objects."""

from __future__ import annotations

from typing import Any

from twin.mechanics import neutron as facts
from twin.mechanics import openstack as common
from twin.openstack.neutron.agent import logs
from twin.openstack.neutron.exceptions import PortBindingNotFound
from twin.openstack.neutron.tables import Row
from twin.openstack.oslo.context import Context, aside
from twin.openstack.oslo.exceptions import MessagingTimeout, described
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import Steps

PLUGIN = "q-plugin"
"""Topic of the server."""


class BackingOffClient(Flow):
    """`BackingOffContextWrapper`: after a time-out the agent waits, and the next time longer."""

    source = "neutron_lib.rpc"

    def __init__(self, service: AmqpService) -> None:
        super().__init__(service)
        self.rpc = service
        self._timeouts: dict[str, float] = {}
        self._life = -1

    def call(self, context: Context, method: str, **kwargs: Any) -> Steps:
        """Call a procedure of the server. Raises what the server's raised, and MessagingTimeout."""
        if self._life != self.service.pid:
            self._life, self._timeouts = self.service.pid, {}
        timeout = self._timeouts.get(method, common.RPC_RESPONSE_TIMEOUT)
        try:
            return (yield from self.rpc.call(context, PLUGIN, method, timeout=timeout, **kwargs))
        except MessagingTimeout as error:
            yield from self._back_off(context, method, timeout, error)
            raise

    def _back_off(self, context: Context, method: str, timeout: float, error: MessagingTimeout) -> Steps:
        stream = self.world.streams["neutron/backoff"]
        wait = stream.between(0.0, common.RPC_RESPONSE_TIMEOUT, *aside(context, "back-off"))
        self.say(logs.RPC_TIMEOUT, context, method, round(wait), described(error))
        longer = min(2.0 * timeout, facts.RPC_MAX_TIMEOUT)
        if longer > timeout:
            self.say(logs.RPC_TIMEOUT_INCREASED, context, method, int(longer), described(error))
            self._timeouts[method] = longer
        yield self.clock.timeout(wait)


class PluginReportStateAPI(Flow):
    """Heartbeats."""

    source = "neutron.agent.rpc"

    def __init__(self, client: BackingOffClient) -> None:
        super().__init__(client.service)
        self.client = client

    def report_state(self, context: Context, agent_state: Row) -> Steps:
        """Send a heartbeat; whether the server had taken the agent for dead."""
        time = self.world.now + self.service.clock_offset
        return (yield from self.client.call(context, "report_state", agent_state=agent_state, time=time))


class RemoteResourceCache(Flow):
    """Objects of the server as far as they were pushed or pulled: here the ports of the agent's host."""

    source = "neutron.agent.resource_cache"

    def __init__(self, client: BackingOffClient, host: str) -> None:
        super().__init__(client.service)
        self.client = client
        self.host = host
        self.ports: dict[str, Row] = {}

    def get_resource_by_id(self, context: Context, rtype: str, obj_id: str) -> Steps:
        """An object, asked for where the cache lacks it; None where the server has none."""
        if obj_id not in self.ports:
            yield from self._flood_cache_for_query(context, rtype, {"id": [obj_id]})
        return self.ports.get(obj_id)

    def _flood_cache_for_query(self, context: Context, rtype: str, filter_kwargs: Row) -> Steps:
        resources = yield from self.client.call(context, "bulk_pull", resource_type=rtype, filter_kwargs=filter_kwargs)
        for resource in resources:
            self.record_resource_update(context, rtype, resource)

    def bulk_flood_cache(self, context: Context) -> Steps:
        """At the start: all that concerns this host."""
        yield from self._flood_cache_for_query(context, "Port", {"host": self.host})

    def record_resource_update(self, context: Context, rtype: str, resource: Row) -> None:
        """Take an object in, unless a later state of it is there."""
        existing = self.ports.get(resource["id"])
        if existing is None or existing["revision_number"] <= resource["revision_number"]:
            self.ports[resource["id"]] = resource

    def record_resource_delete(self, context: Context, rtype: str, resource_id: str) -> Row | None:
        """Forget an object; what it was."""
        return self.ports.pop(resource_id, None)


class CacheBackedPluginApi(Flow):
    """The server as the L2 agent sees it: details come from the cache, states go to the server."""

    source = "neutron.agent.rpc"

    def __init__(self, client: BackingOffClient, cache: RemoteResourceCache) -> None:
        super().__init__(client.service)
        self.client = client
        self.remote_resource_cache = cache

    def get_devices_details_list_and_failed_devices(
        self, context: Context, devices: list[str], agent_id: str, host: str
    ) -> Steps:
        """What is to be known of devices, and those of which nothing could be known."""
        result: Row = {"devices": [], "failed_devices": []}
        for device in devices:
            try:
                details = yield from self.get_device_details(context, device, agent_id, host)
                result["devices"].append(details)
            except Exception as error:
                self.unexpected(error)
                self.exception(logs.AGENT_DETAILS_FAILED, context, error, device)
                result["failed_devices"].append(device)
        return result

    def get_device_details(self, context: Context, device: str, agent_id: str, host: str) -> Steps:
        """A device; nothing but its name where it is unknown, or not bound here."""
        port = yield from self.remote_resource_cache.get_resource_by_id(context, "Port", device)
        if port is None:
            return {"device": device}
        if port["binding:vif_type"] in ("unbound", "binding_failed"):
            return {"device": device}
        if not port["binding:host_id"]:
            raise PortBindingNotFound(port_id=device)
        if port["device_owner"].startswith("compute:") and port["binding:host_id"] != host:
            return {"device": device, "no_active_binding": True}
        return {
            "device": device,
            "device_id": port["device_id"],
            "network_id": port["network_id"],
            "port_id": port["id"],
            "mac_address": port["mac_address"],
            "admin_state_up": port["admin_state_up"],
            "network_type": "vxlan",
            "segmentation_id": port["network_id"],
            "physical_network": None,
            "fixed_ips": port["fixed_ips"],
            "device_owner": port["device_owner"],
            "security_groups": port["security_groups"],
        }

    def tunnel_sync(self, context: Context, host: str) -> Steps:
        """Tell the server of this end of tunnels; all ends."""
        return (yield from self.client.call(context, "tunnel_sync", host=host))

    def update_device_list(
        self, context: Context, devices_up: list[str], devices_down: list[str], agent_id: str, host: str
    ) -> Steps:
        """Tell the server which devices are wired and which have gone; what it could not write."""
        return (
            yield from self.client.call(
                context,
                "update_device_list",
                devices_up=devices_up,
                devices_down=devices_down,
                agent_id=agent_id,
                host=host,
            )
        )
