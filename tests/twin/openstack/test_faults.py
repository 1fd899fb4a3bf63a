"""What faults do to the site, and which actions undo them."""

from __future__ import annotations

from statistics import median

from twin import Action
from twin.process import State
from twin.telemetry.records import Level


def _api_times(world, start, end):
    records = world.recorder.logs_between(start, end)
    return [record.args[8] for record in records if record.template.id == "nova.access"]


def _templates(world, start, end, component=""):
    records = world.recorder.logs_between(start, end)
    return [record.template.id for record in records if record.component.startswith(component)]


def test_slow_mysql_slows_the_apis_and_says_nothing(openstack_world, on):
    world = openstack_world(on("mysql-0", "DatabaseChaos", "slow", factor=40))
    world.run(until=240)
    assert median(_api_times(world, 120, 240)) > 4 * median(_api_times(world, 0, 120))
    assert sum(world.slo.violated[120:]) > 60
    assert not _templates(world, 120, 240, "mysql")


def test_restarting_mysql_ends_the_slowness_and_costs_some_requests(openstack_world, on):
    world = openstack_world(on("mysql-0", "DatabaseChaos", "slow", factor=40))
    world.run(until=240)
    ticket = world.apply(Action("restart", "mysql-0"))
    world.run(until=440)
    assert ticket.relieved
    assert not world.truth.active
    broken = {r.component for r in world.recorder.logs_between(240, 260) if r.template.level is Level.ERROR}
    assert {"nova-conductor", "cinder-scheduler"} <= broken
    assert "neutron-server" not in broken  # which takes a lost connection for something that passes, and tries again
    assert median(_api_times(world, 330, 420)) < 0.3
    assert not any(world.slo.violated[380:440])  # by then the builds that began in the slowness are through


def test_a_crash_heals_itself_under_the_supervisor(openstack_world, on):
    world = openstack_world(on("nova-compute@compute-0", "ProcessChaos", "crash"))
    world.run(until=150)
    assert world.components["nova-compute@compute-0"].state is State.RUNNING
    assert world.truth.incidents["fault"].cleared_by == "supervisor"


def test_a_broken_container_outlives_a_restart_and_not_a_recreation(openstack_world, on):
    world = openstack_world(on("nova-compute@compute-0", "ProcessChaos", "crash", layer="container"))
    compute = world.components["nova-compute@compute-0"]
    world.run(until=150)
    world.apply(Action("restart", compute.name, "immediate"))
    world.run(until=200)
    assert compute.state is not State.RUNNING
    world.apply(Action("recreate", compute.name, "immediate"))
    world.run(until=240)
    assert compute.state is State.RUNNING
    assert world.truth.incidents["fault"].cleared_by == f"recreate {compute.name}"


def test_nova_believes_in_a_dead_compute_for_a_minute(openstack_world, on):
    world = openstack_world(on("nova-compute@compute-0", "ProcessChaos", "crash", layer="container"))
    site = world.cluster.site
    world.run(until=165)
    assert site.heard_from("nova-compute@compute-0")
    world.run(until=185)
    assert not site.heard_from("nova-compute@compute-0")
    before = len(world.recorder.logs)
    world.run(until=300)
    claims = {r.component for r in world.recorder.logs[before:] if r.template.id == "claim.ok"}
    assert claims == {"nova-compute@compute-1"}
    assert "scheduler.not-heard" in _templates(world, 185, 300, "nova-scheduler")
    assert any(alarm.rule == "NovaAgentDown" for alarm in world.recorder.alarms)


def test_messages_for_a_dead_compute_wait_in_its_queue(openstack_world, on):
    fault = on("nova-compute@compute-0", "ProcessChaos", "crash", layer="container")
    world = openstack_world(fault, rate="0.4/s")
    world.run(until=170)
    queue = world.cluster.site.broker.queues["compute.compute-0"]
    assert {"build_and_run_instance", "terminate_instance"} & {message.method for message in queue}
    assert queue.leader.sample()[0] == len(queue)


def test_a_call_without_an_answer_times_out_after_a_minute(openstack_world, on):
    world = openstack_world(on("nova-conductor", "ProcessChaos", "crash", layer="container"))
    world.run(until=215)
    lost = [r for r in world.recorder.logs if r.template.id == "report.lost"]
    assert lost
    assert all(180.0 <= record.time <= 195.0 for record in lost)
    assert "Timed out waiting for a reply to message ID" in str(lost[0].args[3])


