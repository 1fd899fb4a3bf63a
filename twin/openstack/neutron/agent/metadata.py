"""The metadata agent: finds out which server asks, and hands the request on to nova."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.mechanics import neutron as facts
from twin.node import Node
from twin.openstack.neutron.agent import logs
from twin.openstack.neutron.agent.rpc import BackingOffClient, PluginReportStateAPI
from twin.openstack.neutron.agent.service import NeutronAgent
from twin.openstack.neutron.tables import Row
from twin.openstack.nova import logs as nova_logs
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import HttpError
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Steps
from twin.openstack.site import Site

if TYPE_CHECKING:
    from twin.openstack.infrastructure.guests import GuestOS

METADATA = "Metadata agent"
PATHS = (
    ("/openstack", 200, 157),
    ("/openstack/2013-10-17", 200, 157),
    ("/openstack/2013-10-17/vendor_data.json", 200, 118),
    ("/openstack/2013-10-17/meta_data.json", 200, 264),
    ("/openstack/2013-10-17/user_data", 404, 176),
    ("/latest/meta-data/", 200, 302),
    ("/latest/meta-data/instance-id", 200, 127),
    ("/latest/meta-data/local-ipv4", 200, 127),
    ("/latest/meta-data/public-keys/0/openssh-key", 200, 557),
)
"""What a guest asks for when it boots, with status and bytes (Loghub's nova-api lines)."""


class MetadataPluginAPI(Flow):
    """The server as the metadata agent sees it."""

    source = "neutron.agent.metadata.agent"

    def __init__(self, client: BackingOffClient) -> None:
        super().__init__(client.service)
        self.client = client

    def get_port_for(self, context: Context, network_id: str, remote_address: str) -> Steps:
        """Ports of a network with an address."""
        filters = {"network_id": network_id, "ip_address": remote_address}
        return (yield from self.client.call(context, "get_ports", port_filters=filters))


class MetadataProxyHandler(Flow):
    """Answers what guests ask of 169.254.169.254."""

    source = "neutron.agent.metadata.agent"
    service: MetadataAgentService

    def __init__(self, service: MetadataAgentService) -> None:
        super().__init__(service)
        client = BackingOffClient(service)
        self.plugin_rpc = MetadataPluginAPI(client)
        self.state_rpc = PluginReportStateAPI(client)
        self.failed_report_state = False
        self.start_flag = True
        self._cache: dict[tuple[str, str], tuple[float, list[Row]]] = {}

    def _report_state(self, context: Context) -> Steps:
        try:
            yield from self.state_rpc.report_state(context, self.service.report(self.start_flag))
            self.start_flag = False
        except Exception as error:
            self.unexpected(error)
            self.failed_report_state = True
            self.exception(logs.METADATA_REPORT_FAILED, context, error)
            return
        if self.failed_report_state:
            self.failed_report_state = False
            self.say(logs.METADATA_REPORT_RECOVERED, context)

    def handle(self, context: Context, network_id: str, remote_address: str, path: str) -> Steps:
        """One request (`__call__`); its status."""
        try:
            instance_id, tenant_id = yield from self._get_instance_and_tenant_id(context, network_id, remote_address)
            if instance_id:
                return (yield from self._proxy_request(context, instance_id, tenant_id, path))
            return 404
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.METADATA_FAILED, context, error)
            return 500

    def _get_instance_and_tenant_id(self, context: Context, network_id: str, remote_address: str) -> Steps:
        ports = yield from self._get_ports(context, network_id, remote_address)
        return self._get_port(context, ports)

    def _get_ports(self, context: Context, network_id: str, remote_address: str) -> Steps:
        """Ports with the address; what the server said is kept for a moment (`cache_url`, default_ttl=5)."""
        known = self._cache.get((network_id, remote_address))
        if known is not None and known[0] >= self.world.now:
            return known[1]
        ports = yield from self.plugin_rpc.get_port_for(context, network_id, remote_address)
        self._cache = {key: entry for key, entry in self._cache.items() if entry[0] >= self.world.now}
        self._cache[network_id, remote_address] = (self.world.now + facts.METADATA_CACHE, ports)
        return ports

    def _get_port(self, context: Context, ports: list[Row]) -> tuple[str | None, str | None]:
        """The server and the project of the one port that has the address."""
        if len(ports) != 1:
            return None, None
        return ports[0]["device_id"], ports[0]["tenant_id"]

    def _proxy_request(self, context: Context, instance_id: str, tenant_id: str, path: str) -> Steps:
        """Ask nova's metadata API; the status of its answer."""
        yield from self.think(context, facts.METADATA_PROXY)
        if not self.service.nova_answers():
            raise HttpError("nova-api", 503)
        return next((status for known, status, _ in PATHS if known == path), 404)


class MetadataAgentService(NeutronAgent):
    """`neutron-metadata-agent`."""

    kind = "neutron-metadata-agent"
    program = "neutron-metadata-agent"
    agent_type = METADATA

    def __init__(self, site: Site, name: str, place: Node) -> None:
        super().__init__(site, name, place)
        self.agent: MetadataProxyHandler = MetadataProxyHandler(self)
        site.dataplane.metadata_backend = lambda: self.accepting
        site.dataplane.on_metadata = self._asked

    def on_running(self) -> None:
        self.agent.start_flag = self.world.now > 0
        self.agent.failed_report_state = False
        super().on_running()

    def nova_answers(self) -> bool:
        """Whether nova's metadata API takes requests."""
        return self.site.endpoint("nova-api").accepting

    def _asked(self, port: str) -> None:
        """A guest that has just got its address asks for all that it wants to know."""
        self.spawn(self._answer(port))

    def _answer(self, port_id: str) -> Steps:
        row = self.site.neutron.tables.ports.get(port_id)
        if row is None or not row.fixed_ips:
            return
        address, network_id, host, server = row.fixed_ips[0]["ip_address"], row.network_id, row.host, row.device_id
        statuses = []
        for path, _, length in PATHS:
            began = self.world.now
            status = yield from self.agent.handle(self.new_context("request", port_id), network_id, address, path)
            took = self.world.now - began
            self.say(logs.METADATA_ACCESS, None, address, "GET", path, status, length, took)
            if status < 500 and self.nova_answers():
                nova = self.site.endpoint("nova-api")
                asker = f"{address},{self.site.address(self.node)}"
                nova.say(nova_logs.METADATA_ACCESS, None, asker, "GET", path, status, length, took)
            statuses.append(status)
        if 500 in statuses or 200 not in statuses:
            guest = self._guest(host, server)
            if guest is not None:
                guest.has_key = False  # it gives up what it has asked for in vain

    def _guest(self, host: str, server: str) -> GuestOS | None:
        libvirt = self.site.dataplane.hosts.get(host)
        domain = libvirt.domains.get(server) if libvirt is not None else None
        return None if domain is None else domain.guest
