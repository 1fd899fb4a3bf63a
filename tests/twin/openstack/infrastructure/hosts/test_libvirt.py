"""libvirt: guests and their states, what its calls take and raise, and what outlives what."""

from __future__ import annotations

import re

import pytest

from twin.mechanics.layers import Layer
from twin.mechanics.openstack import BUILD, IMAGE_BANDWIDTH, IMAGE_BYTES
from twin.openstack.infrastructure import errors
from twin.openstack.infrastructure.domains import DomainState
from twin.openstack.infrastructure.errors import LibvirtError
from twin.openstack.infrastructure.migration import migrate
from twin.process import State


def _seconds(machines, steps):
    began = machines.now
    outcome = machines.begin(steps)
    machines.world.run(until=began + 1000)
    return outcome[0][0] - began


def test_a_lone_build_takes_with_the_fetch_of_its_image_what_cloudlab_measured(machines):
    disk = machines.first.disk
    convert = [_seconds(machines, disk.store_base(machines.context(), f"i{i}", IMAGE_BYTES)) for i in range(15)]
    fetch = IMAGE_BYTES / IMAGE_BANDWIDTH + sorted(convert)[7]
    assert 8.0 < fetch < 9.0
    machines.world.run(until=20_000)
    times = [_seconds(machines, machines.build(f"s{i}")) for i in range(15)]
    started = [time for time, _, _, what in machines.events if what == "Started"]
    stages = [at - 20_000 - i * 1000 for i, at in enumerate(started)]
    assert fetch + sorted(stages)[7] == pytest.approx(BUILD.create, rel=0.02)
    assert fetch + sorted(times)[7] == pytest.approx(BUILD.create + BUILD.pause + BUILD.resume, rel=0.02)


def test_builds_at_the_same_time_share_the_disk_and_not_the_free_cores(machines):
    began = machines.now
    outcomes = [machines.begin(machines.build(f"s{i}")) for i in range(6)]
    machines.world.run(until=200)
    times = [outcome[0][0] - began for outcome in outcomes]
    alone = machines.first.times
    disk = (alone.image_bytes + alone.start_bytes) / alone.disk
    cpu = alone.image_cpu + alone.plug + alone.start_cpu
    assert max(times) == pytest.approx(cpu + 6 * disk, rel=0.06)


def test_events_come_in_nova_s_order(machines):
    machines.do(machines.build("s"))
    machines.do(machines.first.destroy(machines.context(), "s"))
    assert [what for _, _, _, what in machines.events] == ["Started", "Paused", "Resumed", "Stopped"]
    assert machines.first.domains["s"].state is DomainState.SHUTOFF
    machines.do(machines.first.undefine(machines.context(), "s"))
    with pytest.raises(LibvirtError, match="no domain with matching uuid") as caught:
        machines.do(machines.first.get_info(machines.context(), "s"))
    assert caught.value.error_code == errors.VIR_ERR_NO_DOMAIN
    assert caught.value.kind == "libvirt.libvirtError"


def test_a_qemu_s_process_id_belongs_to_the_start_and_not_to_its_time(machines):
    machines.do(machines.build("early"))
    machines.world.run(until=500)
    machines.do(machines.build("late"))
    late = machines.first.domains["late"]
    first = late.pid
    machines.do(machines.first.destroy(machines.context(), "late"))
    machines.do(machines.first.create(machines.context(), "late"))
    assert late.pid != first
    other = type(machines)()
    other.do(other.build("late"))
    assert other.first.domains["late"].pid == first


def test_while_it_hangs_no_call_returns_and_guests_go_on(machines):
    machines.do(machines.build("s"))
    hang = machines.impose(machines.first, "libvirt_hang", 1.0)
    asked = machines.begin(machines.first.get_info(machines.context(), "s"))
    machines.world.run(until=machines.now + 600)
    assert not asked
    assert machines.plane.reaches("s").ok
    assert machines.first.sample()[0] == 0.0
    machines.first.lift(hang)
    machines.world.run(until=machines.now + 1)
    assert asked[0][1].state is DomainState.RUNNING


