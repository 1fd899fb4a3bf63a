"""Testers of every kind while operators order anything that is legal, and while tokens are refused: the world lives."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from twin import Action, World
from twin.actions import CATEGORIES, PARAMETERS

MakeWorld = Callable[..., World]
Loads = Callable[..., dict[str, Any]]

EVERY = 20.0
"""Seconds between two orders."""


def legal_order(world: World, luck: random.Random) -> Action:
    """Each category is as likely as the next; nothing, where an action is in flight on everything."""
    for category in luck.sample(CATEGORIES[1:], len(CATEGORIES) - 1):
        targets = [name for name, component in world.components.items() if world.legal(category, component)]
        if targets:
            return Action(category, luck.choice(targets), luck.choice(PARAMETERS))
    return Action("noop")


def books_are_right(world: World) -> None:
    """No request is answered twice or forgotten, and placement's sums are those of its promises."""
    site, requests = world.cluster.site, world.cluster.workload.requests  # type: ignore[attr-defined]
    assert 0 <= requests.in_flight < 100
    for host, provider in site.tables.providers.items():
        held = [site.tables.allocations[consumer][host] for consumer in site.tables.consumers(host)]
        assert provider.used_vcpus == sum(flavor.vcpus for flavor in held), host


def ordered_about(world: World, seed: int, seconds: float) -> None:
    luck = random.Random(seed)
    while world.now < seconds:
        world.run(until=world.now + EVERY)
        assert world.apply(legal_order(world, luck)).legal
    world.run(until=seconds + 2400.0)
    assert [str(ticket.action) for ticket in world.tickets if ticket.finished is None] == [], "every order ends"
    books_are_right(world)


@pytest.mark.parametrize("seed", [1, 2])
def test_testers_outlive_whatever_is_ordered_every_twenty_seconds(
    openstack_world: MakeWorld, all_loads: Loads, seed: int
) -> None:
    world = openstack_world(workload=all_loads(), seed=seed, horizon="9000s")
    ordered_about(world, seed, 900.0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 22))
def test_testers_outlive_many_orders(openstack_world: MakeWorld, all_loads: Loads, seed: int) -> None:
    world = openstack_world(workload=all_loads(), seed=seed, horizon="9000s")
    ordered_about(world, seed, 1800.0)


def refused_tokens(world: World, seconds: float) -> None:
    """The cache forgets again and again what it knew."""
    while world.now < seconds:
        world.run(until=world.now + EVERY)
        world.apply(Action("restart", "memcached", "immediate"))
    books_are_right(world)
    assert any(" status: 401 " in line.text for line in world.log_lines(0.0, world.now))


@pytest.mark.parametrize("seed", [1, 2])
def test_clients_outlive_tokens_that_are_refused_again_and_again(
    openstack_world: MakeWorld, on: Loads, all_loads: Loads, seed: int
) -> None:
    fault = on("keystone", "IdentityChaos", "tokenFailure", at="60s", share=0.5)
    world = openstack_world(fault, workload=all_loads(requests="0.5/s"), seed=seed, horizon="9000s")
    refused_tokens(world, 600.0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 12))
def test_clients_outlive_half_an_hour_of_refused_tokens(
    openstack_world: MakeWorld, on: Loads, all_loads: Loads, seed: int
) -> None:
    fault = on("keystone", "IdentityChaos", "tokenFailure", at="60s", share=0.5)
    world = openstack_world(fault, workload=all_loads(requests="0.5/s"), seed=seed, horizon="9000s")
    refused_tokens(world, 1800.0)
