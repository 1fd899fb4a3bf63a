"""Users wait, lose patience and ask again; what they ask changes under faults; noise is no fault."""

from __future__ import annotations

from itertools import pairwise

import pytest

from twin.actions import Action
from twin.inference.clients import ATTEMPT, RESERVE
from twin.inference.surge import ABUSE, SURGE
from twin.world import World

FRONT = {"components": ["nginx-proxy"]}
SMALL = {"kind": "inference", "preset": "small", "replicas": 1, "spares": 0}
"""One replica, which can do about 4.5 calls a second of the workload below."""

HALF_LOAD = {"arrivals": {"poisson": "2/s"}, "prompt": 512, "output": 64, "clientTimeout": "10s"}
RETRIES = {"max": 6, "backoff": "1s"}


def live(scenario, until=None, seed=1, act=None):
    """(world, every request sent)."""
    world = World(scenario, seed=seed)
    sent = []
    submit = world.cluster.gateway.submit
    world.cluster.gateway.submit = lambda r: (sent.append(r), submit(r))
    if act is not None:
        time, action = act
        world.run(time)
        assert world.apply(action).legal
    world.run(until)
    return world, sent


def demand(fault, action, **fields):
    return fault("WorkloadChaos", action, selector=FRONT, **fields)


def asked(requests):
    return [(r.id, r.arrived, r.prompt, r.output) for r in requests]


def last_violation(world):
    return max((i + 1 for i, violated in enumerate(world.slo.violated) if violated), default=0)


# --- who comes ------------------------------------------------------------------------------------------------------


def test_a_closed_loop_never_has_more_under_way_than_it_has_users(inference_scenario):
    workload = {"arrivals": {"concurrency": {"users": 20, "think": "1s", "ramp": "10s"}}, "prompt": 256, "output": 64}
    _, sent = live(inference_scenario(workload=workload), 100)
    events = sorted([(r.arrived, 1) for r in sent] + [(r.ended, -1) for r in sent if r.ended is not None])
    under_way = peak = 0
    for _, step in events:
        under_way += step
        peak = max(peak, under_way)
    assert peak <= 20 and len({r.client for r in sent}) == 20
    assert sent[0].arrived == 0.0 and sent[1].arrived == pytest.approx(0.5)  # they come over the ramp
    # Little's law over the closed loop: users = throughput x (response + think time)
    ended = [r for r in sent if r.ended is not None and r.arrived > 20]
    response = sum(r.ended - r.arrived for r in ended) / len(ended)
    throughput = len(ended) / (100 - 20 - response)
    assert throughput * (response + 1.0) == pytest.approx(20, rel=0.12)


def test_a_next_turn_repeats_what_was_said(inference_scenario):
    workload = {"arrivals": {"poisson": "0.5/s"}, "prompt": 100, "output": 50}
    workload |= {"conversations": {"turns": 4, "think": "1s"}, "prefix": {"groups": 2, "tokens": 64}}
    _, sent = live(inference_scenario(workload=workload), 200)
    talks: dict[str, list] = {}
    for request in sent:
        (system, shared), (talk, whole) = request.prefix
        assert str(system).startswith("system") and shared == 64 and whole == request.prompt + request.output
        talks.setdefault(talk, []).append(request)
    assert max(len(turns) for turns in talks.values()) > 2
    for turns in talks.values():
        for before, after in pairwise(turns):
            assert after.prompt == before.prompt + before.output + 100
            assert after.arrived > before.ended and after.client == before.client
    begun = [turns for turns in talks.values() if turns[0].arrived < 140]
    assert sum(map(len, begun)) / len(begun) == pytest.approx(4, rel=0.4)


# --- patience -------------------------------------------------------------------------------------------------------


