"""Live migration: when pre-copy converges, what it takes, and how it fails."""

from __future__ import annotations

import pytest

from twin.mechanics.hypervisor import MIGRATION_ROUNDS, precopy
from twin.mechanics.openstack import MIGRATION_BANDWIDTH, RESIDENT_SHARE
from twin.openstack.infrastructure.dataplane import PortPath
from twin.openstack.infrastructure.domains import DomainState
from twin.openstack.infrastructure.errors import LibvirtError
from twin.openstack.infrastructure.migration import migrate

GIB = 2.0**30


def test_rounds_shrink_by_the_ratio_of_dirtying_to_sending():
    plan = precopy(touched=8e9, dirty_rate=2.5e8, bandwidth=1e9, allowed=0.05)
    assert plan.converged
    assert plan.rounds == pytest.approx([8.0, 2.0, 0.5, 0.125])
    assert plan.downtime == pytest.approx(0.125 / 4)
    total = sum(plan.rounds) + plan.downtime
    assert total == pytest.approx(8.0 * (1 - 0.25**5) / (1 - 0.25)), "the geometric series"


def test_a_guest_that_writes_faster_than_the_network_sends_never_converges():
    plan = precopy(touched=8e9, dirty_rate=1.1e9, bandwidth=1e9)
    assert not plan.converged
    assert len(plan.rounds) == MIGRATION_ROUNDS
    assert not precopy(8e9, 1.1e9, 1e9, working_set=2e9).converged
    assert precopy(8e9, 1.1e9, 1e9, working_set=4e8).converged, "it writes the same pages again"


def test_an_idle_guest_moves_with_a_short_pause_and_keeps_running(machines):
    machines.do(machines.build("s"))
    machines.world.run(until=machines.now + 60)
    machines.events.clear()
    began = machines.now
    machines.do(migrate(machines.first, machines.second, machines.context(), "s"))
    assert machines.now - began == pytest.approx(2 * GIB * RESIDENT_SHARE / MIGRATION_BANDWIDTH, abs=0.6)
    assert [(host, what) for _, host, _, what in machines.events] == [
        ("compute-0", "Paused"),
        ("compute-1", "Started"),
        ("compute-1", "Resumed"),
    ]
    assert "s" not in machines.first.domains
    domain = machines.second.domains["s"]
    assert domain.state is DomainState.RUNNING
    assert domain.guest.booted, "it was not booted anew"
    assert machines.first.sample()[4] == pytest.approx(0.0, abs=1.0)
    assert machines.second.sample()[4] > 0.5e9


def test_it_is_reachable_at_its_new_place_once_its_port_is_wired_there(machines):
    machines.do(machines.build("s"))
    machines.world.run(until=machines.now + 60)
    machines.plane.switches["compute-1"].plug("port-s")
    machines.do(migrate(machines.first, machines.second, machines.context(), "s"))
    machines.plane.bind("port-s", PortPath("s", "net", "compute-1"))
    assert machines.plane.reaches("s").why == "not wired"
    machines.plane.switches["compute-1"].wire("port-s", 1)
    assert machines.plane.reaches("s").ok


def test_a_busy_guest_is_cancelled_and_stays(machines):
    machines.do(machines.build("s"))
    domain = machines.first.domains["s"]
    domain.vcpus, domain.demand_cpu = 4, 4.0
    began = machines.now
    with pytest.raises(LibvirtError, match="canceled by client"):
        machines.do(migrate(machines.first, machines.second, machines.context(), "s", bandwidth=1e8))
    assert machines.now - began == pytest.approx(2 * 800.0, abs=1.0)
    assert domain.state is DomainState.RUNNING
    assert machines.first.domains["s"] is domain
    assert not domain.job


def test_without_the_other_daemon_it_does_not_begin(machines):
    machines.do(machines.build("s"))
    machines.second.stop()
    with pytest.raises(LibvirtError, match=r"Failed to connect to remote libvirt URI qemu\+tcp://compute-1/system"):
        machines.do(migrate(machines.first, machines.second, machines.context(), "s"))


def test_when_the_other_host_goes_the_guest_runs_on_at_home(machines):
    machines.do(machines.build("s"))
    moving = machines.begin(migrate(machines.first, machines.second, machines.context(), "s", bandwidth=1e7))
    machines.world.run(until=machines.now + 5)
    machines.second.stop()
    machines.world.run(until=machines.now + 200)
    assert "unexpectedly failed" in str(moving[0])
    assert machines.first.domains["s"].state is DomainState.RUNNING
