"""Nova's client of glance tries four times, says so each time, and gives up with an error of its own."""

from __future__ import annotations

FAILED = "Error contacting glance server 'http://controller-0:9292' for 'get'"


def test_a_server_cannot_be_created_while_glance_is_away(client):
    client.world.components["glance-api"].stop("killed")
    client.wait(10.0)
    response = client.ask("nova-api", "servers.create", name="vm", image=client.world.cluster.site.image, networks=())
    assert response.status == 500
    said = [line for line in client.said("nova-api") if line.startswith(FAILED)]
    assert [line.split(", ")[1].split(".")[0] for line in said] == ["retrying"] * 3 + ["done trying"]
    (unexpected,) = (line for line in client.said("nova-api") if line.startswith("Unexpected exception in API method"))
    assert "GlanceConnectionFailed: Connection to glance host http://controller-0:9292 failed: " in unexpected