def test_late_answers_find_nobody(openstack_world, on):
    world = openstack_world(on("mysql-0", "DatabaseChaos", "slow", factor=1000, duration="100s"))
    world.run(until=330)
    assert "amqp.late" in _templates(world, 190, 330, "nova-compute")


def test_clients_of_a_dead_broker_go_on_to_the_next_node(openstack_world, on):
    world = openstack_world(on("rabbitmq-0", "ProcessChaos", "crash"))
    world.run(until=119)
    clients = list(world.cluster.site.broker.nodes[0].connections)
    world.run(until=260)
    assert clients
    for name in clients:
        templates = _templates(world, 119, 260, name)
        assert "amqp.unreachable" in templates
        assert "amqp.reconnected" in templates
        assert world.components[name].connected


def test_clients_of_the_only_broker_try_until_it_is_back(openstack_world, on):
    fault = on("rabbitmq-0", "ProcessChaos", "crash")
    world = openstack_world(fault, cluster={"kind": "openstack", "preset": "small", "controllers": 1})
    world.run(until=260)
    for name in ("nova-api", "nova-conductor", "nova-compute@compute-1"):
        templates = _templates(world, 119, 260, name)
        assert templates.count("amqp.unreachable") >= 2
        assert "amqp.reconnected" in templates
        assert world.components[name].connected


def test_requests_are_conserved_through_faults(openstack_world, on):
    for name in ("nova-api", "mysql-0", "rabbitmq-0", "keystone", "neutron-server"):
        world = openstack_world(on(name, "ProcessChaos", "crash"), rate="0.3/s")
        world.run(until=230)
        requests = world.cluster.workload.requests
        assert requests.sent == requests.answered + requests.failed + requests.timed_out + requests.in_flight
        assert 0 <= requests.in_flight < 60
        assert requests.failed + requests.timed_out > 0 or name == "rabbitmq-0"
        for service in ("keystone", "nova-api", "placement", "glance-api", "neutron-server"):
            assert 0 <= world.components[service].in_flight < 60


def test_a_stressed_host_builds_slowly(openstack_world):
    stress = {
        "name": "fault",
        "kind": "StressChaos",
        "selector": {"nodes": ["compute-0"]},
        "at": "120s",
        "stressors": {"memory": {"size": "57GB", "growth": "10GB"}},
    }
    world = openstack_world(stress)
    world.run(until=400)
    took = {0: [], 1: []}
    for record in world.recorder.logs_between(160, 400):
        if record.template.id == "build.took":
            took[int(record.component[-1])].append(record.args[3])
    assert median(took[0]) > 1.5 * median(took[1])


# --- networks, names and clocks ----------------------------------------------------------------------------------


def _errors(world, start):
    return [r for r in world.recorder.logs_between(start, world.now) if r.template.level.value in ("ERROR", "CRITICAL")]


def _build_times(world, start, end):
    return [r.args[3] for r in world.recorder.logs_between(start, end) if r.template.id == "build.took"]


def test_a_slow_management_network_delays_builds_and_prints_nothing(openstack_world, on):
    world = openstack_world(on("compute-0", "NetworkChaos", "delay", delay={"latency": "300ms"}))
    world.run(until=300)
    took = {0: [], 1: []}
    for record in world.recorder.logs_between(150, 300):
        if record.template.id == "build.took":
            took[int(record.component[-1])].append(record.args[3])
    assert median(took[0]) > median(took[1]) + 1.0
    assert not _errors(world, 120)


def test_lost_packets_are_sent_again_and_only_delay(openstack_world, on):
    world = openstack_world(on("compute-0", "NetworkChaos", "loss", loss={"loss": "40"}))
    world.run(until=300)
    assert median(_build_times(world, 150, 300)) > median(_build_times(world, 0, 120))
    assert not _errors(world, 120)


def test_a_host_that_is_cut_off_turns_down_and_its_guests_run_on(openstack_world, on):
    cut = on("compute-0", "NetworkChaos", "partition", direction="both", duration="150s")
    world = openstack_world(cut, rate="0.1/s")
    site = world.cluster.site
    world.run(until=200)
    compute = world.components["nova-compute@compute-0"]
    assert not site.heard_from(compute.name)
    assert any(domain.active for domain in compute.libvirt.domains.values())
    assert "amqp.unreachable" in _templates(world, 120, 200, compute.name)
    world.run(until=330)
    assert site.heard_from(compute.name)


