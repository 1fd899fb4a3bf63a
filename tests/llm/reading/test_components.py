"""Which component wrote a line, by the names that files and loggers have."""

from __future__ import annotations

from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.reading.components import kind_by, kind_of, named, stem, unit


@pytest.mark.parametrize(
    ("path", "component", "kind"),
    [
        ("nova-api.log", "nova-api", "nova-api"),
        ("nova-compute-2.log.xz", "nova-compute-2", "nova-compute"),
        ("nova-compute@compute-0.log", "nova-compute@compute-0", "nova-compute"),
        ("nova-api.log.1.2017-05-16_13:53:08", "nova-api", "nova-api"),
        ("nova/nova-conductor.log-20190624.gz", "nova-conductor", "nova-conductor"),
        ("neutron/server.log", "neutron-server", "neutron-server"),
        ("cinder/api.log.2.gz", "cinder-api", "cinder-api"),
        ("kolla/neutron/neutron-openvswitch-agent.log", "neutron-openvswitch-agent", "neutron-openvswitch-agent"),
        ("nova/nova-placement-api.log", "nova-placement-api", "placement"),
        ("keystone.log", "keystone", "keystone"),
        ("n-cpu.log", "nova-compute", "nova-compute"),
        ("screen-q-svc.txt.gz", "neutron-server", "neutron-server"),
        ("devstack@n-sch.service.log", "nova-scheduler", "nova-scheduler"),
        ("neutron-agent-3.log", "neutron-agent-3", "neutron-openvswitch-agent"),
        ("mariadb.log", "mariadb", "mysql"),
        ("mysql/error.log", "mysql", "mysql"),
        ("rabbitmq/rabbit@controller01.log", "rabbitmq@controller01", "rabbitmq"),
        ("haproxy.log.3", "haproxy", "haproxy"),
        ("nginx/access.log", "nginx", "nginx"),
        ("access.log", "nginx", "nginx"),
        ("kern.log", "kern", "node"),
        ("qemu/instance-0000001a.log", "instance-0000001a", "libvirt"),
        ("serve/proxy_10.0.0.1.log", "proxy_10.0.0.1", "ray-head"),
        ("gcs_server.out", "gcs_server", "ray-head"),
        ("ray-replicas-1.log", "ray-replicas-1", "vllm"),
        ("ray_ray-replicas-0_9f3c/vllm/0.log", "ray-replicas-0", "vllm"),
        (f"ray-head-x2_ray_head-{'0a' * 32}.log", "ray-head-x2", "ray-head"),
        ("horizon.log", "horizon", ""),
    ],
)
def test_a_files_name_says_whose_it_is(path: str, component: str, kind: str) -> None:
    assert named(PurePath(path)) == (component, kind)


def test_rotation_takes_no_part_of_an_address() -> None:
    assert stem("proxy_10.0.0.12.log.1.gz") == "proxy_10.0.0.12"


def test_devstack_has_short_names() -> None:
    assert [unit(name) for name in ("devstack@n-cpu.service", "q-agt", "openstack-nova-api", "sshd")] == [
        "nova-compute",
        "neutron-openvswitch-agent",
        "nova-api",
        "sshd",
    ]


def test_loggers_speak_for_their_service_and_libraries_for_none() -> None:
    assert kind_by("oslo", "nova.virt.libvirt.driver") == "nova-compute"
    assert kind_by("oslo", "nova.scheduler.client.report") == ""
    assert kind_by("oslo", "oslo_messaging.rpc.client") == ""
    assert kind_by("serve", "replica") == "vllm"
    assert kind_by("kernel", "kernel") == "node"


def test_a_kind_is_a_whole_word() -> None:
    assert kind_of("nova-apiary") == ("", "nova-apiary")
    assert kind_of("nodes") == ("", "nodes")


@given(st.text(min_size=1, max_size=60).filter(lambda text: "/" not in text and text not in (".", "..")))
def test_any_name_is_somebodys(name: str) -> None:
    component, _ = named(PurePath(name))
    assert component
