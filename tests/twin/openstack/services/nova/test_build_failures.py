"""A host on which builds fail comes last for the scheduler until one succeeds, or its nova-compute starts anew."""

from __future__ import annotations

from typing import Any

CREATE_IMAGE = "nova.virt.libvirt.driver.LibvirtDriver.spawn/self._create_image"
AUDIT = 61.0


def boot(client: Any) -> str:
    """The host on which a new server ends up."""
    site = client.world.cluster.site
    asked = {"name": "vm", "image": site.image, "networks": (site.network,), "flavor": "m1.tiny"}
    body = client.ask("nova-api", "servers.create", "POST", "/v2.1/servers", **asked).body
    client.wait(60.0)
    server = site.tables.servers[body["id"]]
    assert server.status == "ACTIVE"
    return server.host


def claims(client: Any, host: str) -> int:
    return sum("Claim successful" in line for line in client.said(f"nova-compute@{host}"))


def test_the_scheduler_avoids_a_host_on_which_builds_fail(client):
    tables = client.world.cluster.site.tables
    client.mutate("nova-compute@compute-0", CREATE_IMAGE, "throwException")
    while not claims(client, "compute-0"):  # whichever it begins with
        assert boot(client) == "compute-1"
    client.wait(AUDIT)
    assert tables.failed_builds == {"compute-0": 1, "compute-1": 0}
    tried = claims(client, "compute-0")
    for _ in range(3):  # though it has more and more free memory
        assert boot(client) == "compute-1"
    assert claims(client, "compute-0") == tried


def test_a_success_or_a_new_process_makes_up_for_it(client):
    tables, compute = client.world.cluster.site.tables, client.world.components["nova-compute@compute-0"]
    compute.manager.rt.build_failed()
    client.wait(AUDIT)
    assert tables.failed_builds["compute-0"] == 1
    compute.stop("killed")
    compute.start()
    client.wait(120.0)
    assert tables.failed_builds["compute-0"] == 0
    compute.manager.rt.build_failed()
    other = client.world.components["nova-compute@compute-1"].manager.rt
    other.failed_builds = 5  # of two bad ones the better one is chosen
    client.wait(AUDIT)
    assert boot(client) == "compute-0"
    assert compute.manager.rt.failed_builds == 0
