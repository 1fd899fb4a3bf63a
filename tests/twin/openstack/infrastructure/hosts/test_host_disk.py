"""The disk of a compute host: the image cache, and what happens when there is no room."""

from __future__ import annotations

import pytest

from twin.mechanics.host import DISK_USED
from twin.mechanics.layers import Layer
from twin.openstack.infrastructure.disk import INSTANCES, copy_instance
from twin.openstack.infrastructure.domains import DomainState
from twin.openstack.infrastructure.errors import LibvirtError, NoSpaceLeft, ProcessExecutionError


def _fill(machines, share=1.0):
    node = machines.nodes[0]
    return machines.impose(node, "disk_taken", share * (node.disk_size - DISK_USED), Layer.BOARD)


def test_a_fetched_image_is_on_the_disk_once(machines):
    disk, before = machines.first.disk, machines.nodes[0].disk_available
    machines.do(disk.store_base(machines.context(), "cirros", 300e6))
    assert disk.has_base("cirros")
    assert before - machines.nodes[0].disk_available == pytest.approx(300e6)
    assert list(disk.files) == [disk.base_path("cirros")]
    disk.remove_base("cirros")
    assert machines.nodes[0].disk_available == before


def test_a_disk_of_half_the_speed_takes_twice_as_long(machines):
    disk = machines.first.disk
    began = machines.begin(disk.transfer(machines.context(), 1.5e9, spread=0.0))
    machines.world.run(until=100)
    assert began[0][0] == pytest.approx(10.0)
    machines.impose(machines.nodes[0], "disk_slowdown", 2.0, Layer.BOARD)
    slow = machines.begin(disk.transfer(machines.context(), 1.5e9, spread=0.0))
    machines.world.run(until=200)
    assert slow[0][0] - 100 == pytest.approx(20.0)


def test_a_full_disk_takes_no_image(machines):
    machines.do(machines.first.disk.store_base(machines.context(), "first", 300e6))
    _fill(machines, 0.998)
    left = machines.nodes[0].disk_available
    with pytest.raises(NoSpaceLeft, match=r"\[Errno 28\] No space left on device") as caught:
        machines.do(machines.first.disk.store_base(machines.context(), "other", left * 1.5))
    assert caught.value.kind == "OSError"
    with pytest.raises(ProcessExecutionError, match=r"qemu-img: error while writing at byte .*: No space left"):
        machines.do(machines.first.disk.store_base(machines.context(), "other", left * 0.7))
    assert machines.nodes[0].disk_available == left, "nothing is left of what failed"


def test_a_full_disk_makes_no_instance(machines):
    _fill(machines)
    with pytest.raises(ProcessExecutionError, match="No space left on device") as caught:
        machines.do(machines.build("s"))
    assert "qemu-img create -f qcow2" in caught.value.command
    with pytest.raises(LibvirtError, match="No space left on device"):
        machines.do(machines.first.define_and_start(machines.context(), "s", "instance-s", 2**31, 1))


def test_guests_on_a_full_disk_stop_and_nobody_resumes_them(machines):
    machines.do(machines.build("s"))
    machines.world.run(until=machines.now + 60)
    full = _fill(machines)
    machines.events.clear()
    machines.world.run(until=machines.now + 40)
    domain = machines.first.domains["s"]
    assert (domain.state, domain.reason) == (DomainState.PAUSED, "io error")
    assert [what for _, _, _, what in machines.events] == ["Paused"]
    assert machines.plane.reaches("s").why == "guest stands still"
    machines.nodes[0].lift(full)
    machines.world.run(until=machines.now + 600)
    assert domain.state is DomainState.PAUSED
    machines.do(machines.first.resume_domain(machines.context(), "s"))
    assert domain.state is DomainState.RUNNING
    assert machines.plane.reaches("s").ok


def test_a_resumed_guest_on_a_full_disk_stops_again(machines):
    machines.do(machines.build("s"))
    machines.world.run(until=machines.now + 60)
    _fill(machines)
    machines.world.run(until=machines.now + 40)
    machines.do(machines.first.resume_domain(machines.context(), "s"))
    machines.world.run(until=machines.now + 40)
    assert machines.first.domains["s"].state is DomainState.PAUSED


def test_a_cold_migration_copies_as_fast_as_the_slower_disk(machines):
    machines.do(machines.build("s"))
    machines.world.run(until=machines.now + 60)
    source, target = machines.first.disk, machines.second.disk
    source.allocate(f"{INSTANCES}/s/disk", 3e9)
    machines.impose(machines.nodes[1], "disk_slowdown", 2.0, Layer.BOARD)
    began = machines.now
    size = machines.do(copy_instance(machines.context(), source, target, "s"))
    assert size == source.used_by(f"{INSTANCES}/s") == target.used_by(f"{INSTANCES}/s")
    assert machines.now - began == pytest.approx(size / 75e6, abs=0.3)
    source.delete_instance("s")
    assert source.used_by(f"{INSTANCES}/s") == 0.0


def test_a_full_target_takes_no_copy(machines):
    machines.do(machines.build("s", machines.second))
    _fill(machines)
    with pytest.raises(ProcessExecutionError, match=r"No space left on device \(28\)"):
        machines.do(copy_instance(machines.context(), machines.second.disk, machines.first.disk, "s"))
    assert machines.first.disk.used_by(f"{INSTANCES}/s") == 0.0


def test_a_target_that_does_not_answer_takes_two_minutes_to_say_so(machines):
    machines.do(machines.build("s"))
    machines.impose(machines.nodes[1], "blocked", 1.0, Layer.NETWORK)
    began = machines.now
    with pytest.raises(ProcessExecutionError, match="Connection timed out") as caught:
        machines.do(copy_instance(machines.context(), machines.first.disk, machines.second.disk, "s"))
    assert caught.value.exit_code == 255
    assert machines.now - began == pytest.approx(127.0, abs=0.3)
