"""Calls of neutron's program that are left out or go wrong do what they would do there."""

from __future__ import annotations

from itertools import pairwise
from statistics import median

import pytest

SERVER, L2, DHCP, L3 = (
    "neutron-server",
    "neutron-openvswitch-agent@compute-0",
    "neutron-dhcp-agent",
    "neutron-l3-agent",
)
PLUGIN = "neutron.plugins.ml2.plugin.Ml2Plugin"
OVS = "neutron.plugins.ml2.drivers.openvswitch.agent.ovs_neutron_agent.OVSNeutronAgent"


def test_without_the_notifier_nova_never_hears(cloud):
    site = f"{PLUGIN}._update_individual_port_db_status/self.nova_notifier.send_port_status"
    cloud.mutate(SERVER, site, "missingCall")
    port = cloud.port()
    told = cloud.events_to_nova()
    cloud.boot(port)
    assert cloud.active(port["id"])
    cloud.run(20)
    assert cloud.events_to_nova() == told
    assert not cloud.errors()


def test_an_exception_in_the_plugin_is_a_500_with_its_trace(cloud):
    cloud.mutate(SERVER, f"{PLUGIN}.create_port/self._create_port_db", "throwException")
    ports = len(cloud.tables.ports)
    assert cloud.ask("ports.create", "POST", network_id=cloud.network.id).status == 500
    assert len(cloud.tables.ports) == ports
    (head,) = cloud.lines("neutron.neutron-request-failed")
    assert head.args[3] == "POST"
    trace = [record.args[-1] for record in cloud.lines("neutron.neutron-request-failed.trace")]
    assert any("neutron/plugins/ml2/plugin.py" in line and "in create_port" in line for line in trace)
    assert cloud.ask("ports.list", network_id=cloud.network.id).status == 200


def test_what_was_written_before_an_exception_is_rolled_back(cloud):
    cloud.mutate(SERVER, f"{PLUGIN}._create_port_db/self.mechanism_manager.create_port_precommit", "throwException")
    ports, subnet = len(cloud.tables.ports), cloud.tables.subnets[cloud.network.subnets[0]]
    taken = subnet.allocated
    assert cloud.ask("ports.create", "POST", network_id=cloud.network.id).status == 500
    assert len(cloud.tables.ports) == ports
    assert subnet.allocated == taken


def test_an_error_of_who_is_told_afterwards_is_logged_and_the_request_succeeds(cloud):
    site = (
        "neutron.api.rpc.agentnotifiers.dhcp_rpc_agent_api.DhcpAgentNotifyAPI._native_event_send_dhcp_notification"
        "/self._notify_agents"
    )
    cloud.mutate(SERVER, site, "throwException")
    port = cloud.port()
    assert len(cloud.lines("neutron.callback-failed")) >= 1
    cloud.boot(port)
    assert not cloud.active(port["id"], within=60)  # dnsmasq was never told
    assert cloud.tables.provisioning_blocks[port["id"]] == {"DHCP"}


def test_an_agent_whose_pass_fails_tries_again_every_two_seconds(cloud):
    cloud.mutate(L2, f"{OVS}.process_network_ports/self.sg_agent.setup_port_filters", "throwException")
    port = cloud.port()
    cloud.boot(port)
    cloud.run(60)
    heads = cloud.lines("agent.ovs-ports-failed")
    gaps = [after.time - before.time for before, after in pairwise(heads)]
    assert len(heads) > 15
    assert median(gaps) == pytest.approx(2.0, abs=0.1)
    assert cloud.lines("agent.ovs-out-of-sync", L2)
    assert cloud.status(port["id"]) == "DOWN"


def test_an_agent_that_does_not_tell_the_server_leaves_the_port_down_in_silence(cloud):
    cloud.mutate(L2, f"{OVS}._bind_devices/self.plugin_rpc.update_device_list", "wrongReturnValue")
    port = cloud.port()
    cloud.boot(port)
    cloud.run(30)
    assert cloud.lines("agent.ovs-ports-failed")  # KeyError or None: the answer is looked into


def test_a_dhcp_agent_that_cannot_reload_resynchronises(cloud):
    site = "neutron.agent.linux.dhcp.Dnsmasq.reload_allocations/self._output_hosts_file"
    cloud.mutate(DHCP, site, "throwException")
    port = cloud.port()
    cloud.boot(port)
    cloud.run(120)
    assert cloud.lines("agent.dhcp-driver-failed")
    assert cloud.lines("agent.dhcp-syncing")


def test_a_dhcp_agent_whose_resync_fails_repeats_itself_every_half_minute(cloud):
    cloud.mutate(
        DHCP, "neutron.agent.dhcp.agent.DhcpAgent.sync_state/self.plugin_rpc.get_active_networks_info", "throwException"
    )
    agent = cloud.world.components[DHCP].agent
    agent.schedule_resync(cloud.context(), "test")
    cloud.run(200)
    heads = cloud.lines("agent.dhcp-sync-failed")
    gaps = [after.time - before.time for before, after in pairwise(heads)]
    assert 5 <= len(heads) <= 8
    assert median(gaps) == pytest.approx(30.0, abs=3.0)


def test_an_l3_agent_tries_a_router_a_few_times(cloud):
    site = "neutron.agent.l3.agent.L3NATAgent._process_added_router/self._router_added"
    cloud.mutate(L3, site, "throwException")
    cloud.ask("routers.create", "POST", name="router", external_network_id=cloud.public.id)
    cloud.run(60)
    assert len(cloud.lines("agent.l3-update-failed")) == 6
    assert cloud.lines("agent.l3-retry-limit")


def test_an_l3_agent_without_the_call_builds_no_gateway_and_says_nothing(cloud):
    site = "neutron.agent.l3.router_info.RouterInfo.process/self.process_external"
    cloud.mutate(L3, site, "missingCall")
    router = cloud.ask("routers.create", "POST", name="router", external_network_id=cloud.public.id).body
    cloud.run(30)
    assert cloud.node.routers[router["id"]] == set()
    assert cloud.status(cloud.tables.routers[router["id"]].gateway_port) == "DOWN"
    assert not cloud.errors()


def test_a_wrong_host_leaves_the_port_unbound(cloud):
    site = f"{PLUGIN}._attempt_binding/self._bind_port"
    cloud.mutate(SERVER, site, "wrongReturnValue")
    response = cloud.ask(
        "ports.create",
        "POST",
        network_id=cloud.network.id,
        device_id="s",
        device_owner="compute:nova",
        host_id="compute-0",
    )
    assert response.status == 500
    trace = [record.args[-1] for record in cloud.lines("neutron.neutron-request-failed.trace")]
    assert trace[-1].startswith("AttributeError: 'NoneType' object has no attribute")


def test_a_metadata_agent_that_looks_for_the_wrong_port_leaves_guests_without_a_key(cloud):
    site = "neutron.agent.metadata.agent.MetadataProxyHandler._get_instance_and_tenant_id/self._get_ports"
    cloud.mutate("neutron-metadata-agent", site, "throwException")
    port = cloud.port()
    cloud.boot(port)
    assert cloud.active(port["id"])
    cloud.run(60)
    assert cloud.lines("agent.metadata-failed")
    assert not cloud.site.libvirts["compute-0"].domains["server-1"].guest.has_key


def test_every_site_of_neutron_has_a_name_of_its_own():
    from twin.openstack.mutation.sites import sites

    found = [site.id for site in sites(("twin.openstack.neutron",))]
    assert len(found) == len(set(found)) > 400
