"""Tokens: issued, validated, cached, expired, revoked; keys out of step, certificates expired, clocks wrong."""

from __future__ import annotations

import pytest

from twin.faults.identity import KINDS, CertificateExpired
from twin.mechanics.layers import Layer
from twin.openstack.oslo.clients import TLS_FAILED


def _login(client):
    """Give a client a token."""
    response = client.ask("keystone", "token", "POST", "/v3/auth/tokens")
    assert response.status == 201
    client.token = response.body["id"]
    return client.token


def _validations(client):
    return client.world.components["keystone"].ledger.received


def test_a_password_costs_more_than_a_token(client):
    started = client.world.now
    token = _login(client)
    hashing = client.world.now - started
    started = client.world.now
    assert client.ask("keystone", "validate", token=token).status == 200
    assert client.world.now - started < hashing / 5


def test_a_service_asks_once_about_a_token_and_again_after_five_minutes(client):
    _login(client)
    before = _validations(client)
    for _ in range(3):
        assert client.ask("cinder-api", "volumes.list").status == 200
    assert _validations(client) - before == 1
    client.wait(310)
    assert client.ask("cinder-api", "volumes.list").status == 200
    assert _validations(client) - before >= 2


def test_a_token_that_keystone_never_issued_is_refused_with_401(client):
    client.token = "f" * 32
    refused = client.ask("cinder-api", "volumes.list")
    assert refused.status == 401
    assert client.said("cinder-api") == [
        "Authorization failed for token: keystonemiddleware.auth_token._exceptions.InvalidToken: "
        "Token authorization failed"
    ]
    assert any("Could not recognize Fernet token" in line for line in client.said("keystone", levels="ERROR"))


def test_a_token_lives_for_an_hour(client):
    _login(client)
    assert client.ask("cinder-api", "volumes.list").status == 200
    client.wait(3595)
    assert client.ask("cinder-api", "volumes.list").status == 200
    client.wait(10)
    assert client.ask("cinder-api", "volumes.list").status == 401  # though it is still in the cache


def test_a_revoked_token_is_refused_once_the_caches_have_forgotten_it(client):
    token = _login(client)
    assert client.ask("cinder-api", "volumes.list").status == 200
    assert client.ask("keystone", "revoke", "DELETE", token=token).status == 204
    assert client.ask("cinder-api", "volumes.list").status == 200
    client.wait(310)
    assert client.ask("cinder-api", "volumes.list").status == 401


def test_a_service_gets_itself_a_new_token_in_time(client):
    client.wait(3700)
    _login(client)
    assert client.ask("cinder-api", "volumes.list").status == 200
    assert client.said("cinder-api", levels="WARNING ERROR CRITICAL") == []


def test_a_clock_that_is_an_hour_ahead_takes_every_token_for_expired(client):
    _login(client)
    client.impose("cinder-api", "container", "clock_offset", 3500.0)
    assert client.ask("cinder-api", "volumes.list").status == 200
    client.impose("cinder-api", "container", "clock_offset", 200.0)
    assert client.ask("cinder-api", "volumes.list").status == 401
    assert client.ask("glance-api", "images.list").status == 200


def test_services_cannot_say_without_keystone(client):
    _login(client)
    client.world.components["keystone"].stop()
    assert client.ask("cinder-api", "volumes.list").status == 503
    said = client.said("cinder-api", levels="WARNING ERROR CRITICAL")
    assert said[0].startswith("Bad response code while validating token: 503")
    assert said[-1].startswith("Unable to validate token: Failed to fetch token data from identity server")


def test_a_service_that_finds_nobody_tries_three_times_more(lonely):
    _login(lonely)
    lonely.world.components["keystone"].stop()
    started = lonely.world.now
    assert lonely.ask("cinder-api", "volumes.list").status == 503
    assert lonely.world.now - started == pytest.approx(0.5 + 1 + 2, abs=0.05)
    (critical,) = lonely.said("cinder-api", levels="WARNING ERROR CRITICAL")
    assert critical.startswith("Unable to validate token: Unable to establish connection to http://10.0.0.10:5000")