def test_names_matter_to_new_connections_only(openstack_world, on):
    world = openstack_world(on("nova-conductor", "DNSChaos", "error"), rate="0.1/s")
    world.run(until=160)
    assert world.components["nova-conductor"].connected
    assert "amqp.unreachable" not in _templates(world, 120, 160)
    world.apply(Action("restart", "nova-conductor", "immediate"))
    world.run(until=200)
    unreachable = [r for r in world.recorder.logs_between(160, 200) if r.template.id == "amqp.unreachable"]
    assert unreachable and all("Lookup timed out" in str(r.args) for r in unreachable)
    assert not world.components["nova-conductor"].connected
    world.apply(Action("recreate", "nova-conductor", "immediate"))  # a new container resolves names
    world.run(until=230)
    assert world.components["nova-conductor"].connected


def test_requests_to_an_api_fail_where_its_name_is_not_found(openstack_world, on):
    world = openstack_world(on("nova-compute@compute-0", "DNSChaos", "error"), rate="0.2/s")
    world.run(until=260)
    traces = [r for r in world.recorder.logs_between(120, 260) if r.component == "nova-compute@compute-0"]
    assert any("Unable to establish connection to http://controller-0:" in str(r.args) for r in traces)


def test_heartbeats_of_another_time_are_none(openstack_world, on):
    for offset in ("90s", "-90s"):
        world = openstack_world(on("nova-conductor", "TimeChaos", timeOffset=offset), rate="0.1/s")
        site = world.cluster.site
        world.run(until=145)
        assert not any(site.heard_from(compute.name) for compute in site.computes.values())
        assert "conductor.set-error" in _templates(world, 120, 145)
    small = openstack_world(on("nova-conductor", "TimeChaos", timeOffset="30s"), rate="0.1/s")
    small.run(until=145)
    assert all(small.cluster.site.heard_from(f"nova-compute@compute-{i}") for i in (0, 1))


# --- overload and drift ------------------------------------------------------------------------------------------


def test_an_api_whose_workers_are_held_takes_requests_and_answers_none(openstack_world, on):
    world = openstack_world(on("nova-api", "ServiceChaos", "busyWorkers"), rate="0.2/s")
    world.run(until=185)
    assert world.components["nova-api"].up
    assert not [r for r in _errors(world, 120) if r.component == "nova-api"]
    assert world.cluster.workload.requests.timed_out > 0
    ticket = world.apply(Action("restart", "nova-api", "immediate"))
    world.run(until=330)
    assert ticket.relieved
    assert not any(world.slo.violated[300:])


def test_a_service_with_a_wrong_password_never_gets_onto_the_bus(openstack_world, on):
    world = openstack_world(on("nova-scheduler", "RolloutChaos", "brokerPassword"), rate="0.1/s")
    world.run(until=200)
    scheduler = world.components["nova-scheduler"]
    assert not scheduler.connected
    lines = [line.text for line in world.log_lines(120, 200) if line.component == "nova-scheduler"]
    assert any("(403) ACCESS_REFUSED - Login was refused" in line for line in lines)
    refused = [r for r in world.recorder.logs_between(120, 200) if r.template.id == "rabbitmq.login-refused"]
    assert refused
    world.apply(Action("restart", "nova-scheduler", "immediate"))
    world.run(until=230)
    assert not scheduler.connected
    world.apply(Action("rollback-config", "nova-scheduler", "immediate"))
    world.run(until=260)
    assert scheduler.connected


def test_hosts_with_a_wrong_allocation_ratio_are_full_and_healthy(openstack_world, on):
    faults = [
        {**on(f"nova-compute@compute-{i}", "RolloutChaos", "cpuAllocationRatio", ratio=0.01), "name": f"fault-{i}"}
        for i in (0, 1)
    ]
    world = openstack_world(*faults, rate="0.1/s")
    world.run(until=220)
    assert {r.component for r in _errors(world, 120)} == {"nova-conductor"}
    assert "conductor.set-error" in _templates(world, 140, 220)
    for i in (0, 1):
        world.apply(Action("rollback-config", f"nova-compute@compute-{i}", "immediate"))
    world.run(until=300)
    assert _build_times(world, 240, 300)
