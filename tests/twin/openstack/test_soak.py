"""Hours of a healthy cloud under every load: it prints no error, and nothing of it grows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from twin import World
from twin.telemetry.records import Level

HOUR = 3600.0
SLACK = 12
"""By how much a number may be larger than it was after an hour: it is another moment."""


def sizes(world: World) -> dict[str, int]:
    """How many there are of what comes and goes with servers."""
    site: Any = world.cluster.site  # type: ignore[attr-defined]
    neutron, plane = site.neutron.tables, site.dataplane
    return {
        "servers": len(site.tables.servers),
        "allocations": len(site.tables.allocations),
        "guests": sum(len(libvirt.domains) for libvirt in site.libvirts.values()),
        "images": len(site.images.images),
        "stacks": len(site.stacks.stacks),
        "volumes": len(site.volumes.volumes),
        "attachments": len(site.volumes.attachments),
        "ports": len(neutron.ports),
        "networks": len(neutron.networks),
        "routers": len(neutron.routers),
        "paths": len(plane.by_server),
        "demand": len(plane.demand),
        "taps": sum(len(switch.ports) for switch in plane.switches.values()),
        "local VLANs": sum(len(agent.agent.vlan_manager.mapping) for agent in plane.agents.values()),
        "messages": sum(len(queue) for queue in site.broker.queues.values()),
    }


@pytest.mark.slow
def test_three_hours_of_all_loads_leave_no_error_and_nothing_that_grows(
    openstack_world: Callable[..., World], all_loads: Callable[..., dict[str, Any]]
) -> None:
    workload = all_loads(requests="0.2/s", tenants={"servers": 20})
    world = openstack_world(workload=workload, seed=3, horizon="20000s")
    world.run(until=HOUR)
    first, clock = sizes(world), len(world.clock._queue)
    for hour in (2, 3):
        errors = [record for record in world.recorder.logs if record.template.level is Level.ERROR]
        assert errors == []
        world.recorder.forget(world.now)
        world.run(until=hour * HOUR)
        grown = {what: (first[what], n) for what, n in sizes(world).items() if n > first[what] + SLACK}
        assert grown == {}
        assert len(world.clock._queue) < 1.5 * clock
    trials = world.cluster.workload.trials  # type: ignore[attr-defined]
    assert len(trials) > 80 and all(trial.well for trial in trials)
    requests = world.cluster.workload.requests  # type: ignore[attr-defined]
    assert requests.failed == requests.timed_out == 0 and requests.in_flight < 20
