"""Whom lines speak of: by name, machine, process, or what clients call them."""

from __future__ import annotations

import pytest

from llm.mentions import Names
from llm.reading.inventory import inventory

TOPOLOGY = inventory(
    {
        "nova-api": "nova-api",
        "nova-compute@compute-0": "nova-compute",
        "nova-compute@compute-1": "nova-compute",
        "libvirt@compute-0": "libvirt",
        "libvirt@compute-1": "libvirt",
        "mysql": "mysql",
        "rabbitmq": "rabbitmq",
        "keystone": "keystone",
    }
)


@pytest.mark.parametrize(
    ("text", "speaker", "named"),
    [
        ("DBConnectionError: (2003, Can't connect)", "nova-api", {"mysql"}),
        ("AMQP server on 10.0.0.1:5672 is unreachable", "nova-api", {"rabbitmq"}),
        ("libvirtError: cannot connect", "nova-compute@compute-1", {"libvirt@compute-1"}),
        (
            "compute service of compute-0 is down",
            "nova-api",
            {"compute-0", "nova-compute@compute-0", "libvirt@compute-0"},
        ),
        ("nova-compute:4242: gone", "mysql", {"nova-compute@compute-1"}),
        ("Galera: node left", "mysql", set()),
        ("done", "nova-api", set()),
    ],
)
def test_whom_a_line_names(text: str, speaker: str, named: set[str]) -> None:
    found = Names(TOPOLOGY, {"4242": "nova-compute@compute-1"}).spoken_of(text, speaker)
    assert set(found) == named
    assert sum(found.values()) == pytest.approx(1.0 if named else 0.0)


def test_who_is_named_outright_comes_before_a_kind() -> None:
    found = Names(TOPOLOGY).spoken_of("nova-compute@compute-1: DBConnectionError", "nova-api")
    assert set(found) == {"nova-compute@compute-1"}