def test_a_client_that_waited_too_long_hangs_up_and_that_is_a_failure(inference_scenario, fault):
    workload = {"arrivals": {"constant": "1/s"}, "prompt": 512, "output": 128, "clientTimeout": "5s"}
    slow = fault("GPUChaos", "powerCap", powerLimit="75W")
    world, sent = live(inference_scenario(slow, workload=workload, cluster=SMALL | {"replicas": 2}), 200)
    gone = [r for r in sent if r.status == 499]
    assert gone and all(r.ended - r.arrived == pytest.approx(5.0) for r in gone)
    clients = world.cluster.clients
    assert clients.impatient == len(gone) == clients.given_up  # nobody tries again unless told to
    assert clients.calls == clients.succeeded + clients.given_up + clients.waiting
    assert sum(world.slo.loss) > 0


def test_a_client_may_wait_for_the_first_token_only_so_long(inference_scenario):
    workload = {"arrivals": {"constant": "10/s"}, "prompt": 2048, "output": 16, "firstTokenTimeout": "3s"}
    _, sent = live(inference_scenario(workload=workload, cluster=SMALL), 60)
    gone = [r for r in sent if r.status == 499]
    assert gone and all(r.ended - r.arrived == pytest.approx(3.0) for r in gone)
    assert all(r.first_token is None or r.first_token > r.ended for r in gone)  # it came out of the step in progress
    assert any(r.status == 200 and r.ended - r.arrived > 3.0 for r in sent)


def test_a_token_that_is_still_on_its_way_is_waited_for_no_longer(inference_scenario, fault):
    workload = {"arrivals": {"constant": "1/s"}, "prompt": 64, "output": 8, "firstTokenTimeout": "2s"}
    late = fault(
        "NetworkChaos", "delay", at="30s", selector={"pods": {"ray": ["ray-replicas-0"]}}, delay={"latency": "5s"}
    )
    _, sent = live(inference_scenario(late, workload=workload, cluster=SMALL), 60)
    gone = [r for r in sent if r.status == 499]
    assert all(r.ended - r.arrived == pytest.approx(2.0) for r in gone)
    assert gone and {r.id for r in gone} >= {r.id for r in sent if 30 < r.arrived < 57}
    assert min(r.arrived for r in gone) > 25


def test_a_retry_is_a_new_request_of_the_same_call_after_a_growing_pause(inference_scenario, fault):
    workload = {"arrivals": {"constant": "0.5/s"}, "prompt": 64, "output": 8}
    workload |= {"retries": {"max": 3, "backoff": "1s", "maxBackoff": "3s", "jitter": "50%"}}
    crash = fault("ProcessChaos", "crash", layer="container", selector={"components": ["ray-head"]})
    world, sent = live(inference_scenario(crash, workload=workload), 120)
    calls: dict[int, list] = {}
    for request in sent:
        calls.setdefault(request.id % ATTEMPT, []).append(request)
    failed = [attempts for attempts in calls.values() if attempts[-1].status >= 500 and attempts[0].arrived < 100]
    assert failed and all(len(attempts) == 4 for attempts in failed)
    for attempts in failed:
        assert {(a.prompt, a.output, a.client) for a in attempts} == {(64, 8, attempts[0].client)}
        pauses = [b.arrived - a.ended for a, b in pairwise(attempts)]
        for pause, whole in zip(pauses, (1.0, 2.0, 3.0), strict=True):
            assert 0.5 * whole <= pause <= whole
    assert world.cluster.clients.attempts == len(sent)


def test_a_budget_keeps_retries_few(inference_scenario, fault):
    def retries(budget):
        workload = {"arrivals": {"constant": "2/s"}, "prompt": 64, "output": 8}
        workload |= {"retries": {"max": 5, "budget": budget} if budget else {"max": 5}}
        crash = fault("ProcessChaos", "crash", layer="container", selector={"components": ["ray-head"]})
        clients = live(inference_scenario(crash, workload=workload), 200)[0].cluster.clients
        return clients.attempts - clients.calls, clients.calls

    unlimited, calls = retries(None)
    limited, _ = retries("10%")
    assert unlimited > calls
    assert 0 < limited <= RESERVE + 0.1 * calls


