"""The topology that logs let infer."""

from __future__ import annotations

from llm.reading.inventory import inventory


def test_services_call_what_they_do_in_real_clouds_and_names_carry_machines() -> None:
    found = inventory(
        {"nova-api": "nova-api", "mysql": "mysql", "nova-compute@compute-0": "nova-compute", "x": "other"}
    )
    assert found.cluster == "openstack"
    places = {node.name: (node.kind, node.place) for node in found.components}
    assert places["nova-compute@compute-0"] == ("nova-compute", "compute-0")
    assert places["compute-0"] == ("node", None)
    assert found.edges == (("nova-api", "mysql"),)


def test_a_serving_cluster_is_one() -> None:
    found = inventory({"nginx": "nginx", "ray-head": "ray-head", "r0": "vllm", "node-1": "node"})
    assert found.cluster == "inference"
    assert set(found.edges) == {("nginx", "ray-head"), ("ray-head", "r0")}
    assert inventory({}).cluster == "openstack"
