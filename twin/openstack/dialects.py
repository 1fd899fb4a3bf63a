"""What the services print in each dialect, where that is not what Zed prints.

The statements of `logs` modules are Zed's. A dialect is one mapping: id of a statement -> the statement as that release
has it, or None where it has none. `loghub2017` is the release behind Loghub's OpenStack logs, which were recorded in
May 2017 and are of Mitaka's generation: what its log shows, and where it shows nothing what nova 15, neutron 10, cinder
10 and keystone 12 have. Fields may be left out or reordered by number; those that only older releases print come last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from twin.openstack.cinder import logs as cinder
from twin.openstack.keystone import logs as keystone
from twin.openstack.neutron import logs as neutron
from twin.openstack.neutron.agent import logs as agent
from twin.openstack.nova import logs as nova
from twin.openstack.nova.compute import event_logs as event
from twin.openstack.nova.compute import init_logs as starting
from twin.openstack.nova.compute import logs as compute
from twin.openstack.nova.compute import moving_logs as moving
from twin.openstack.nova.virt import logs as virt
from twin.openstack.oslo import logs as oslo
from twin.openstack.placement import logs as placement
from twin.telemetry.dialects import Dialect
from twin.telemetry.records import Level, LogTemplate

Spoken = Mapping[str, LogTemplate | None]

_CLAIM_TESTS = (
    compute.CLAIM_ATTEMPT,
    compute.CLAIM_MEMORY,
    compute.CLAIM_LIMIT,
    compute.CLAIM_DISK,
    compute.CLAIM_DISK_UNLIMITED,
    compute.CLAIM_VCPU,
    compute.CLAIM_VCPU_UNLIMITED,
)
"""Printed while a host tested itself whether an instance fits; since placement does, nobody prints them."""


def _raised_to_info() -> Iterator[LogTemplate]:
    """Statements of level INFO that have become DEBUG since."""
    for template in (compute.USABLE_VCPUS, compute.FINAL_VIEW, compute.NODE_UPDATED, nova.INSTANCES_SYNCED):
        yield replace(template, level=Level.INFO)
    node = "Auditing locally available compute resources for node {1}"
    yield replace(compute.AUDITING, level=Level.INFO, text=node)
    used = "image {0} at ({1}): in use: on this node {2} local, 0 on other nodes sharing this instance storage"
    yield replace(virt.IMAGE_IN_USE, level=Level.INFO, text=used)
    path = "{0} http://controller-0:5000{1}{2}"
    yield replace(keystone.KEYSTONE_PATH, level=Level.INFO, origin="keystone.common.wsgi", text=path)


def _lowered_to_debug() -> Iterator[LogTemplate]:
    """Statements of level DEBUG that have become INFO since."""
    for template in (
        agent.OVS_LOOP_POLLING,
        agent.OVS_LOOP_PORT_INFO,
        agent.OVS_LOOP_PROCESSED,
        agent.OVS_PORTS_TREATED,
        agent.OVS_PORTS_SECURED,
        agent.OVS_PORTS_GONE,
    ):
        yield replace(template, level=Level.DEBUG)
    starting = "Starting router update for {}, action {}, priority {}"
    yield replace(agent.L3_UPDATE_STARTING, level=Level.DEBUG, text=starting)
    for template in (agent.L3_UPDATE_FINISHED, agent.L3_DELETE_FINISHED):
        yield replace(template, level=Level.DEBUG, text="Finished a router update for {}")


_WORDING: dict[LogTemplate, str] = {
    nova.NOVA_EVENT: "Creating event {0}:{1} for instance {2}",
    nova.STARTING: "Starting {} node (version 13.1.4)",
    compute.CLAIM_OK: "Claim successful",
    compute.BUILD_ABORTED: "Build of instance {0} aborted: {1}",
    compute.NO_MORE_FIXED_IPS: "No more network or fixed IP to be allocated",
    compute.NODE_CREATED: "Compute_service record created for {0}:{1}",
    moving.EVACUATED_ELSEWHERE: "Deleting instance as it has been evacuated from this host",
    moving.EVACUATING: "Rebuilding instance",
    moving.REBUILD_FROM_IMAGE: "disk not on shared storage, rebuilding from: '{}'",
    virt.CREATING_IMAGE: "Creating image",
    virt.IMAGE_YOUNG: "Base or swap file too young to remove: {}",
    virt.IMAGE_REMOVING: "Removing base or swap file: {}",
    neutron.NOVA_EVENT_FAILED: "Nova event: {1} returned with failed status",
    agent.DHCP_RELOAD: "Trigger reload_allocations for port {}",
    agent.OVS_VLAN_ASSIGNED: "Assigning {} as local vlan for net-id={}",
    agent.OVS_VLAN_UNMANAGED: "port_unbound(): net_uuid {} not managed by VLAN manager",
    agent.OVS_VLAN_RECLAIMED: "Reclaiming vlan = {} from net-id = {}",
    oslo.AMQP_UNREACHABLE: "AMQP server on {1}:5672 is unreachable: {2}. Trying again in {3} seconds.",
    oslo.AMQP_RECONNECTED: "Reconnected to AMQP server on {1}:5672 via [amqp] client",
}
"""Statement -> its text then."""

_ELSEWHERE: dict[LogTemplate, str] = {
    nova.NOVA_UNEXPECTED: "nova.api.openstack.extensions",
    neutron.NEUTRON_CLIENT_ERROR: "neutron.api.v2.resource",
    neutron.NEUTRON_REQUEST_FAILED: "neutron.api.v2.resource",
    neutron.CALLBACK_FAILED: "neutron.callbacks.manager",
    agent.RPC_TIMEOUT: "neutron.common.rpc",
    agent.RPC_TIMEOUT_INCREASED: "neutron.common.rpc",
    cinder.VOLUME_COPIED: "cinder.volume.utils",
    cinder.NOT_INITIALIZED: "cinder.utils",
    cinder.IMAGE_COPY_FAILED: "cinder.volume.flows.manager.create_volume",
    keystone.AUTHORIZATION_FAILED: "keystone.common.wsgi",
    placement.PLACEMENT_ACCESS: "nova.api.openstack.placement.requestlog",
    placement.PLACEMENT_FAILED: "nova.api.openstack.placement.handler",
}
"""Statement -> its logger then."""

_NEWER = (
    # hosts find themselves, cells and placement
    nova.NO_CANDIDATES,
    nova.DELETED_ALLOCATIONS_OF,
    nova.PROVIDER_CREATED,
    nova.HOST_DISCOVERED,
    nova.NEW_HOSTS,
    nova.CELL_FAILED,
    compute.DELETED_ALLOCATIONS,
    compute.CLAIM_FAILED,
    starting.INIT_STUCK,
    compute.NO_PROVIDER_CONFIGS,
    compute.ALLOCATION_NOT_IN_DATABASE,
    compute.ALLOCATION_NOT_MANAGED,
    compute.ALLOCATION_OF_MOVED,
    compute.ALLOCATIONS_SKIPPED,
    # events that came later
    event.INTERFACE_DELETED,
    event.VOLUME_EXTENDED,
    # plugging by os-vif, root's work by privsep, detaching in two steps
    virt.VIF_PLUGINS,
    virt.VIF_PLUGGED,
    virt.VIF_UNPLUGGED,
    virt.PRIVSEP_RUNNING,
    virt.PRIVSEP_SPAWNED,
    virt.PRIVSEP_STARTING,
    virt.PRIVSEP_UID,
    virt.PRIVSEP_CAPABILITIES,
    virt.PRIVSEP_PID,
    virt.DETACHED_PERSISTENT,
    virt.DETACHED_LIVE,
    virt.DRIVER_DETACHING,
    # what neutron, cinder and glance learned to say
    neutron.FLOATING_IP,
    agent.DHCP_PORTS_READY,
    agent.DHCP_REPORT_RECOVERED,
    agent.L3_REPORT_RECOVERED,
    agent.L3_STOPPING,
    agent.METADATA_REPORT_RECOVERED,
    agent.OVS_REPORT_RECOVERED,
    # deprecations and advice
    neutron.NO_CONTROLLER,
    oslo.RPC_CLIENT_DEPRECATED,
    oslo.AUTH_NO_SERVICE_ROLES,
    keystone.POLICY_DEPRECATED,
    keystone.KEYSTONE_PASSWORD,
    keystone.KEYSTONE_METHOD,
    keystone.KEYSTONE_SCRIPT,
)
"""Statements that Zed has and 2017 had not."""


def _loghub2017() -> dict[str, LogTemplate | None]:
    spoken: dict[str, LogTemplate | None] = {template.id: template for template in _raised_to_info()}
    spoken |= {template.id: template for template in _lowered_to_debug()}
    spoken |= {template.id: replace(template, text=text) for template, text in _WORDING.items()}
    spoken |= {template.id: replace(template, origin=origin) for template, origin in _ELSEWHERE.items()}
    spoken |= {template.id: None for template in _NEWER}
    spoken[oslo.LATE_REPLY.id] = replace(oslo.LATE_REPLY, level=Level.WARNING)
    spoken[event.EVENT_TIMED_OUT.id] = replace(
        event.EVENT_TIMED_OUT,
        origin="nova.virt.libvirt.driver",
        text="Timeout waiting for vif plugging callback for instance {instance}",
    )
    return spoken


SPOKEN: Mapping[Dialect, Spoken] = MappingProxyType(
    {
        "zed": {template.id: None for template in _CLAIM_TESTS},
        "loghub2017": _loghub2017(),
    }
)
"""Dialect -> the statements that are not as in the `logs` modules, by id."""