# --- faults of the demand -------------------------------------------------------------------------------------------


def test_a_crowd_adds_calls_and_leaves_the_usual_ones_alone(inference_scenario, fault):
    """Arrivals before the fault, and the base arrivals during it, are the same luck; more is a superset of less."""
    quiet = asked(live(inference_scenario(), 200)[1])
    crowds = []
    for factor in (3, 6):
        crowd = demand(fault, "flashCrowd", factor=factor, duration="60s")
        sent = asked(live(inference_scenario(crowd), 200)[1])
        assert [a for a in sent if a[0] < SURGE] == quiet
        extra = [a for a in sent if a[0] >= SURGE]
        assert all(60.0 <= arrived < 120.0 for _, arrived, _, _ in extra)
        assert len(extra) == pytest.approx((factor - 1) * 4 * 60, rel=0.15)
        crowds.append(set(extra))
    assert crowds[0] < crowds[1]


def test_nothing_in_the_log_tells_the_crowd_from_the_others(inference_scenario, fault):
    """nginx numbers connections as they come, whoever comes."""
    workload = {"arrivals": {"poisson": "4/s"}, "prompt": 512, "output": 128, "retries": {"max": 2}}
    crash = {**fault("ProcessChaos", "crash", at="90s", selector={"components": ["ray-head"]}), "name": "crash"}
    crowd = demand(fault, "flashCrowd", factor=3, duration="60s")
    world, sent = live(inference_scenario(crowd, crash, workload=workload), 150)
    errors = [
        line.text for line in world.log_lines(0, 150) if line.component == "nginx-proxy" and "[error]" in line.text
    ]
    numbers = [int(text.split("*", 1)[1].split(" ", 1)[0]) for text in errors if "*" in text]
    assert numbers and max(numbers) <= len(sent)


def test_another_fault_changes_nobody_of_the_crowd(inference_scenario, fault):
    crowd = demand(fault, "flashCrowd", factor=3, duration="60s")
    other = {**fault("GPUChaos", "fallOffBus", at="70s"), "name": "other"}
    alone, together = (asked(live(inference_scenario(*faults), 150)[1]) for faults in ((crowd,), (crowd, other)))
    assert alone == together


def test_a_crowd_may_gather_slowly(inference_scenario, fault):
    crowd = demand(fault, "flashCrowd", factor=5, ramp="60s", duration="120s")
    extra = [r.arrived for r in live(inference_scenario(crowd), 200)[1] if r.id >= SURGE]
    by_20s = [sum(60 + 20 * i <= t < 80 + 20 * i for t in extra) for i in range(6)]
    expected = [16 * 20 * share for share in (1 / 6, 3 / 6, 5 / 6, 1, 1, 1)]
    assert by_20s == pytest.approx(expected, rel=0.25)


def test_a_crowd_follows_the_usual_rate(inference_scenario, fault):
    """Twice as many: during a rising hour, the crowd rises with the others."""
    profile = [{"at": "0s", "rate": "1/s"}, {"at": "60s", "rate": "1/s"}, {"at": "160s", "rate": "9/s"}]
    workload = {"arrivals": {"profile": profile}, "prompt": 64, "output": 8}
    crowd = demand(fault, "flashCrowd", factor=2, duration="100s")
    extra = [r.arrived for r in live(inference_scenario(crowd, workload=workload), 200)[1] if r.id >= SURGE]
    assert sum(t < 110 for t in extra) == pytest.approx(150, rel=0.25)
    assert sum(t >= 110 for t in extra) == pytest.approx(350, rel=0.2)


