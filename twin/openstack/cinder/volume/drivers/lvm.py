"""The LVM driver of cinder-volume: logical volumes, exported as iSCSI targets by LIO."""

from __future__ import annotations

from typing import Any

from twin.mechanics import cinder as facts
from twin.openstack.cinder import exception, logs
from twin.openstack.cinder.image import ImageUtils
from twin.openstack.cinder.tables import Snapshot, Volume
from twin.openstack.infrastructure.errors import ProcessExecutionError
from twin.openstack.infrastructure.volumes import VolumeBackend
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps

VERSION = "3.0.0"


class LVM(Flow):
    """cinder.brick.local_dev.lvm.LVM: LVM's commands on one volume group."""

    source = "cinder.brick.local_dev.lvm"

    def __init__(self, service: Service, backend: VolumeBackend) -> None:
        super().__init__(service)
        self._backend = backend
        self.vg_name = backend.group

    def create_volume(self, context: Context, name: str, size: int) -> Steps:
        """``lvcreate``."""
        try:
            yield from self._execute("create", context, _identity(name), size)
        except ProcessExecutionError as error:
            self._log_failure(context, logs.LVM_CREATE_FAILED, error)
            raise

    def create_lv_snapshot(self, context: Context, name: str, source_lv_name: str) -> Steps:
        """``lvcreate --snapshot``."""
        try:
            yield from self._execute("snapshot", context, _identity(name), _identity(source_lv_name))
        except ProcessExecutionError as error:
            self._log_failure(context, logs.LVM_SNAPSHOT_FAILED, error)
            raise

    def extend_volume(self, context: Context, lv_name: str, new_size: int) -> Steps:
        """``lvextend``."""
        try:
            yield from self._execute("extend", context, _identity(lv_name), new_size)
        except ProcessExecutionError as error:
            self._log_failure(context, logs.LVM_EXTEND_FAILED, error)
            raise

    def delete(self, context: Context, name: str) -> Steps:
        """``lvremove -f``."""
        try:
            yield from self._execute("delete", context, _identity(name))
        except ProcessExecutionError as error:
            self.service.debug(logs.LVM_REMOVE_FAILED, context, error.command, error.stderr)
            raise

    def get_volume(self, context: Context, name: str) -> Steps:
        """``lvs``: whether there is a logical volume of that name."""
        yield from self.think(context, facts.LVS)
        return name if _identity(name) in self._backend.stored else None

    def get_volume_group(self, context: Context) -> Steps:
        """``vgs``: total, free and provisioned GiB."""
        yield from self.think(context, facts.LVS)
        return self._backend.capacity()

    def _execute(self, command: str, context: Context, *arguments: Any) -> Steps:
        try:
            return (yield from getattr(self._backend, command)(context, *arguments))
        except KeyError as error:
            name = f"{self.vg_name}/volume-{error.args[0]}"
            text = f'  Failed to find logical volume "{name}"\n'
            raise ProcessExecutionError(f"lvs --noheadings {name}", 5, text) from None

    def _log_failure(self, context: Context, said: Any, error: ProcessExecutionError) -> None:
        self.exception(said, context, error)
        self.say(logs.LVM_COMMAND, context, error.command, error)
        self.say(logs.LVM_STDOUT, context, error.stdout, error)
        self.say(logs.LVM_STDERR, context, error.stderr, error)


class LioAdm(Flow):
    """cinder.volume.targets.lio.LioAdm: iSCSI targets."""

    source = "cinder.volume.targets.lio"

    def __init__(self, service: Service, backend: VolumeBackend) -> None:
        super().__init__(service)
        self._backend = backend

    def create_export(self, context: Context, volume: Volume) -> Steps:
        """Export a volume; its `provider_location`."""
        iscsi_name = self._iscsi_name(volume)
        self.say(logs.TARGET_CREATING, context, volume.name)
        try:
            yield from self.create_iscsi_target(context, volume)
        except ProcessExecutionError as error:
            self.exception(logs.TARGET_CREATE_FAILED, context, error, volume.id)
            raise
        location = f"{self._portal()},1 {iscsi_name} 0"
        return {"provider_location": location}

    def create_iscsi_target(self, context: Context, volume: Volume) -> Steps:
        """``cinder-rtstool create``."""
        try:
            yield from self._backend.export(context, volume.id)
        except KeyError:
            path = f"/dev/{self._backend.group}/{volume.name}"
            text = f"The LUN backing store is not there: {path}\n"
            raise ProcessExecutionError(f"cinder-rtstool create {path}", 1, text) from None

    def remove_export(self, context: Context, volume: Volume) -> Steps:
        """End the export of a volume, where there is one."""
        if not volume.provider_location:
            self.say(logs.TARGET_NOT_EXPORTED, context, volume.id)
            return
        stored = self._backend.stored.get(volume.id)
        if stored is None or not stored.exported:
            self.say(logs.TARGET_NOT_EXPORTED, context, volume.id)
            return
        self.say(logs.TARGET_REMOVING, context, self._iscsi_name(volume))
        yield from self.remove_iscsi_target(context, volume)

    def remove_iscsi_target(self, context: Context, volume: Volume) -> Steps:
        """``cinder-rtstool delete``."""
        yield from self._backend.remove_export(context, volume.id)

    def initialize_connection(self, context: Context, volume: Volume, connector: dict[str, Any]) -> Steps:
        """Let an initiator in; what it needs to know."""
        yield from self.think(context, facts.INITIATOR_ADD)
        volume_iqn = volume.provider_location.split(" ")[1]  # type: ignore[union-attr]
        return {
            "driver_volume_type": "iscsi",
            "data": {
                "target_discovered": False,
                "target_portal": self._portal(),
                "target_iqn": volume_iqn,
                "target_lun": 0,
                "volume_id": volume.id,
                "initiator": connector["initiator"],
                "device": self._backend.device(volume.id),
            },
        }

    def terminate_connection(self, context: Context, volume: Volume, connector: dict[str, Any]) -> Steps:
        """Shut an initiator out."""
        yield from self.think(context, facts.INITIATOR_REMOVE)
        self._backend.shut_out(volume.id, connector.get("host", ""))

    def _iscsi_name(self, volume: Volume) -> str:
        return f"iqn.2010-10.org.openstack:{volume.name}"

    def _portal(self) -> str:
        return f"{self.site.address(self.service.node)}:3260"


