"""Cinder's services on their machines."""

from __future__ import annotations

from twin.node import Node
from twin.openstack.cinder.api.service import CinderApi
from twin.openstack.cinder.scheduler.service import CinderScheduler
from twin.openstack.cinder.volume.service import CinderVolume
from twin.openstack.oslo.service import connect
from twin.openstack.site import Site


def build(site: Site, controller: Node, storage: Node, workers: int) -> None:
    """cinder-api and cinder-scheduler on one machine, cinder-volume on the one with the backend (`site.storage`)."""
    api = CinderApi(site, "cinder-api", controller, workers)
    scheduler = CinderScheduler(site, "cinder-scheduler", controller)
    volume = CinderVolume(site, "cinder-volume", storage, site.storage)
    database, broker = site.database.servers[0], site.broker.nodes[0]
    connect(api, site.keystone, database, broker, site.glance, scheduler)
    connect(scheduler, database, broker, volume)
    connect(volume, database, broker, site.glance, site.storage)