def test_events_of_a_hang_come_after_it(machines):
    machines.do(machines.build("s"))
    machines.events.clear()
    hang = machines.impose(machines.first, "libvirt_hang", 1.0)
    machines.first.die("oom")
    assert not machines.events
    machines.first.lift(hang)
    assert [what for _, _, _, what in machines.events] == ["Stopped"]


def test_a_restart_ends_a_hang_and_breaks_its_calls(machines):
    machines.do(machines.build("s"))
    machines.impose(machines.first, "libvirt_hang", 1.0)
    asked = machines.begin(machines.first.get_info(machines.context(), "s"))
    machines.world.run(until=machines.now + 5)
    machines.first.stop("restart")
    machines.first.start()
    machines.world.run(until=machines.now + 5)
    assert isinstance(asked[0], LibvirtError)
    assert asked[0].broken
    assert machines.do(machines.first.get_info(machines.context(), "s")).state is DomainState.RUNNING
    assert not machines.world.truth.active


def test_the_daemon_s_death_leaves_guests_alone(machines):
    machines.do(machines.build("s"))
    machines.world.run(until=machines.now + 60)
    closed = []
    machines.first.on_close = closed.append
    building = machines.begin(machines.build("t"))
    machines.world.run(until=machines.now + 3)
    machines.first.die("crash")
    with pytest.raises(LibvirtError, match="Connection refused"):
        machines.do(machines.first.list_domains(machines.context()))
    assert machines.plane.reaches("s").ok
    assert closed == [1]
    machines.world.run(until=machines.now + 30)
    assert machines.first.state is State.RUNNING
    assert isinstance(building[0], LibvirtError)
    assert machines.do(machines.first.list_domains(machines.context())) == ["s", "t"]


def test_a_boot_of_the_host_stops_guests(machines):
    machines.do(machines.build("s"))
    machines.first.stop("reboot")
    assert machines.first.domains["s"].state is DomainState.SHUTOFF
    machines.first.start()
    machines.world.run(until=machines.now + 5)
    machines.do(machines.first.create(machines.context(), "s"))
    assert machines.first.domains["s"].state is DomainState.RUNNING


def test_a_loss_of_power_stops_guests_even_where_the_daemon_was_dead(machines):
    machines.do(machines.build("s"))
    machines.first.stop()
    machines.impose(machines.nodes[0], "power_lost", 1.0, Layer.BOARD)
    machines.first.stop("power loss")
    assert machines.first.domains["s"].state is DomainState.SHUTOFF


def test_one_call_changes_a_domain_at_a_time(machines):
    machines.do(machines.build("s"))
    machines.do(machines.build("t"))
    domain = machines.first.domains["s"]
    domain.job = "remoteDispatchDomainMigratePerform3Params"
    began = machines.now
    with pytest.raises(LibvirtError, match=r"cannot acquire state change lock \(held by monitor=remoteDispatch"):
        machines.do(machines.first.attach_device(machines.context(), "s", "vol"))
    assert machines.now - began == pytest.approx(30.0, abs=0.5)
    assert machines.printed("libvirt.lock")
    machines.do(machines.first.attach_device(machines.context(), "t", "vol"))
    machines.first.finish(domain)
    machines.do(machines.first.attach_device(machines.context(), "s", "vol"))
    machines.do(machines.first.detach_device(machines.context(), "s", "vol"))
    with pytest.raises(LibvirtError) as caught:
        machines.do(machines.first.detach_device(machines.context(), "s", "vol"))
    assert caught.value.error_code == errors.VIR_ERR_DEVICE_MISSING


def test_a_guest_hears_the_power_button_once_it_runs(machines):
    machines.do(machines.build("s"))
    machines.do(machines.first.shutdown(machines.context(), "s"))
    machines.world.run(until=machines.now + 60)
    assert machines.first.domains["s"].state is DomainState.RUNNING, "its kernel was not there yet"
    machines.do(machines.first.shutdown(machines.context(), "s"))
    machines.world.run(until=machines.now + 60)
    assert machines.first.domains["s"].state is DomainState.SHUTOFF