def test_a_closed_loop_can_be_crowded_too(inference_scenario, fault):
    workload = {"arrivals": {"concurrency": {"users": 4, "think": "1s"}}, "prompt": 64, "output": 8}
    crowd = demand(fault, "flashCrowd", factor=3, duration="60s")
    sent = live(inference_scenario(crowd, workload=workload), 150)[1]
    before = sum(r.arrived < 60 for r in sent)
    assert sum(r.id >= SURGE for r in sent) == pytest.approx(2 * before, rel=0.25)


def test_two_crowds_multiply(inference_scenario, fault):
    first = demand(fault, "flashCrowd", factor=2)
    second = {**demand(fault, "flashCrowd", factor=3, at="120s"), "name": "second"}
    extra = [r.arrived for r in live(inference_scenario(first, second), 180)[1] if r.id >= SURGE]
    assert sum(t < 120 for t in extra) == pytest.approx(4 * 60, rel=0.2)
    assert sum(t >= 120 for t in extra) == pytest.approx(5 * 4 * 60, rel=0.15)


@pytest.mark.parametrize(("action", "field"), [("promptShift", "prompt"), ("outputShift", "output")])
def test_a_share_of_the_calls_changes_its_length(inference_scenario, fault, action, field):
    shift = demand(fault, action, factor=3, share="40%", duration="60s")
    before, after = live(inference_scenario(), 200)[1], live(inference_scenario(shift), 200)[1]
    assert [r.arrived for r in before] == [r.arrived for r in after]
    longer = [b for a, b in zip(before, after, strict=True) if getattr(b, field) != getattr(a, field)]
    assert all(60 <= r.arrived < 120 and getattr(r, field) == 3 * {"prompt": 512, "output": 128}[field] for r in longer)
    during = [r for r in before if 60 <= r.arrived < 120]
    assert len(longer) / len(during) == pytest.approx(0.4, abs=0.1)


def test_an_abusive_client_asks_too_much_from_one_address(inference_scenario, fault):
    abuse = demand(fault, "abusiveClient", rate="2/s", prompt=4000, output=10, duration="60s")
    sent = live(inference_scenario(abuse), 200)[1]
    abusive = [r for r in sent if r.id >= ABUSE]
    assert len(abusive) == pytest.approx(120, rel=0.25)
    assert {(r.prompt, r.output, r.client) for r in abusive} == {(4000, 10, abusive[0].client)}
    assert asked(r for r in sent if r.id < ABUSE) == asked(live(inference_scenario(), 200)[1])


