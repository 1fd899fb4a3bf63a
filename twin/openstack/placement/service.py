"""Placement: what hosts offer, and who has been promised what of it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from twin.mechanics import openstack as facts
from twin.mechanics.openstack import Flavor
from twin.openstack.oslo.context import Context, own_request
from twin.openstack.oslo.exceptions import HTTPFault
from twin.openstack.oslo.frames import PLACEMENT_ENTRY
from twin.openstack.oslo.wsgi import ApiService, Operation, Response
from twin.openstack.placement import logs, microversions

DISABLED = "COMPUTE_STATUS_DISABLED"
LENGTHS = {"tree": 799, "inventories": 414, "aggregates": 54, "traits": 328}
"""Bytes of what there is to say of a provider (a recorded control plane)."""

Answer = Generator[Any, Any, Response]


class Placement(ApiService):
    """Resource providers and allocations."""

    kind = "placement"
    program = "placement-api"
    port = 8778
    wsgi_logger = "placement.deploy"
    unexpected_error = logs.PLACEMENT_FAILED
    entry = PLACEMENT_ENTRY

    @property
    def operations(self) -> Mapping[str, Operation]:
        return {
            "candidates": self._candidates,
            "claim": self._claim,
            "release": self._release,
            "provider.show": self._provider,
            "provider.traits": self._set_traits,
            "allocations.show": self._allocations,
            "provider.allocations": self._provider_allocations,
        }

    def inner_context(self, context: Context) -> Context:
        return own_request(self.world, context)

    def log_request(self, context: Context, method: str, uri: str) -> None:
        self.debug(logs.PLACEMENT_STARTING, context, self.site.address(self.node), method, uri)

    def log_access(self, context: Context, method: str, uri: str, response: Response, seconds: float) -> None:
        address = self.site.address(self.node)
        version = microversions.asked(method, uri)
        self.say(logs.PLACEMENT_ACCESS, context, address, method, uri, response.status, response.length, version)

    def _candidates(self, context: Context, flavor: Flavor) -> Answer:
        yield from self.work(context, facts.API["candidates"])
        hosts = [
            host for host, offer in self.site.tables.providers.items() if not offer.disabled and offer.fits(flavor)
        ]
        return Response(200, hosts, 120 + 728 * len(hosts))

    def _claim(self, context: Context, consumer: str, host: str, flavor: Flavor) -> Answer:
        yield from self.work(context, facts.API["claim"])
        if host not in self.site.tables.providers:
            raise HTTPFault(400, f"Allocation for resource provider '{host}' that does not exist.")
        if not self.site.tables.allocate(consumer, host, flavor):
            provider = self.site.tables.providers[host]
            for kind, needed, used, capacity in provider.exceeded(flavor)[:1]:
                self.say(logs.OVER_CAPACITY, context, kind, provider.uuid, needed, used, capacity)
            raise HTTPFault(409, "Unable to allocate inventory: the requested amount would exceed the capacity.")
        return Response(204)

    def _release(self, context: Context, consumer: str, host: str | None = None) -> Answer:
        yield from self.work(context, facts.API["release"])
        if not self.site.tables.release(consumer, host):
            raise HTTPFault(404, f"No allocations for consumer '{consumer}'")
        return Response(204)

    def _provider(self, context: Context, host: str, part: str) -> Answer:
        yield from self.work(context, facts.API["inventory"])
        traits = [DISABLED] if self.site.tables.providers[host].disabled else []
        return Response(200, traits, LENGTHS[part])

    def _set_traits(self, context: Context, host: str, traits: list[str]) -> Answer:
        yield from self.work(context, facts.API["inventory"])
        self.site.tables.providers[host].disabled = DISABLED in traits
        return Response(200, traits, LENGTHS["traits"])

    def _allocations(self, context: Context, consumer: str) -> Answer:
        yield from self.work(context, facts.API["allocations.show"])
        held = dict(self.site.tables.allocations.get(consumer, {}))
        return Response(200, held, 257 if held else 19)

    def _provider_allocations(self, context: Context, host: str) -> Answer:
        yield from self.work(context, facts.API["inventory"])
        consumers = self.site.tables.consumers(host)
        return Response(200, consumers, 53 + 99 * len(consumers))
