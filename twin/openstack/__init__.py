"""The OpenStack cluster: keystone, nova, neutron, glance and placement over RabbitMQ and MySQL, and compute hosts."""

from twin.components import Component
from twin.openstack.cinder.api.service import CinderApi
from twin.openstack.cinder.scheduler.service import CinderScheduler
from twin.openstack.cinder.volume.service import CinderVolume
from twin.openstack.cluster import PRESETS, OpenStackCluster, build
from twin.openstack.glance.api import Glance
from twin.openstack.heat.service import HeatEngine
from twin.openstack.infrastructure.haproxy import HAProxy
from twin.openstack.infrastructure.libvirt import Libvirt
from twin.openstack.infrastructure.memcached import Memcached
from twin.openstack.infrastructure.mysql import MySQL
from twin.openstack.infrastructure.rabbitmq import RabbitMQ
from twin.openstack.infrastructure.volumes import VolumeBackend
from twin.openstack.keystone.service import Keystone
from twin.openstack.neutron.agent.dhcp_service import DhcpAgentService
from twin.openstack.neutron.agent.l3_service import L3AgentService
from twin.openstack.neutron.agent.metadata import MetadataAgentService
from twin.openstack.neutron.agent.openvswitch_service import OpenvswitchAgent
from twin.openstack.neutron.server import Neutron
from twin.openstack.nova.api.service import NovaApi
from twin.openstack.nova.compute.service import NovaCompute
from twin.openstack.nova.conductor.service import NovaConductor
from twin.openstack.nova.scheduler.service import NovaScheduler
from twin.openstack.placement.service import Placement

KINDS: tuple[type[Component], ...] = (
    Keystone,
    NovaApi,
    NovaConductor,
    NovaScheduler,
    Placement,
    Glance,
    Neutron,
    OpenvswitchAgent,
    DhcpAgentService,
    L3AgentService,
    MetadataAgentService,
    RabbitMQ,
    MySQL,
    NovaCompute,
    Libvirt,
    VolumeBackend,
    HAProxy,
    Memcached,
    CinderApi,
    CinderScheduler,
    CinderVolume,
    HeatEngine,
)
"""Component kinds; nodes are `twin.node.Node`."""

__all__ = ["KINDS", "PRESETS", "OpenStackCluster", "build"]