def test_clients_that_wait_less_and_retry_more_come_and_go(inference_scenario, fault):
    workload = HALF_LOAD | {"clientTimeout": "30s", "retries": {"max": 1}}
    storm = demand(fault, "retryStorm", retries=4, timeout="1s", backoff=0.1, duration="60s")
    world, sent = live(inference_scenario(storm, workload=workload, cluster=SMALL), 200)
    attempts = [r.id // ATTEMPT for r in sent]
    assert max(attempts) == 5  # one retry as before and four more
    waited = [r.ended - r.arrived for r in sent if r.status == 499 and 61 < r.arrived < 119]
    assert waited and max(waited) == pytest.approx(1.0)
    assert world.truth.incidents["fault"].family == "workload"


def test_no_operator_takes_demand_back(inference_scenario, fault):
    crowd = demand(fault, "flashCrowd", factor=2)
    world, _ = live(inference_scenario(crowd), 120, act=(80, Action("recreate", "nginx-proxy", "immediate")))
    assert world.truth.incidents["fault"].cleared is None
    assert world.cluster.gateway.value("arrival_rate") == 2.0


# --- metastability --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crowded():
    """A crowd of 30 s on one replica at half load."""
    return {"horizon": "400s", "cluster": SMALL, "slo": {"ttftP99": "2s", "e2eP99": "10s"}}


def trigger(fault):
    return demand(fault, "flashCrowd", factor=6, at="100s", duration="30s")


def test_without_retries_the_service_recovers_by_itself(inference_scenario, fault, crowded):
    world, _ = live(inference_scenario(trigger(fault), workload=HALF_LOAD, **crowded))
    assert 130 < last_violation(world) < 180


def test_retries_keep_the_overload_alive_when_its_cause_has_gone(inference_scenario, fault, crowded):
    """Metastable: the same load that was served before the crowd is not served after it, with nothing wrong."""
    world, sent = live(inference_scenario(trigger(fault), workload=HALF_LOAD | {"retries": RETRIES}, **crowded))
    assert not world.truth.active and not any(world.slo.violated[60:100])
    assert all(world.slo.violated[140:400])
    late = [r for r in sent if 300 <= r.arrived < 380]
    calls = {r.id % ATTEMPT for r in late if r.id < ATTEMPT}
    assert len(late) > 3 * 2 * 80 and len(calls) == pytest.approx(160, rel=0.25)  # the users' calls are as few as ever


def test_shedding_load_ends_it(inference_scenario, fault, crowded):
    scenario = inference_scenario(trigger(fault), workload=HALF_LOAD | {"retries": RETRIES}, **crowded)
    """Letting in less than the capacity for a minute, retries included, is enough; less than half of them is not."""
    for rate, ends in ((3.0, True), (8.0, False)):
        world = World(scenario, seed=1)
        world.run(200)
        world.cluster.gateway.rate_limit = rate
        world.run(260)
        world.cluster.gateway.rate_limit = None
        world.run()
        assert (last_violation(world) < 290) == ends, rate


def test_restarting_does_not_end_it(inference_scenario, fault, crowded):
    scenario = inference_scenario(trigger(fault), workload=HALF_LOAD | {"retries": RETRIES}, **crowded)
    world, _ = live(scenario, act=(200, Action("restart", "ray-replicas-0", "immediate")))
    assert world.slo.violated[-1]


# --- noise ----------------------------------------------------------------------------------------------------------


def test_noise_is_off_by_default_and_touches_no_call(inference_scenario):
    quiet, plain = live(inference_scenario(), 200)
    noisy, sent = live(inference_scenario(noise={"malformed": "5%", "healthChecks": "10s", "crawlers": "0.1/s"}), 200)
    assert asked(plain) == asked(sent)
    visits = noisy.cluster.gateway.accepted - quiet.cluster.gateway.accepted
    assert visits == pytest.approx(0.05 * len(plain) + 20 + 20, rel=0.4)
    text = [line.text for line in noisy.log_lines(0, 200) if line.component == "nginx-proxy"]
    assert sum('"GET /health HTTP/1.1" 200' in line for line in text) == 20
    assert any('"GET /' in line and " 404 " in line for line in text)
    assert quiet.slo.loss == noisy.slo.loss


def test_users_who_cancel_are_nobodys_failure(inference_scenario):
    world, sent = live(inference_scenario(noise={"cancelled": "20%"}), 200)
    cancelled = [r for r in sent if r.status == 499]
    assert len(cancelled) / len(sent) == pytest.approx(0.1, abs=0.08)  # many have their answer before they would
    assert world.cluster.clients.cancelled == len(cancelled)
    assert sum(world.slo.loss) == 0


def test_a_deployment_replaces_each_replica_once_and_is_no_incident(inference_scenario):
    workload = {"arrivals": {"poisson": "1/s"}, "prompt": 512, "output": 64}
    noise = {"rollouts": [{"at": "50s", "pause": "5s"}]}
    world, _ = live(inference_scenario(noise=noise, workload=workload, horizon="600s"))
    assert not world.truth.incidents
    (event,) = world.truth.benign
    assert event.targets == ("ray-replicas-0", "ray-replicas-1", "ray-replicas-2")
    assert event.started == 50.0 and event.ended is not None and event.ended < 600
    born = [world.components[name].started_at for name in event.targets]
    assert born == sorted(born) and min(born) > 50
    assert all(b - a > 15 for a, b in pairwise(born))  # one after the other
