"""The storage behind cinder: what it takes, what it says when it is full, slow or away."""

from __future__ import annotations

import pytest

from twin.mechanics import storage as facts
from twin.mechanics.layers import Layer
from twin.openstack.infrastructure.errors import ProcessExecutionError, RbdError, VolumeDeviceNotFound
from twin.openstack.infrastructure.volumes import VolumeBackend

GIB = 2.0**30


def _fill(machines, backend, share=1.0):
    return machines.impose(backend, "backend_taken", share, Layer.DATA)


@pytest.fixture
def thick(machines):
    backend = VolumeBackend(machines.world, "thick", machines.control, size=10 * GIB, thin=False)
    backend.boot()
    return backend


@pytest.fixture
def ceph(machines):
    backend = VolumeBackend(machines.world, "ceph", machines.control, size=10 * GIB, flavor="ceph")
    backend.boot()
    return backend


def test_a_volume_is_made_connected_and_removed(machines):
    volumes, context = machines.volumes, machines.context()
    machines.do(volumes.create(context, "v", 10))
    assert volumes.capacity() == (500.0, 500.0, 10.0), "a thin volume takes no room before it is written"
    machines.do(volumes.export(context, "v"))
    path = machines.do(volumes.connect(context, machines.nodes[0], "v"))
    assert path == "/dev/disk/by-path/ip-controller-1:3260-iscsi-iqn.2010-10.org.openstack:volume-v-lun-0"
    with pytest.raises(ProcessExecutionError, match="in use"):
        machines.do(volumes.delete(context, "v"))
    machines.do(volumes.disconnect(context, machines.nodes[0], "v"))
    machines.do(volumes.remove_export(context, "v"))
    machines.do(volumes.delete(context, "v"))
    assert volumes.capacity() == (500.0, 500.0, 0.0)


def test_room_is_conserved(machines, thick, ceph):
    for backend in (machines.volumes, thick, ceph):
        context, before = machines.context(), backend.free
        machines.do(backend.create_from_image(context, "v", 2, 0.3e9))
        machines.do(backend.snapshot(context, "s", "v"))
        machines.do(backend.create_from(context, "w", 2, "v"))
        machines.do(backend.extend(context, "w", 3))
        assert backend.free < before or backend is ceph
        for identity in ("s", "v", "w"):
            machines.do(backend.delete(context, identity))
        assert backend.free == pytest.approx(before)


def test_a_full_thin_pool_says_what_lvcreate_says(machines):
    machines.do(machines.volumes.create(machines.context(), "old", 1))
    _fill(machines, machines.volumes)
    with pytest.raises(ProcessExecutionError, match="reached threshold") as caught:
        machines.do(machines.volumes.create(machines.context(), "v", 1))
    assert "lvcreate -T -V 1g -n volume-v cinder-volumes/cinder-volumes-pool" in caught.value.command
    assert str(caught.value).startswith("Unexpected error while running command.\nCommand: sudo cinder-rootwrap")
    assert [record.template.id for record in machines.printed("kernel.thin-full")] == ["kernel.thin-full"]
    machines.do(machines.volumes.delete(machines.context(), "old"))


def test_a_thick_group_counts_extents(machines, thick):
    with pytest.raises(ProcessExecutionError, match=r"insufficient free space \(2560 extents\): 5120 required"):
        machines.do(thick.create(machines.context(), "v", 20))
    machines.do(thick.create(machines.context(), "v", 8))
    with pytest.raises(ProcessExecutionError, match=r"1024 extents needed, but only 512 available"):
        machines.do(thick.extend(machines.context(), "v", 12))


def test_a_thick_volume_is_overwritten_before_it_goes(machines, thick):
    machines.do(thick.create(machines.context(), "v", 6))
    began = machines.now
    machines.do(thick.delete(machines.context(), "v"))
    assert machines.now - began == pytest.approx(6 * GIB / facts.VOLUME_CLEAR_RATE + thick.times.remove, rel=0.05)


def test_ceph_clones_where_lvm_copies(machines, ceph):
    began = machines.now
    machines.do(ceph.create_from_image(machines.context(), "v", 5, 2e9))
    cloned, began = machines.now - began, machines.now
    machines.do(machines.volumes.create_from_image(machines.context(), "v", 5, 2e9))
    assert machines.now - began > 5 * cloned


def test_a_full_or_silent_ceph_says_so_by_librbd(machines, ceph):
    full = _fill(machines, ceph)
    with pytest.raises(RbdError, match="errno 28"):
        machines.do(ceph.create(machines.context(), "v", 1))
    assert ceph.sample()[0] == 2.0
    ceph.lift(full)
    ceph.stop()
    began = machines.now
    with pytest.raises(RbdError, match="RADOS timed out") as caught:
        machines.do(ceph.create(machines.context(), "v", 1))
    assert caught.value.kind == "rbd.ObjectNotFound"
    assert machines.now - began == pytest.approx(facts.COMMAND_TIMEOUT, abs=0.3)


