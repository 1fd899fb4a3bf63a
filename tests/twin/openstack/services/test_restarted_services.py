"""What services say when they end and begin anew, and at the first request after that."""

from __future__ import annotations

import pytest

from tests.twin.openstack.services.nova.test_servers import boot
from twin import Action

SAID = {
    "nova-api": "AuthToken middleware is set with keystone_authtoken.service_token_roles_required set to False.",
    "glance-api": "Started child",
    "neutron-server": "Registered mechanism drivers: ['openvswitch']",
    "cinder-volume": "Driver post RPC initialization completed successfully.",
    "neutron-l3-agent": "Stopping L3 agent",
    "neutron-openvswitch-agent@compute-0": "Agent caught SIGTERM, quitting daemon loop.",
}


@pytest.mark.parametrize("service", SAID)
def test_a_restart_shows(client, service):
    assert not any(line.startswith(SAID[service]) for line in client.said(service))
    client.world.apply(Action("restart", service))
    client.wait(60.0)
    boot(client)
    assert any(line.startswith(SAID[service]) for line in client.said(service))


def test_a_new_keystone_reads_its_policy_at_the_first_token_that_it_judges(client):
    client.world.apply(Action("restart", "keystone"))
    client.wait(60.0)
    for _ in range(2):
        client.ask("keystone", "validate", token="unknown")
    assert sum(line.startswith("Deprecated policy rules found.") for line in client.said("keystone")) == 1


def test_a_new_nova_compute_starts_its_helpers_when_it_needs_them(client):
    for host in ("compute-0", "compute-1"):
        client.world.apply(Action("restart", f"nova-compute@{host}"))
    client.wait(60.0)
    for _ in range(2):
        server = boot(client)
    said = client.said(f"nova-compute@{server['OS-EXT-SRV-ATTR:host']}")
    assert sum(line == "privsep daemon starting" for line in said) == 2


def test_placement_says_of_what_there_is_too_little(client):
    provider = client.world.cluster.site.tables.providers["compute-0"]
    provider.vcpus = 0.0
    server = boot(client)
    asked = {"consumer": server["id"], "host": "compute-0", "flavor": flavor_of(client, server)}
    assert client.ask("placement", "claim", "PUT", **asked).status == 409
    over = f"Over capacity for VCPU on resource provider {provider.uuid}. Needed: 1, Used: 0, Capacity: 0.0"
    assert over in client.said("placement")


def flavor_of(client, server):
    return client.world.cluster.site.tables.servers[server["id"]].flavor


def test_without_libvirt_the_audit_says_that_it_cannot_connect(client):
    client.world.components["libvirt@compute-0"].stop("test")
    client.wait(130.0)
    said = client.said("nova-compute@compute-0")
    assert any(line.startswith("Connection to libvirt failed: Failed to connect socket to") for line in said)
