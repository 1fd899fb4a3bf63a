"""The OpenStack cluster: keystone, nova, neutron, glance and placement over RabbitMQ and MySQL, and compute hosts."""

from twin.components import Component
from twin.openstack.cluster import PRESETS, OpenStackCluster, build
from twin.openstack.compute import NovaCompute
from twin.openstack.conductor import NovaConductor
from twin.openstack.controllers import Glance, Keystone, Neutron, Placement
from twin.openstack.mysql import MySQL
from twin.openstack.nova_api import NovaApi
from twin.openstack.rabbitmq import RabbitMQ
from twin.openstack.scheduler import NovaScheduler

KINDS: tuple[type[Component], ...] = (
    Keystone,
    NovaApi,
    NovaConductor,
    NovaScheduler,
    Placement,
    Glance,
    Neutron,
    RabbitMQ,
    MySQL,
    NovaCompute,
)
"""Component kinds; nodes are `twin.node.Node`."""

__all__ = ["KINDS", "PRESETS", "OpenStackCluster", "build"]