class LVMVolumeDriver(Flow):
    """cinder.volume.drivers.lvm.LVMVolumeDriver."""

    source = "cinder.volume.drivers.lvm"

    def __init__(self, service: Service, backend: VolumeBackend) -> None:
        super().__init__(service)
        self.vg = LVM(service, backend)
        self.target_driver = LioAdm(service, backend)
        self.image_utils = ImageUtils(service, backend)
        self.initialized = False
        self._stats: dict[str, Any] = {}

    def check_for_setup_error(self, context: Context) -> Steps:
        """Look for the volume group. Raises VolumeBackendAPIException."""
        yield from self.vg.get_volume_group(context)

    def create_volume(self, context: Context, volume: Volume) -> Steps:
        """An empty volume."""
        yield from self.vg.create_volume(context, volume.name, volume.size)

    def create_volume_from_snapshot(self, context: Context, volume: Volume, snapshot: Snapshot) -> Steps:
        """A volume with a snapshot's contents, copied (`copy_volume`)."""
        yield from self.vg.create_volume(context, volume.name, volume.size)
        yield from self.image_utils.copy_volume(context, snapshot.id, volume.id)

    def copy_image_to_volume(self, context: Context, volume: Volume, image_id: str) -> Steps:
        """Download an image and write it to the volume."""
        yield from self.image_utils.fetch_to_raw(context, image_id, volume.id, volume.size)

    def delete_volume(self, context: Context, volume: Volume) -> Steps:
        """Remove a volume; nothing where it is not there. Raises VolumeIsBusy."""
        present = yield from self.vg.get_volume(context, volume.name)
        if not present:
            return True
        if self.site.volumes.snapshots_of.get(volume.id):
            self.say(logs.LVM_HAS_SNAPSHOT, context, volume.name)
            raise exception.VolumeIsBusy(volume_name=volume.name)
        yield from self.vg.delete(context, volume.name)
        self.say(logs.LVM_DELETED, context, volume.id)
        return None

    def create_snapshot(self, context: Context, snapshot: Snapshot) -> Steps:
        """A snapshot of a volume."""
        yield from self.vg.create_lv_snapshot(context, snapshot.name, snapshot.volume_name)

    def delete_snapshot(self, context: Context, snapshot: Snapshot) -> Steps:
        """Remove a snapshot; nothing where it is not there."""
        present = yield from self.vg.get_volume(context, snapshot.name)
        if not present:
            self.say(logs.LVM_SNAPSHOT_MISSING, context, snapshot.name)
            return
        yield from self.vg.delete(context, snapshot.name)
        self.say(logs.LVM_SNAPSHOT_DELETED, context, snapshot.id)

    def extend_volume(self, context: Context, volume: Volume, new_size: int) -> Steps:
        """Let a volume grow."""
        yield from self.vg.extend_volume(context, volume.name, new_size)

    def create_export(self, context: Context, volume: Volume, connector: dict[str, Any]) -> Steps:
        """Export a volume; columns to write."""
        return (yield from self.target_driver.create_export(context, volume))

    def ensure_export(self, context: Context, volume: Volume) -> Steps:
        """Export again what was exported before a restart."""
        return (yield from self.target_driver.create_export(context, volume))

    def remove_export(self, context: Context, volume: Volume) -> Steps:
        """End the export."""
        yield from self.target_driver.remove_export(context, volume)

    def initialize_connection(self, context: Context, volume: Volume, connector: dict[str, Any]) -> Steps:
        """Let a host connect."""
        return (yield from self.target_driver.initialize_connection(context, volume, connector))

    def terminate_connection(self, context: Context, volume: Volume, connector: dict[str, Any]) -> Steps:
        """Shut a host out; whether others share the connection."""
        yield from self.target_driver.terminate_connection(context, volume, connector)
        return len(volume.volume_attachment) > 1

    def validate_connector(self, connector: dict[str, Any]) -> None:
        """Raises InvalidInput for a connector without an initiator."""
        if "initiator" not in connector:
            raise exception.InvalidInput(reason="Volume driver requires initiator in connector.")

    def get_volume_stats(self, context: Context) -> Steps:
        """The report to the schedulers."""
        yield from self._update_volume_stats(context)
        return self._stats

    def _update_volume_stats(self, context: Context) -> Steps:
        total, free, provisioned = yield from self.vg.get_volume_group(context)
        self._stats = {
            "volume_backend_name": facts.POOL,
            "pool_name": facts.POOL,
            "total_capacity_gb": total,
            "free_capacity_gb": free,
            "provisioned_capacity_gb": provisioned,
            "reserved_percentage": 0,
            "max_over_subscription_ratio": facts.OVER_SUBSCRIPTION,
            "thin_provisioning_support": True,
            "backend_state": "up",
        }


def _identity(name: str) -> str:
    """The id in ``volume-ID`` or ``snapshot-ID``, by which the backend knows it."""
    return name.partition("-")[2]