def test_a_target_that_does_not_answer_shows_no_device(machines):
    volumes = machines.volumes
    machines.do(volumes.create(machines.context(), "v", 1))
    machines.do(volumes.export(machines.context(), "v"))
    machines.impose(volumes, "target_down", 1.0)
    began = machines.now
    with pytest.raises(VolumeDeviceNotFound, match=r"Volume device not found at /dev/disk/by-path/"):
        machines.do(volumes.connect(machines.context(), machines.nodes[0], "v"))
    assert machines.now - began == pytest.approx(facts.LOGIN_TIMEOUT, abs=0.3)
    volumes.stop("restart")
    volumes.start()
    machines.world.run(until=machines.now + 5)
    machines.do(volumes.connect(machines.context(), machines.nodes[0], "v"))


def test_a_slow_backend_slows_copies_and_commands(machines):
    def seconds(name):
        began = machines.begin(machines.volumes.create_from_image(machines.context(), name, 5, 0.9e9))
        start = machines.now
        machines.world.run(until=start + 500)
        return began[0][0] - start

    usual = seconds("v")
    machines.impose(machines.volumes, "service_time", 8.0)
    assert seconds("w") == pytest.approx(8 * usual, rel=0.1)


def test_copies_at_the_same_time_share_the_backend(machines):
    outcomes = [machines.begin(machines.volumes.write(machines.context(), f"v{i}", 4.5e9)) for i in range(3)]
    machines.world.run(until=500)
    assert max(outcome[0][0] for outcome in outcomes) == pytest.approx(30.0, rel=0.05)


def _attached(machines):
    machines.do(machines.volumes.create(machines.context(), "v", 1))
    machines.do(machines.volumes.export(machines.context(), "v"))
    machines.do(machines.volumes.connect(machines.context(), machines.nodes[0], "v"))


def _kernel(machines):
    return [r.template.id for r in machines.world.recorder.logs if r.template.id.startswith("iscsi")]


def test_the_kernel_finds_and_loses_the_disk(machines):
    _attached(machines)
    assert _kernel(machines) == ["iscsi.host", "iscsi.found", "iscsi.size", "iscsi.attached"]
    lines = [line.text for line in machines.world.log_lines(0, machines.now) if "Attached" in line.text]
    assert lines[0].endswith("sd 2:0:0:0: [sdb] Attached SCSI disk")
    machines.do(machines.volumes.disconnect(machines.context(), machines.nodes[0], "v"))
    assert _kernel(machines)[-1] == "iscsi.flushed"


def test_a_short_outage_of_the_target_only_breaks_the_connection(machines):
    _attached(machines)
    machines.volumes.die("crash")
    assert not machines.volumes.serves(machines.nodes[0], "v")
    machines.world.run(until=machines.now + 300)
    assert machines.volumes.serves(machines.nodes[0], "v")
    assert _kernel(machines)[4:] == ["iscsi.connection-error"]


def test_a_long_one_fails_what_waited(machines):
    _attached(machines)
    down = machines.impose(machines.volumes, "target_down", 1.0)
    machines.world.run(until=machines.now + 119)
    assert _kernel(machines)[4:] == ["iscsi.connection-error"]
    machines.world.run(until=machines.now + 2)
    assert _kernel(machines)[5:] == ["iscsi.recovery", "iscsi.rejecting", "iscsi.io-error"]
    machines.volumes.lift(down)
    assert machines.volumes.serves(machines.nodes[0], "v")


def test_a_machine_that_booted_holds_no_volume(machines):
    _attached(machines)
    machines.nodes[0].booted = machines.now
    machines.do(machines.volumes.delete(machines.context(), "v"))
    assert not machines.volumes.stored


def test_sizes_without_sense_are_refused_as_lvm_refuses_them(machines, thick):
    for backend, size, option in (
        (machines.volumes, -1, "--virtualsize may not be neg"),
        (thick, 0, "--size may not be zero"),
    ):
        with pytest.raises(ProcessExecutionError, match=option):
            machines.do(backend.create(machines.context(), "v", size))
        assert not backend.stored
    machines.do(thick.create(machines.context(), "v", 2))
    with pytest.raises(
        ProcessExecutionError, match=r"New size given \(256 extents\) not larger than existing size \(512"
    ):
        machines.do(thick.extend(machines.context(), "v", 1))
