"""Conditions of hosts and networks, and what they do to an inference cluster of arrays."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from twin.fast.inference.hosts import _slowdown
from twin.fast.inference.network import hops, paths
from twin.mechanics.conditions import Condition, Traffic
from twin.mechanics.host import host_slowdown
from twin.mechanics.layers import Layer
from twin.mechanics.network import path

HEAD, GATEWAY = 2, 3
NUMBERS = {"replica-0": 0, "replica-1": 1, "head": HEAD, "gateway": GATEWAY, "store": 4, "node-0": 5, "node-1": 6}
NODE = jnp.array([1, 1, 0, 0, 0])
PEERS = jnp.array([0, 1, GATEWAY])


def met(carrier: str, *conditions: Condition):
    found = [(i, None, condition) for i, condition in enumerate(conditions)]
    count, at = len(conditions), NUMBERS[carrier]
    itself, machine = np.zeros((count, 5), bool), np.zeros((count, 5), bool)
    if at < 5:
        itself[:, at] = True
    else:
        machine[:] = np.asarray(NODE) == at - 5
    table = hops(found, NUMBERS, 7, count)
    return paths(table, jnp.ones(count, bool), jnp.asarray(itself), jnp.asarray(machine), NODE, HEAD, PEERS)


def condition(parameter: str, value: float, **traffic: object) -> Condition:
    return Condition(Layer.CONTAINER, parameter, value, "chaos", Traffic(**traffic))


def test_what_a_replica_sends_late_is_late_on_its_way_back_alone() -> None:
    found = met("replica-0", condition("latency", 2.0), condition("jitter", 0.3))
    assert np.asarray(found.delay).tolist() == [[0, 0, 0], [2, 0, 0]]
    assert float(found.jitter[1, 0]) == pytest.approx(0.3 / np.sqrt(3.0))


def test_loss_and_corruption_combine_as_in_the_mechanics() -> None:
    two = (condition("loss", 0.2), condition("corruption", 0.1))
    assert float(met("replica-0", *two).lost[1, 0]) == pytest.approx(path(two).loss, rel=1e-5)
    assert not bool(met("replica-0", condition("loss", 1.0)).passes[0])


def test_a_machine_concerns_only_what_leaves_it() -> None:
    of_head = met("node-0", condition("latency", 1.0, direction="both"))
    assert np.asarray(of_head.delay).tolist() == [[1, 1, 0], [1, 1, 0]]  # the gateway is on the head's own machine
    assert not np.asarray(met("node-1", condition("blocked", 1.0)).passes[:2]).any()


def test_peers_narrow_a_condition_to_those_who_are_named() -> None:
    found = met("head", condition("latency", 1.0, peers=frozenset({"replica-1"})))
    assert np.asarray(found.delay[0]).tolist() == [0, 1, 0]


@pytest.mark.parametrize(("memory", "runnable"), [(0.5, 0.3), (0.95, 1.0), (1.2, 7.0)])
def test_hosts_slow_down_as_in_the_mechanics(memory: float, runnable: float) -> None:
    assert float(_slowdown(jnp.float32(memory), jnp.float32(runnable))) == pytest.approx(
        host_slowdown(memory, runnable), rel=1e-5
    )