def test_out_of_memory_the_kernel_kills_a_guest_and_not_the_daemon(machines):
    machines.do(machines.build("s"))
    machines.do(machines.build("t"))
    machines.impose(machines.nodes[0], "memory_taken", 62e9, Layer.OS)
    machines.nodes[0].impose(type(machines.nodes[0].conditions[0])(Layer.OS, "memory_adjustment", -1.0, "fault"))
    machines.world.run(until=machines.now + 3)
    states = {domain.state for domain in machines.first.domains.values()}
    assert DomainState.SHUTOFF in states
    killed = machines.printed("kernel.oom")
    assert killed[0].args[1] == "qemu-system-x86"
    assert killed[0].args[0] in {domain.pid for domain in machines.first.domains.values()}
    assert machines.first.up


def test_exported_sums_follow_the_domains(machines):
    machines.do(machines.build("s"))
    machines.do(machines.build("t"))
    _, domains, vcpus, memory, resident, cpu, _ = machines.first.sample()
    assert (domains, vcpus, memory) == (2, 2, 4 * 2**30)
    assert 0 < resident < memory
    machines.world.run(until=machines.now + 1000)
    assert machines.first.sample()[5] - cpu == pytest.approx(2 * 0.02 * 1000, rel=0.01)
    for uuid in ("s", "t"):
        machines.do(machines.first.destroy(machines.context(), uuid))
    assert machines.first.sample()[2:4] == (0, 0)
    assert machines.first.sample()[4] == pytest.approx(0.0, abs=1.0)


def test_a_loud_tenant_makes_builds_slow_until_its_guest_is_elsewhere(machines):
    alone = _seconds(machines, machines.build("s"))
    for name, value in (("noisy_guests", 1.0), ("guest_cpu", 1.0), ("guest_streams", 4.0)):
        machines.impose(machines.first, name, value, Layer.DEMAND)
    beside = _seconds(machines, machines.build("t"))
    assert beside > 1.8 * alone
    machines.do(migrate(machines.first, machines.second, machines.context(), "s"))
    assert not machines.first.conditions
    assert machines.second.domains["s"].demand_cpu == 1.0
    assert machines.world.truth.active, "what the tenant asks for has only moved"
    assert _seconds(machines, machines.build("u")) == pytest.approx(alone, rel=0.15)
    assert _seconds(machines, machines.build("v", machines.second)) > 1.8 * alone


def test_a_definition_without_sense_is_refused(machines):
    for memory, vcpus, element in ((-1, 1, "memory"), (None, 1, "memory"), (2**31, -1, "vcpu")):
        with pytest.raises(LibvirtError, match=f"XML error: Invalid value '.*' for element or attribute './{element}"):
            machines.do(machines.first.define_and_start(machines.context(), "s", "instance-s", memory, vcpus))
    assert not machines.first.domains


def test_a_guest_on_a_volume_does_not_mind_a_full_disk(machines):
    full = machines.nodes[0].disk_size
    machines.do(machines.first.define_and_start(machines.context(), "s", "instance-s", 2**31, 1))
    machines.do(machines.first.resume_domain(machines.context(), "s"))
    machines.impose(machines.nodes[0], "disk_taken", full, Layer.BOARD)
    machines.world.run(until=machines.now + 100)
    assert machines.first.domains["s"].state is DomainState.RUNNING


def test_other_programs_of_a_host_feel_its_guests(machines):
    agent, seen = machines.agents["compute-0"], []
    agent.place_changed = lambda: seen.append(machines.nodes[0].slowdown)
    for i in range(3):
        machines.do(machines.build(f"s{i}"))
    machines.world.run(until=machines.now + 60)
    assert not seen, "idle guests are not felt"
    for domain in machines.first.domains.values():
        domain.vcpus, domain.demand_cpu = 16, 16.0
        machines.first.reload(domain)
    assert seen[-1] == pytest.approx(3.0, rel=0.05)
    machines.do(machines.first.destroy(machines.context(), "s0"))
    assert seen[-1] == pytest.approx(2.0, rel=0.05)


