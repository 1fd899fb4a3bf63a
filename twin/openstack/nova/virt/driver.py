"""The libvirt driver: what nova-compute has its host do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.mechanics.hypervisor import HostTimes
from twin.mechanics.openstack import DESTROY
from twin.openstack.infrastructure.domains import DomainState
from twin.openstack.infrastructure.errors import VIR_ERR_NO_DOMAIN, LibvirtError
from twin.openstack.nova.compute.events import InstanceEvents, Timeout
from twin.openstack.nova.exception import HypervisorUnavailable, InterfaceAttachFailed, VirtualInterfaceCreateException
from twin.openstack.nova.image import ImageAPI
from twin.openstack.nova.network import NetworkInfo
from twin.openstack.nova.virt import logs, privsep
from twin.openstack.nova.virt.availability import Availability
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.service import Steps
from twin.openstack.tables import Server

if TYPE_CHECKING:
    from twin.openstack.nova.compute.service import NovaCompute

SHUTDOWN_TIMEOUT = 60.0
"""`shutdown_timeout`: what a guest is given to stop by itself."""
SHUTDOWN_RETRY = 10.0
"""`shutdown_retry_interval`."""
DEVICE = "vdb"
"""What a guest calls its second disk."""
INSTANCES_PATH = "/var/lib/nova/instances"


class LibvirtDriver(Availability):
    """nova.virt.libvirt.driver.LibvirtDriver."""

    real = "libvirt.LibvirtDriver"
    """`compute_driver`."""

    def __init__(self, service: NovaCompute, events: InstanceEvents, images: ImageAPI) -> None:
        super().__init__(service)
        self.host = service.libvirt
        self.disk = service.libvirt.disk
        self.virtapi = events
        self.image_api = images

    @property
    def times(self) -> HostTimes:
        """Uncontended times of this host."""
        return self.host.times

    # --- spawn ------------------------------------------------------------------------------------------------

    def init_host(self) -> None:
        """Connect to libvirt."""
        self.host.lost = False
        self.say(logs.CONNECTION_EVENT, None, 1, None)

    def spawn(self, context: Context, instance: Server, network_info: NetworkInfo) -> Steps:
        """Make a server's disk, plug its interfaces, start its guest."""
        if not instance.boots_from_volume:
            yield from self._create_image(context, instance)
        yield from self._get_guest_xml(context, instance)
        yield from self._create_guest_with_network(context, instance, network_info)
        yield from self.disk.compute(context, self.times.spawned)
        self.say(logs.SPAWNED, None, instance=instance.uuid)

    def _create_image(self, context: Context, instance: Server) -> Steps:
        self.say(logs.CREATING_IMAGE, context, instance=instance.uuid)
        self.service.privsep.enter(context, privsep.SYS_ADMIN)
        yield from self._cache_image(context, instance)
        yield from self.disk.create_disk(context, instance.uuid, instance.flavor.disk_gb, instance.image)

    def _cache_image(self, context: Context, instance: Server) -> Steps:
        """Fetch the image unless another build has; who comes second waits for the first."""
        if self.disk.has_base(instance.image):
            return
        fetching = self.service.fetching.get(instance.image)
        if fetching is not None:
            yield fetching
            if self.disk.has_base(instance.image):
                return
        fetched = self.service.fetching[instance.image] = self.clock.event()
        try:
            size = yield from self.image_api.download(context, instance.image)
            yield from self.disk.store_base(context, instance.image, size)
        finally:
            self.service.fetching.pop(instance.image, None)
            if not fetched.triggered:
                fetched.succeed()

    def _get_guest_xml(self, context: Context, instance: Server) -> Steps:
        """A guest's definition names the devices of its volumes: they are connected for it."""
        for connection_info in instance.connections.values():
            yield from self._connect_volume(context, connection_info, instance)

    def _create_guest_with_network(
        self,
        context: Context,
        instance: Server,
        network_info: NetworkInfo,
        wait: bool = True,
        power_on: bool = True,
    ) -> Steps:
        """Start the guest paused, wait until neutron has wired its interfaces, let it run; or only define it."""
        events = self._get_neutron_events(network_info) if wait and power_on else []
        for name, tag in events:
            self.virtapi.prepare_for_instance_event(context, instance, name, tag)
        try:
            yield from self.plug_vifs(context, instance, network_info)
            yield from self._create_guest(context, instance, network_info, bool(events), power_on)
            if events:
                yield from self.virtapi.wait(context, instance, events)
                yield from self.resume(context, instance)
        except Timeout as error:
            yield from self.cleanup(context, instance, network_info)
            raise VirtualInterfaceCreateException() from error
        except LibvirtError as error:
            self.exception(logs.GUEST_START_FAILED, context, error, instance=instance.uuid)
            yield from self.cleanup(context, instance, network_info)
            raise

    def _get_neutron_events(self, network_info: NetworkInfo) -> list[tuple[str, str]]:
        """What neutron will tell: an event for each port that is not wired yet."""
        return [("network-vif-plugged", vif["id"]) for vif in network_info if vif["status"] != "ACTIVE"]

    def _create_guest(
        self, context: Context, instance: Server, network_info: NetworkInfo, pause: bool, power_on: bool
    ) -> Steps:
        yield from self.host.define_and_start(
            context,
            instance.uuid,
            self._domain_name(instance),
            instance.flavor.memory_mb * 2.0**20,
            instance.flavor.vcpus,
            ports=tuple(vif["id"] for vif in network_info),
            paused=pause,
            project=instance.project,
            devices=tuple(instance.connections),
            disk="" if instance.boots_from_volume else self._folder(instance) + "/disk",
            start=power_on,
        )
        self.say(logs.GUEST_CREATED, context, instance=instance.uuid)

    def _domain_name(self, instance: Server) -> str:
        return f"instance-{int(instance.uuid[:8], 16):08x}"

    # --- interfaces -------------------------------------------------------------------------------------------

    def plug_vifs(self, context: Context, instance: Server, network_info: NetworkInfo) -> Steps:
        """Add the tap devices to the integration bridge; the host's agent finds them there."""
        for vif in network_info:
            yield from self.disk.compute(context, self.times.plug)
            self.service.privsep.enter(context, privsep.VIF_PLUG)
            self.service.plug(vif["id"])
            self.say(logs.VIF_PLUGGED, context, *self._vif(vif))

    def unplug_vifs(self, context: Context, instance: Server, network_info: NetworkInfo) -> Steps:
        """Take the tap devices off the bridge."""
        for vif in network_info:
            self.service.unplug(vif["id"])
            self.say(logs.VIF_UNPLUGGED, context, vif["status"] == "ACTIVE", *self._vif(vif))
        yield from self.disk.compute(context, self.times.unplug)

    def _vif(self, vif: dict[str, str]) -> tuple[str, ...]:
        """Fields of os-vif's statements."""
        return (vif["mac_address"], vif["id"], vif["network_id"], f"tap{vif['id'][:11]}")

    # --- destroy ----------------------------------------------------------------------------------------------

    def destroy(
        self, context: Context, instance: Server, network_info: NetworkInfo, destroy_disks: bool = True
    ) -> Steps:
        """Kill the guest and remove what it left."""
        yield from self._destroy(context, instance)
        yield from self.cleanup(context, instance, network_info, destroy_disks)

    def _destroy(self, context: Context, instance: Server) -> Steps:
        domain = self.host.domains.get(instance.uuid)
        if domain is not None and domain.active:
            try:
                yield from self.host.destroy(context, instance.uuid)
            except LibvirtError as error:
                if error.broken:
                    raise unavailable(self, context, error) from error
                self.exception(logs.DESTROY_FAILED, context, error, error.error_code, error, instance=instance.uuid)
                raise
        self.say(logs.DESTROYED, None, instance=instance.uuid)

    def cleanup(
        self, context: Context, instance: Server, network_info: NetworkInfo, destroy_disks: bool = True
    ) -> Steps:
        """Unplug, undefine, delete the files."""
        yield from self.unplug_vifs(context, instance, network_info)
        domain = self.host.domains.get(instance.uuid)
        if domain is not None:
            if domain.active:
                yield from self.host.destroy(context, instance.uuid)
            yield from self.host.undefine(context, instance.uuid)
        for volume_id, connection_info in list(instance.connections.items()):
            try:
                yield from self._disconnect_volume(context, connection_info, instance)
            except Exception as error:
                self.unexpected(error)
                if not destroy_disks:
                    raise
                self.say(logs.VOLUME_ERROR_ON_DELETE, context, volume_id, error, error, instance=instance.uuid)
        if destroy_disks and not instance.boots_from_volume:
            yield from self.delete_instance_files(context, instance)

    def delete_instance_files(self, context: Context, instance: Server) -> Steps:
        """Remove the instance's folder."""
        self.say(logs.DELETING_FILES, context, instance.uuid, instance=instance.uuid)
        yield from self.disk.compute(context, DESTROY.delete)
        self.disk.delete_instance(instance.uuid)
        self.say(logs.DELETED_FILES, context, instance.uuid, instance=instance.uuid)

    # --- power ------------------------------------------------------------------------------------------------

    def power_on(self, context: Context, instance: Server, network_info: NetworkInfo) -> Steps:
        """Start a guest that is shut off: a hard reboot."""
        yield from self._hard_reboot(context, instance, network_info)

    def power_off(self, context: Context, instance: Server, timeout: float = SHUTDOWN_TIMEOUT) -> Steps:
        """Ask the guest to stop, then make it."""
        if timeout:
            yield from self._clean_shutdown(context, instance, timeout)
        domain = self.host.domains.get(instance.uuid)
        if domain is not None and domain.active:
            yield from self.host.destroy(context, instance.uuid)
        self.say(logs.DESTROYED, None, instance=instance.uuid)

    def _clean_shutdown(self, context: Context, instance: Server, timeout: float) -> Steps:
        began = self.world.now
        try:
            yield from self.host.shutdown(context, instance.uuid)
        except LibvirtError as error:
            if error.broken:
                raise unavailable(self, context, error) from error
            self.say(logs.SHUTDOWN_ALREADY, context, instance=instance.uuid)
            return True
        while self.world.now - began < timeout:
            yield self.clock.timeout(1.0)
            domain = self.host.domains.get(instance.uuid)
            if domain is None or not domain.active:
                self.say(logs.SHUTDOWN_TOOK, context, int(self.world.now - began), instance=instance.uuid)
                return True
        self.say(logs.SHUTDOWN_FAILED, context, int(timeout), instance=instance.uuid)
        return False

    def reboot(self, context: Context, instance: Server, network_info: NetworkInfo, reboot_type: str) -> Steps:
        """Reboot the guest: softly where it listens, else hard."""
        if reboot_type == "SOFT":
            done = yield from self._soft_reboot(context, instance)
            if done:
                self.say(logs.SOFT_REBOOTED, context, instance=instance.uuid)
                return
            self.say(logs.SOFT_REBOOT_FAILED, context, instance=instance.uuid)
        yield from self._hard_reboot(context, instance, network_info)
        self.say(logs.REBOOTED, context, instance=instance.uuid)

    def _soft_reboot(self, context: Context, instance: Server) -> Steps:
        stopped = yield from self._clean_shutdown(context, instance, SHUTDOWN_TIMEOUT)
        if stopped:
            yield from self.host.create(context, instance.uuid)
        return stopped

    def _hard_reboot(self, context: Context, instance: Server, network_info: NetworkInfo) -> Steps:
        """Destroy the domain and define it anew, from its disk."""
        domain = self.host.domains.get(instance.uuid)
        if domain is not None and domain.active:
            yield from self._destroy(context, instance)
        if domain is not None:
            yield from self.host.undefine(context, instance.uuid)
        for connection_info in instance.connections.values():
            yield from self._disconnect_volume(context, connection_info, instance)
        yield from self._get_guest_xml(context, instance)
        yield from self._create_guest_with_network(context, instance, network_info, wait=False)

    def resume(self, context: Context, instance: Server) -> Steps:
        """Let a paused guest run."""
        yield from self.host.resume_domain(context, instance.uuid)

    def get_info(self, context: Context, instance: Server) -> Steps:
        """The domain, or None where there is none. Raises HypervisorUnavailable."""
        try:
            domain = yield from self.host.get_info(context, instance.uuid)
        except LibvirtError as error:
            if error.error_code == VIR_ERR_NO_DOMAIN:
                return None
            raise unavailable(self, context, error) from error
        return domain

    # --- devices ----------------------------------------------------------------------------------------------

    def get_volume_connector(self, instance: Server) -> dict[str, str]:
        """Who this host is, for the volume's back end."""
        return {"host": self.service.node.name, "initiator": f"iqn.1994-05.com.redhat:{self.service.node.name}"}

    def attach_volume(
        self, context: Context, instance: Server, volume_id: str, connection_info: dict[str, str]
    ) -> Steps:
        """Log in to the volume's target and give the device to the guest."""
        yield from self._connect_volume(context, connection_info, instance)
        yield from self.host.attach_device(context, instance.uuid, volume_id)

    def _connect_volume(self, context: Context, connection_info: dict[str, str], instance: Server) -> Steps:
        """os-brick: log in to the target, wait for the device. Raises VolumeDeviceNotFound."""
        self.say(logs.ISCSI_CONNECTING, context, connection_info["target_portal"])
        yield from self.site.storage.connect(context, self.service.node, connection_info["volume_id"])

    def detach_volume(
        self, context: Context, instance: Server, volume_id: str, connection_info: dict[str, str]
    ) -> Steps:
        """Take the device from the guest and log out."""
        try:
            yield from self.host.detach_device(context, instance.uuid, volume_id)
        except LibvirtError as error:
            if error.broken:
                raise unavailable(self, context, error) from error
            self.say(logs.DEVICE_NOT_FOUND, context, volume_id, instance=instance.uuid)
        else:
            self.say(logs.DETACHED_PERSISTENT, context, DEVICE, instance.uuid)
            self.say(logs.DETACHED_LIVE, context, DEVICE, instance.uuid)
        yield from self._disconnect_volume(context, connection_info, instance)

    def _disconnect_volume(self, context: Context, connection_info: dict[str, str], instance: Server) -> Steps:
        yield from self.site.storage.disconnect(context, self.service.node, connection_info["volume_id"])

    def attach_interface(self, context: Context, instance: Server, vif: dict[str, str]) -> Steps:
        """Plug one more interface into a guest that runs. Raises InterfaceAttachFailed."""
        yield from self.plug_vifs(context, instance, [vif])
        try:
            yield from self.host.attach_device(context, instance.uuid, vif["id"])
        except LibvirtError as error:
            self.exception(logs.ATTACH_ADAPTER_FAILED, context, error, instance=instance.uuid)
            yield from self.unplug_vifs(context, instance, [vif])
            raise InterfaceAttachFailed(instance_uuid=instance.uuid) from error

    # --- what else ------------------------------------------------------------------------------------------------

    def snapshot(self, context: Context, instance: Server, image_name: str) -> Steps:
        """Copy a server's disk into a new image."""
        began = logs.SNAPSHOT_COLD if instance.vm_state == "stopped" else logs.SNAPSHOT_LIVE
        self.say(began, context, instance=instance.uuid)
        size = self.disk.used_by(self._folder(instance))
        yield from self.disk.convert(context, self._folder(instance), f"{INSTANCES_PATH}/snapshots/{image_name}", size)
        self.say(logs.SNAPSHOT_EXTRACTED, context, instance=instance.uuid)
        image = yield from self.image_api.upload(context, image_name, size)
        self.disk.remove(f"{INSTANCES_PATH}/snapshots/{image_name}")
        self.say(logs.SNAPSHOT_UPLOADED, context, instance=instance.uuid)
        return image

    def get_available_resource(self, context: Context) -> Steps:
        """What the host has and uses. Raises HypervisorUnavailable."""
        try:
            resources = yield from self.host.host_info(context)
        except LibvirtError as error:
            raise unavailable(self, context, error) from error
        return resources

    def list_instance_uuids(self, context: Context) -> Steps:
        """The guests that libvirt knows. Raises HypervisorUnavailable."""
        try:
            uuids = yield from self.host.list_domains(context)
        except LibvirtError as error:
            raise unavailable(self, context, error) from error
        return uuids

    def is_running(self, instance: Server) -> bool:
        """Whether the guest runs, by the driver's own view of its domains."""
        domain = self.host.domains.get(instance.uuid)
        return domain is not None and domain.state is DomainState.RUNNING

    def _folder(self, instance: Server) -> str:
        return f"{INSTANCES_PATH}/{instance.uuid}"


def unavailable(driver: LibvirtDriver, context: Context, error: LibvirtError) -> HypervisorUnavailable:
    """What nova.virt.libvirt.host.Host makes of libvirt's errors: a connection that cannot be had is told."""
    if str(error).startswith("Failed to connect"):
        driver.exception(logs.CONNECTION_FAILED, context, error, error)
    return HypervisorUnavailable()