def test_a_keystone_that_comes_back_in_time_is_asked(lonely):
    _login(lonely)
    lonely.world.components["keystone"].stop()
    lonely.world.clock.at(lonely.world.now + 1.0, lambda _: lonely.world.components["keystone"].boot())
    assert lonely.ask("cinder-api", "volumes.list").status == 200


# --- keys out of step ----------------------------------------------------------------------------------------------


def _answers(client, asked=40):
    """The statuses of requests with a new token each."""
    statuses = []
    for _ in range(asked):
        _login(client)
        statuses.append(client.ask("cinder-api", "volumes.list").status)
    return statuses


def test_keys_out_of_step_refuse_some_tokens_and_not_others(client):
    client.impose("keystone", "configuration", "fernet_mismatch", 0.5)
    statuses = _answers(client)
    assert {200, 401} <= set(statuses) <= {200, 401, 503}
    assert 5 < statuses.count(200) < 35
    warnings = client.said("keystone", levels="WARNING")
    assert any(line.startswith("Authorization failed. The request you have made requires auth") for line in warnings)
    assert any(line.startswith("Identity response: ") for line in client.said("cinder-api", levels="WARNING"))


def test_the_last_revision_has_one_set_of_keys(client):
    client.impose("keystone", "configuration", "fernet_mismatch", 0.5)
    assert set(_answers(client, 20)) != {200}
    client.world.components["keystone"].renew(frozenset({Layer.CONFIGURATION}), by="rollback-config")
    assert set(_answers(client, 20)) == {200}


# --- certificates --------------------------------------------------------------------------------------------------


def test_nobody_talks_to_an_api_whose_certificate_has_expired(lonely):
    lonely.impose("cinder-api", "credentials", "certificate_expired")
    received = lonely.world.components["cinder-api"].ledger.received
    answer = lonely.ask("cinder-api", "volumes.list")
    assert answer.status == TLS_FAILED
    assert "certificate verify failed: certificate has expired" in answer.message
    assert lonely.world.components["cinder-api"].ledger.received == received


def test_with_keystone_s_certificate_no_service_can_validate(lonely):
    _login(lonely)
    lonely.impose("keystone", "credentials", "certificate_expired")
    assert lonely.ask("cinder-api", "volumes.list").status == 503
    (critical,) = lonely.said("cinder-api", levels="CRITICAL")
    assert critical.startswith("Unable to validate token: Could not find versioned identity endpoints")
    assert "certificate has expired" in critical
    (login,) = lonely.said("keystone", levels="WARNING ERROR")
    assert login.startswith("Truncating password")


def test_a_service_s_own_clients_see_the_certificate_too(lonely):
    lonely.impose("glance-api", "credentials", "certificate_expired")
    image = lonely.world.cluster.site.image
    answer = lonely.ask("cinder-api", "volumes.create", "POST", size=2, image_id=image)
    assert answer.status == 500
    assert any("certificate has expired" in line for line in lonely.said("cinder-api", levels="ERROR"))


@pytest.mark.parametrize(("layer", "cured"), [("process", False), ("configuration", False), ("credentials", True)])
def test_only_a_new_certificate_cures(lonely, layer, cured):
    lonely.impose("cinder-api", "credentials", "certificate_expired")
    lonely.world.components["cinder-api"].renew(frozenset({Layer(layer)}), by="test")
    assert (lonely.ask("cinder-api", "volumes.list").status == 200) is cured


def test_behind_a_load_balancer_the_certificate_is_its_own_and_everybody_s(client):
    fault = KINDS["IdentityChaos"]["certificateExpired"]
    haproxy = fault.lands_on(client.world.components["cinder-api"])
    assert haproxy is client.world.components["haproxy"]
    (condition,) = fault.conditions(CertificateExpired(), "test", haproxy)
    haproxy.impose(condition)
    for service, operation in (("cinder-api", "volumes.list"), ("glance-api", "images.list"), ("keystone", "token")):
        assert client.ask(service, operation).status == TLS_FAILED


def test_what_the_middleware_refuses_never_reaches_the_api_s_own_code(client):
    client.token = "0" * 32
    assert client.ask("nova-api", "servers.detail").status == 401
    said = client.said("nova-api")
    assert any(" status: 401 " in line for line in said)
    assert not any(line.startswith("HTTP exception thrown") for line in said)
