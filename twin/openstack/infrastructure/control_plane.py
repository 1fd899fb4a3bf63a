"""What a site's services lean on, put on its controllers: databases, brokers, the load balancer and the token cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twin.node import Node
from twin.openstack.infrastructure import broker, galera, haproxy
from twin.openstack.infrastructure.memcached import Memcached
from twin.openstack.oslo.wsgi import ApiService

if TYPE_CHECKING:
    from twin.openstack.site import Site


def build(site: Site, controllers: Sequence[Node]) -> None:
    """A database server and a broker on each controller, the balancer and the cache on the first.

    One controller has no balancer and no cache: its clients connect directly, and keep tokens in their processes.
    """
    site.database = galera.build(site, controllers)
    site.broker = broker.build(site, controllers)
    if len(controllers) > 1:
        site.balancer = haproxy.build(site, controllers[0])
        site.memcached = Memcached(site, "memcached", controllers[0])
        haproxy.balance_database(site.balancer, site.database)


def balance(site: Site) -> None:
    """Put the API services behind the balancer, once they are there."""
    if site.balancer is None:
        return
    for component in site.world.components.values():
        if isinstance(component, ApiService):
            component.backend = site.balancer.add(component.kind, [component])
