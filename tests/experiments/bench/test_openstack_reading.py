"""What the OpenStack benchmark reads out of logs: lines, templates, boots, fault windows."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest

from experiments.bench.openstack import boots, cloudlab, devstack, recording
from experiments.bench.openstack.lines import DEVSTACK, DHCP_OFF, LOGHUB, Line, loghub, parse
from experiments.bench.openstack.lines import devstack as devstack_lines
from experiments.bench.openstack.lines import recording as recorded_lines
from experiments.bench.openstack.measures import jaccard, jensen_shannon, kolmogorov_smirnov, quantile
from experiments.bench.openstack.templates import Templates, loghub_labels, loghub_templates, masked

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
needs_loghub = pytest.mark.skipif(not (DATA / LOGHUB).is_file(), reason="Loghub's log is not there")
needs_devstack = pytest.mark.skipif(not (DATA / DEVSTACK).is_file(), reason="the devstack's logs are not there")
needs_recording = pytest.mark.skipif(
    not (DATA / "openstack-real").is_dir(), reason="the recorded control plane is not there"
)
UUID = "b9000564-fe1a-409b-b8cc-1e88b294cd1d"
OTHER = "96abccce-8d1f-4e07-b6d1-4b2ab87e23b4"


def nova(time: float, text: str, uuid: str = UUID, level: str = "INFO") -> Line:
    return Line(time, "nova-compute", level, "nova.compute.manager", f"[instance: {uuid}] {text}")


def api(time: float, request: str, status: int, took: float = 0.1) -> Line:
    return Line(time, "nova-api", "INFO", "nova", f'10.0.0.1 "{request} HTTP/1.1" status: {status} len: 1 time: {took}')


# --- measures ----------------------------------------------------------------------------------------------------


def test_quantiles_lie_between_the_values_around_them() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([0.0, 10.0], 0.9) == 9.0
    with pytest.raises(ValueError, match="nothing"):
        quantile([], 0.5)


def test_the_divergence_is_0_for_equal_shares_and_1_bit_for_nothing_in_common() -> None:
    assert jensen_shannon({"a": 1, "b": 3}, {"a": 10, "b": 30}) == pytest.approx(0.0)
    assert jensen_shannon({"a": 5}, {"b": 7}) == pytest.approx(1.0)
    halves = jensen_shannon({"a": 1, "b": 1}, {"a": 1})
    assert halves == pytest.approx(0.5 * math.log2(1 / 0.75) + 0.5 * (0.5 * math.log2(0.5 / 0.75) + 0.5))


def test_the_largest_difference_of_two_distributions() -> None:
    assert kolmogorov_smirnov([1.0, 2.0], [1.0, 2.0]) == 0.0
    assert kolmogorov_smirnov([1.0, 2.0], [3.0]) == 1.0
    assert kolmogorov_smirnov([1.0, 2.0, 3.0, 4.0], [2.5]) == 0.5


def test_sets_with_nothing_in_them_are_the_same() -> None:
    assert jaccard([], []) == 1.0
    assert jaccard("ab", "bc") == pytest.approx(1 / 3)


# --- lines -------------------------------------------------------------------------------------------------------


def test_a_line_of_oslo_log_loses_its_date_and_request() -> None:
    line = parse(
        "nova-compute", f"2026-01-01 00:00:03.595 4783 INFO a.b [None req-1 u p - - d d] [instance: {UUID}] Hi"
    )
    assert line is not None
    assert (line.level, line.logger, line.text, line.traceback) == ("INFO", "a.b", f"[instance: {UUID}] Hi", False)
    assert line.time % 60 == pytest.approx(3.595)


def test_a_line_of_a_stack_trace_has_no_request() -> None:
    line = parse("nova-api", "2026-01-01 00:00:03.595 4783 ERROR a.b   File x, line 1")
    assert line is not None
    assert line.traceback
    assert line.level == "ERROR"


def test_a_devstack_line_has_no_time_and_a_continuation_no_head() -> None:
    line = parse("nova-compute", f"INFO nova.compute.claims [req-1] [instance: {UUID}] Claim successful on node n")
    assert line is not None
    assert math.isnan(line.time)
    assert parse("nova-compute", "(Background on this error at: https://sqlalche.me/e/14/e3q8)") is None


def test_levels_of_databases_and_brokers_are_in_square_brackets() -> None:
    mariadb = parse("mariadb", "2026-11-21  0:16:05 119 [Warning] Aborted connection")
    rabbitmq = parse("rabbitmq", "2026-11-21 00:14:34.906296+00:00 [error] <0.1.0> closing AMQP connection")
    assert mariadb is not None
    assert rabbitmq is not None
    assert (mariadb.level, rabbitmq.level) == ("WARNING", "ERROR")
    assert rabbitmq.time % 60 == pytest.approx(34.906, abs=1e-3)


# --- templates ---------------------------------------------------------------------------------------------------


def test_a_line_belongs_to_the_most_literal_template_that_matches_all_of_it() -> None:
    templates = Templates.of({"any": "[<*>] <*>", "took": "[<*>] Took <*>.<*> seconds", "start": "[<*>] Took"})
    assert templates.name("[x] Took 1.25 seconds") == "took"
    assert templates.name("[x] else") == "any"
    assert templates.name("else") is None
    lines = [nova(0.0, "a"), Line(0.0, "s", "INFO", "l", "b")]
    assert templates.count(lines) == {"any": 1, None: 1}


def test_masks_hide_what_varies_and_nothing_else() -> None:
    assert masked(f"[instance: {UUID}] Took 5.19 seconds") == "[instance: <*>] Took <*> seconds"
    assert masked("Deleting /opt/stack/data/x_del") == "Deleting <*>"
    assert masked("Successfully plugged vif VIFOpenVSwitch(active=False,address=fa:16:3e:72:a7:4e)") == masked(
        "Successfully plugged vif VIFOpenVSwitch"
    )
    assert masked("error in neutron_2 agent") == "error in neutron_2 agent"


# --- boots -------------------------------------------------------------------------------------------------------


def test_stages_are_the_seconds_between_the_moments_of_one_server() -> None:
    plugged = Line(4.0, "nova-api", "INFO", "events", f"Creating event network-vif-plugged:{OTHER} for instance {UUID}")
    lines = [
        nova(1.0, "Attempting claim: memory 2048 MB"),
        nova(1.5, "Claim successful on node n"),
        nova(2.0, "VM Started (Lifecycle Event)", OTHER),
        nova(3.0, "VM Paused (Lifecycle Event)"),
        plugged,
        nova(4.25, "VM Resumed (Lifecycle Event)"),
        nova(9.0, "VM Resumed (Lifecycle Event)"),
        nova(9.0, "Took 7.50 seconds to build instance."),
        nova(9.5, "Build failed", level="ERROR"),
    ]
    found = boots.lives(lines)
    assert found[UUID].stages() == {"claim -> claimed": 0.5, "paused -> plugged": 1.0, "plugged -> resumed": 0.25}
    assert boots.took(found, "build") == [7.5]
    assert found[UUID].errors == ["Build failed"]
    assert found[OTHER].stages() == {}


def test_builds_overlap_from_their_claim_to_their_end() -> None:
    lines = [
        nova(0.0, "Claim successful", UUID),
        nova(1.0, "Claim successful", OTHER),
        nova(2.0, "Took 1.00 seconds to build instance.", UUID),
        nova(3.0, "Took 1.00 seconds to build instance.", OTHER),
    ]
    assert boots.overlap(lines) == 1.5
    assert boots.overlap([]) == 0.0


def test_answers_are_counted_by_resource_without_ids() -> None:
    lines = [
        api(0.0, f"GET /v2.1/servers/{UUID}", 404, 0.2),
        api(0.0, f"GET /v2/{'a' * 32}/servers/detail?limit=3", 200, 0.3),
        api(0.0, "GET /v2.1/servers/detail", 200, 0.4),
    ]
    answers = boots.accesses(lines)
    assert answers == {("GET", "/servers/{id}", "404"): [0.2], ("GET", "/servers/detail", "200"): [0.3, 0.4]}
    assert cloudlab.share_of_404(answers) == pytest.approx(1 / 3)


def test_a_server_is_ready_at_the_last_poll_of_the_first_row() -> None:
    lines = [
        api(1.0, "POST /v2.1/servers", 202, 0.5),
        api(2.0, f"GET /v2.1/servers/{UUID}", 200),
        api(3.5, f"GET /v2.1/servers/{UUID}", 200),
        api(30.0, f"GET /v2.1/servers/{UUID}", 200),
        api(31.0, f"GET /v2.1/servers/{UUID}", 404),
    ]
    assert boots.ready_times(lines) == [(0.5, 3.5)]


def test_only_the_three_errors_in_their_order_are_the_chain() -> None:
    whole = boots.Life(errors=[f"{start} and more" for start in devstack.CHAIN])
    part = boots.Life(errors=[devstack.CHAIN[0]])
    other = boots.Life(errors=list(reversed(devstack.CHAIN)))
    assert devstack.chained([whole, part, other, boots.Life()]) == (pytest.approx(1 / 3), 3)
    assert devstack.chained([]) == (0.0, 0)


# --- fault windows -----------------------------------------------------------------------------------------------


def test_a_service_errs_where_its_rate_is_above_what_it_was_before() -> None:
    window = recording.Window("db", 100.0, 120.0, 150.0)

    def errors(service: str, *times: float) -> list[Line]:
        return [Line(time, service, "ERROR", "l", "t") for time in times]

    lines = errors("noisy", *range(0, 200, 2)) + errors("hit", 101.0, 102.0) + errors("late", 151.0)
    assert recording.erring(lines, [window], since=0.0) == [{"hit"}]


def test_after_effects_end_where_the_next_fault_begins() -> None:
    events = [
        {"event": "injected", "name": "a", "t": 10.0},
        {"event": "restarted", "name": "a", "t": 30.0},
        {"event": "injected", "name": "b", "t": 50.0},
        {"event": "restarted", "name": "b", "t": 60.0},
    ]
    first, second = recording.windows_of(events, began=5.0)
    assert (first.start, first.restart, first.end) == (5.0, 25.0, 45.0)
    assert second.end == 55.0 + recording.AFTERMATH


def test_servers_before_the_first_fault_and_after_the_last_restart_are_normal_running() -> None:
    windows = [recording.Window("a", 100.0, 120.0, 180.0), recording.Window("b", 300.0, 310.0, 370.0)]
    made = [(50.0, 52.0), (98.0, 101.0), (130.0, 133.0), (309.0, 312.0), (311.0, 314.0)]
    assert recording.calm(made, windows) == [2.0, 3.0]


def test_the_recording_names_hosts_from_one() -> None:
    assert recording.as_recorded("nova-compute@compute-0") == "nova-compute-1"
    assert recording.as_recorded("neutron-openvswitch-agent@compute-2") == "neutron-agent-3"
    assert recording.as_recorded("mysql-0") == "mariadb"
    assert recording.as_recorded("keystone") == "keystone"


# --- the real files ----------------------------------------------------------------------------------------------


@needs_loghub
def test_every_line_of_loghub_gets_its_published_template() -> None:
    templates = loghub_templates(DATA)
    assert [templates.name(line.text) for line in loghub(DATA)] == loghub_labels(DATA)


@needs_loghub
def test_the_stages_on_cloudlab_are_the_published_ones() -> None:
    lines = loghub(DATA)
    found = boots.lives(lines)
    stages = boots.stage_times(found)
    assert quantile(stages["image -> started"], 0.5) == pytest.approx(13.02, abs=0.01)
    assert quantile(stages["paused -> plugged"], 0.5) == pytest.approx(6.57, abs=0.01)
    assert len(boots.took(found, "build")) == 22
    assert Counter(line.level for line in lines) == {"INFO": 1969, "WARNING": 31}


@needs_devstack
def test_the_devstack_builds_two_at_once_and_fails_by_a_chain_without_its_agent() -> None:
    lines = devstack_lines(DATA)
    found = boots.lives(lines)
    assert len(boots.took(found, "build")) == 758
    assert quantile(boots.took(found, "spawn"), 0.5) == pytest.approx(37.6, abs=0.1)
    assert 2.0 < boots.overlap(lines) < 2.5
    off = boots.lives(devstack_lines(DATA, DHCP_OFF))
    assert devstack.chained(off.values()) == (1.0, 199)


@needs_recording
def test_polls_in_the_log_tell_what_the_client_of_the_recording_saw() -> None:
    ready = boots.ready_times(line for line in recorded_lines(DATA) if line.service == "nova-api")
    assert [seen - asked for asked, seen in ready[:4]] == pytest.approx([1.69, 3.75, 3.92, 1.74], abs=0.02)
