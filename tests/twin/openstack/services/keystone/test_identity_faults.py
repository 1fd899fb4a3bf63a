"""IdentityChaos in scenarios: where it lands, and which of an operator's actions ends it."""

from __future__ import annotations

import pytest

from twin.actions import Action
from twin.openstack.oslo.clients import TLS_FAILED
from twin.scenario.errors import ScenarioError


def _fault(component, action, **fields):
    selector = {"components": [component]}
    return {"name": "fault", "kind": "IdentityChaos", "action": action, "at": "30s", "selector": selector, **fields}


def _statuses(client, asked=12):
    """What a client with a new token each time is answered."""
    statuses = set()
    for _ in range(asked):
        client.token = ""
        answer = client.ask("keystone", "token", "POST", "/v3/auth/tokens")
        client.token = answer.body["id"] if answer.status == 201 else ""
        statuses.add(client.ask("cinder-api", "volumes.list").status)
    return statuses


def _incidents(world):
    return list(world.truth.incidents.values())


def _order(client, category, target):
    client.world.apply(Action(category, target))
    client.wait(400)


@pytest.mark.parametrize(("category", "cured"), [("restart", False), ("rollback-config", True)])
def test_keys_out_of_step_outlive_a_restart_and_end_with_the_last_revision(quiet_world, user_of, category, cured):
    client = user_of(quiet_world(_fault("keystone", "tokenFailure", share=0.5)))
    assert 401 in _statuses(client)
    _order(client, category, "keystone")
    assert (_statuses(client) == {200}) is cured
    assert _incidents(client.world)[0].family == "identity"


@pytest.mark.parametrize(("category", "cured"), [("restart", False), ("renew-certificate", True)])
def test_an_expired_certificate_is_renewed(quiet_world, user_of, category, cured):
    client = user_of(quiet_world(_fault("nova-api", "certificateExpired")))
    assert client.world.components["haproxy"].value("certificate_expired")
    assert client.ask("cinder-api", "volumes.list").status == TLS_FAILED
    _order(client, category, "haproxy")
    assert (client.ask("cinder-api", "volumes.list").status == 200) is cured


def test_a_certificate_may_expire_only_where_there_is_one(quiet_world):
    with pytest.raises(ScenarioError, match="an API service or haproxy"):
        quiet_world(_fault("nova-scheduler", "certificateExpired"))
    with pytest.raises(ScenarioError, match="keystone"):
        quiet_world(_fault("nova-api", "tokenFailure"))
