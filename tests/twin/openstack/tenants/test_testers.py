"""Testers on a cloud on paper: what they ask, what they note, when they stop, and that they clean up."""

from __future__ import annotations

from itertools import pairwise

import pytest

from twin.mechanics.tenants import POLL_WAITS
from twin.openstack.oslo.wsgi import Response
from twin.openstack.tenants.workload import TESTS


@pytest.mark.parametrize("name", TESTS)
def test_a_run_on_a_cloud_that_works_passes_all_checks_and_leaves_nothing(run, name):
    done = run(TESTS[name], name)
    assert done.trial.well and done.trial.phase == "done"
    left = {kind: rows for kind, rows in done.cloud.rows.items() if rows}
    assert list(left) == ["networks"] and list(left["networks"]) == ["public-id"]


@pytest.mark.parametrize("name", TESTS)
def test_every_request_of_a_run_is_counted_once(run, name):
    done = run(TESTS[name], name)
    requests = done.requests
    assert requests.sent == len(done.cloud.asked) == done.trial.requests
    assert requests.in_flight == 0 and requests.failed == requests.timed_out == 0
    assert requests.answered == requests.sent


def test_a_deployment_is_as_much_as_in_the_studies(run):
    """36 commands beside 14 to 16 polls; nine of theirs make and delete domain, project, user and role."""
    trial = run(TESTS["deployment"]).trial
    assert trial.commands - trial.polls + 9 == pytest.approx(36, abs=3)
    assert trial.polls == pytest.approx(15, abs=2)
    assert 8.0 <= trial.seconds / trial.commands <= 15.0


def test_names_are_looked_up_as_ids_first(run):
    done = run(TESTS["deployment"])
    refused = [asked for asked, status in zip(done.cloud.asked, done.cloud.statuses, strict=True) if status == 404]
    assert len(refused) > 15
    assert all(operation.endswith(".show") for operation in refused)
    assert refused.count("volumes.show") >= 1 and refused.count("networks.show") >= 5


def test_the_load_stops_at_the_first_error_of_the_api(cloud, run):
    cloud.answers["routers.create"] = lambda given: Response(500, message="Request Failed")
    done = run(TESTS["deployment"])
    (error,) = done.trial.api_errors
    assert (error.kind, error.service, error.operation, error.status) == (
        "api",
        "neutron-server",
        "routers.create",
        500,
    )
    assert done.trial.phase == "router create" and not done.trial.well and not done.trial.silent
    assert "servers.create" not in cloud.asked
    assert done.requests.failed == 1


def test_a_stopped_load_leaves_what_it_made_until_it_is_swept(cloud, run):
    cloud.answers["servers.create"] = lambda given: Response(504)
    done = run(TESTS["deployment"])
    assert done.trial.api_errors[0].kind == "timeout"
    assert len(cloud.rows["images"]) == len(cloud.rows["routers"]) == 1
    cloud.world.clock.process(done.tester.sweep())
    cloud.world.clock.run()
    assert [kind for kind, rows in cloud.rows.items() if rows] == ["networks"]


def test_a_state_that_never_comes_is_polled_five_times_and_then_noted(cloud, run):
    cloud.answers["images.list"] = lambda given: Response(
        200, [row | {"status": "queued"} for row in cloud.rows["images"].values()]
    )
    done = run(TESTS["deployment"])
    (failed,) = done.trial.failed_checks
    assert (failed.name, failed.seen) == ("image active", "queued")
    assert done.trial.silent and done.trial.phase == "done"
    looks = [i for i, asked in enumerate(cloud.asked) if asked == "images.list"]
    assert len(looks) >= len(POLL_WAITS)


def test_polls_come_after_0_2_4_6_and_8_seconds(cloud, run):
    looked = []
    cloud.connected = False
    reaches = cloud.reaches
    cloud.reaches = lambda server: (looked.append(cloud.world.now), reaches(server))[1]
    done = run(TESTS["network"], "network")
    assert [failed.name for failed in done.trial.failed_checks] == ["ssh"]
    assert [round(b - a, 6) for a, b in pairwise(looked)] == [15.0 + wait for wait in POLL_WAITS[1:]]


def test_a_client_stumbles_over_an_answer_of_a_broken_program(cloud, run):
    cloud.answers["networks.create"] = lambda given: Response(201, None)
    cloud.mutated = True
    error = run(TESTS["deployment"]).trial.api_errors[0]
    assert error.status == 0 and "TypeError" in error.message and error.operation == "network create"


def test_an_answer_that_makes_no_sense_is_a_bug_of_the_twin_where_nothing_was_mutated(cloud, run):
    cloud.answers["subnets.create"] = lambda given: Response(201, None)
    with pytest.raises(TypeError):
        run(TESTS["network"], "network")


def test_a_token_is_renewed_when_it_is_refused(cloud, run):
    refused = iter([401])

    def once(given):
        status = next(refused, 0)
        return Response(401) if status else cloud.answer("keypairs.create", given)

    cloud.answers["keypairs.create"] = once
    done = run(TESTS["deployment"])
    assert done.trial.well
    at = cloud.asked.index("keypairs.create")
    assert cloud.asked[at : at + 3] == ["keypairs.create", "token", "keypairs.create"]