def test_lines_of_libvirtd_and_of_a_domain_s_log(machines):
    machines.do(machines.build("s"))
    machines.first.die("oom")
    machines.first.stop("restart")
    machines.first.start()
    machines.world.run(until=machines.now + 5)
    lines = [line.text for line in machines.world.log_lines(0, machines.now) if line.component == "libvirt@compute-0"]
    stamp = r"2026-01-01 00:\d\d:\d\d\.\d{3}\+0000: "
    for pattern in (
        stamp + r"starting up libvirt version: 8\.0\.0, .*, hostname: compute-0",
        stamp + r"\d+: error : qemuMonitorIO:577 : internal error: End of file from qemu monitor",
        stamp + r"shutting down, reason=crashed",
        stamp + r"\d+: info : libvirt version: 8\.0\.0, package: 1ubuntu7\.10 \(Ubuntu\)",
        stamp + r"\d+: info : hostname: compute-0",
    ):
        assert sum(re.fullmatch(pattern, line) is not None for line in lines) == 1, pattern


def test_a_stuck_guest_holds_its_lock_until_it_is_killed(machines):
    machines.do(machines.build("s"))
    machines.world.run(until=machines.now + 60)
    machines.impose(machines.first, "stuck_guests", 1.0, Layer.OS)
    assert machines.plane.reaches("s").why == "guest stands still"
    first = machines.begin(machines.first.attach_device(machines.context(), "s", "vol"))
    machines.world.run(until=machines.now + 5)
    with pytest.raises(LibvirtError, match="held by monitor=remoteDispatchDomainAttachDeviceFlags"):
        machines.do(machines.first.shutdown(machines.context(), "s"))
    machines.first.stop("restart")
    machines.first.start()
    machines.world.run(until=machines.now + 600)
    assert machines.world.truth.active, "a new daemon does not help"
    assert machines.do(machines.first.get_info(machines.context(), "s")).state is DomainState.RUNNING
    machines.do(machines.first.destroy(machines.context(), "s"))
    assert "no longer running" in str(first[0])
    assert not machines.world.truth.active
    machines.do(machines.first.create(machines.context(), "s"))
    machines.world.run(until=machines.now + 60)
    assert machines.plane.reaches("s").ok


def test_a_stuck_guest_whose_storage_is_back_goes_on(machines):
    machines.do(machines.build("s"))
    machines.world.run(until=machines.now + 60)
    stuck = machines.impose(machines.first, "stuck_guests", 1.0, Layer.OS)
    attaching = machines.begin(machines.first.attach_device(machines.context(), "s", "vol"))
    machines.world.run(until=machines.now + 100)
    assert not attaching
    machines.first.lift(stuck)
    machines.world.run(until=machines.now + 5)
    assert machines.plane.reaches("s").ok
    assert machines.first.domains["s"].devices == ["vol"]


def test_a_hard_reboot_does_not_quieten_a_tenant_and_a_deletion_does(machines):
    machines.do(machines.build("s"))
    for name, value in (("noisy_guests", 1.0), ("guest_cpu", 1.0), ("guest_streams", 4.0)):
        machines.impose(machines.first, name, value, Layer.DEMAND)
    for _ in range(2):
        assert machines.first.domains["s"].demand_streams == 4.0
        machines.do(machines.first.destroy(machines.context(), "s"))
        machines.do(machines.first.undefine(machines.context(), "s"))
        assert machines.world.truth.active
        machines.do(machines.first.define_and_start(machines.context(), "s", "instance-s", 2 * 2**30, 1))
        machines.do(machines.first.resume_domain(machines.context(), "s"))
    machines.world.run(until=machines.now + 300)
    assert machines.world.truth.active
    machines.do(machines.first.destroy(machines.context(), "s"))
    machines.do(machines.first.undefine(machines.context(), "s"))
    machines.world.run(until=machines.now + 300)
    assert not machines.world.truth.active


def test_an_audit_sees_the_host_and_waits_while_the_daemon_hangs(machines):
    machines.do(machines.build("s"))
    info = machines.do(machines.first.host_info(machines.context()))
    assert (info.vcpus, info.memory_mb, info.running_vms) == (16, int(64e9 / 2**20), 1)
    assert 0 < info.memory_mb_used < info.memory_mb
    assert 0 < info.local_gb_used < info.local_gb
    machines.impose(machines.first, "libvirt_hang", 1.0)
    with pytest.raises(TimeoutError):
        machines.do(machines.first.host_info(machines.context()), until=machines.now + 60)
