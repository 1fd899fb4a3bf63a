"""The log statements of nova's libvirt driver, its image cache, os_vif and privsep.

Grouped by what goes on when they are printed. Sources: nova 26.2 and os-vif 3.0 (Zed), a devstack and a recorded
control plane. `DESCRIPTION_FAILED` and `DISK_REMOVED` are said in that devstack, whose audit asks for one guest after
the other while some of them go; the twin's asks for all at once.
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_DRIVERS = Logger("nova.virt.driver")
_LIBVIRT = Logger("nova.virt.libvirt.driver")
_LIBVIRT_VM = _LIBVIRT
_HOST = Logger("nova.virt.libvirt.host")
_PRIVSEP = Logger("oslo.privsep.daemon")
_OS_VIF = Logger("os_vif")
_DEVICES_VM = Logger("nova.virt.block_device")
_BRICK = Logger("os_brick.initiator.connectors.iscsi")
_CACHE = Logger("nova.virt.libvirt.imagecache")

# --- start-up ------------------------------------------------------------------------------------------------------

LOADING_DRIVER = _DRIVERS.info("compute.loading", "Loading compute driver '{}'")
FAKE_UNKNOWN = Logger("nova.virt.fake").warning("virt.fake-unknown", "Key '{}' not in instances '{}'")
CONNECTION_EVENT = _LIBVIRT.info("compute.libvirt", "Connection event '{}' reason '{}'")
CONNECTION_LOST = "Connection to libvirt lost: {}"
UPDATING_STATUS = _LIBVIRT.debug("virt.updating-status", "Updating compute service status to {}")
NOT_OVERRIDING = _LIBVIRT.debug("virt.not-overriding", "Not overriding manual compute service status with: {}")
HOST_NOT_REGISTERED = _LIBVIRT.warning(
    "virt.host-not-registered", 'Cannot update service status on host "{}" since it is not registered.'
)
STATUS_NOT_UPDATED = _LIBVIRT.warning(
    "virt.status-not-updated", 'Cannot update service status on host "{}" due to an unexpected exception.: {!s}'
)
PROVIDER_STATUS_FAILED = _LIBVIRT.warning(
    "virt.provider-status-failed",
    'An error occurred while updating compute node resource provider status to "{}" for provider: {}: {!s}',
)
CONNECTION_FAILED = _HOST.error("virt.connection-failed", "Connection to libvirt failed: {}: {!s}")
PRIVSEP_RUNNING = _PRIVSEP.info("virt.privsep-running", "Running privsep helper: {}")
PRIVSEP_SPAWNED = _PRIVSEP.info("virt.privsep-spawned", "Spawned new privsep daemon via rootwrap")
PRIVSEP_STARTING = _PRIVSEP.info("virt.privsep-starting", "privsep daemon starting")
PRIVSEP_UID = _PRIVSEP.info("virt.privsep-uid", "privsep process running with uid/gid: {}/{}")
PRIVSEP_CAPABILITIES = _PRIVSEP.info(
    "virt.privsep-capabilities", "privsep process running with capabilities (eff/prm/inh): {0}/{0}/none"
)
PRIVSEP_PID = _PRIVSEP.info("virt.privsep-pid", "privsep daemon running as pid {}")

# --- network interfaces --------------------------------------------------------------------------------------------

VIF_PLUGINS = _OS_VIF.info("virt.vif-plugins", "Loaded VIF plugins: {}")
VIF_PLUGGED = _OS_VIF.info(
    "virt.vif-plugged",
    "Successfully plugged vif "
    "VIFOpenVSwitch(active=False,address={},bridge_name='br-int',has_traffic_filtering=True,id={},network=Netwo"
    "rk({}),plugin='ovs',port_profile=VIFPortProfileOpenVSwitch,preserve_on_delete=False,vif_name='{}')",
)
VIF_UNPLUGGED = _OS_VIF.info(
    "virt.vif-unplugged",
    "Successfully unplugged vif "
    "VIFOpenVSwitch(active={},address={},bridge_name='br-int',has_traffic_filtering=True,id={},network=Network("
    "{}),plugin='ovs',port_profile=VIFPortProfileOpenVSwitch,preserve_on_delete=False,vif_name='{}')",
)

# --- building ------------------------------------------------------------------------------------------------------

CREATING_IMAGE = _LIBVIRT_VM.info("build.image", "Creating image(s)")
GUEST_CREATED = _LIBVIRT_VM.debug("virt.guest-created", "Guest created on hypervisor")
SPAWNED = _LIBVIRT_VM.info("build.spawned", "Instance spawned successfully.")
GUEST_START_FAILED = _LIBVIRT_VM.error("virt.guest-start-failed", "Failed to start libvirt guest: {!s}")

# --- power ---------------------------------------------------------------------------------------------------------

SHUTDOWN_TOOK = _LIBVIRT_VM.info("virt.shutdown-took", "Instance shutdown successfully after {} seconds.")
SHUTDOWN_FAILED = _LIBVIRT_VM.info("virt.shutdown-failed", "Instance failed to shutdown in {} seconds.")
SHUTDOWN_ALREADY = _LIBVIRT_VM.info("virt.shutdown-already", "Instance already shutdown.")
SOFT_REBOOTED = _LIBVIRT_VM.info("virt.soft-rebooted", "Instance soft rebooted successfully.")
SOFT_REBOOT_FAILED = _LIBVIRT_VM.warning(
    "virt.soft-reboot-failed", "Failed to soft reboot instance. Trying hard reboot."
)
REBOOTED = _LIBVIRT_VM.info("virt.rebooted", "Instance rebooted successfully.")
DESTROYED = _LIBVIRT_VM.info("delete.destroyed", "Instance destroyed successfully.")
DESTROY_FAILED = _LIBVIRT_VM.error("virt.destroy-failed", "Error from libvirt during destroy. Code={} Error={}: {!s}")
DELETING_FILES = _LIBVIRT_VM.info("delete.files", "Deleting instance files /var/lib/nova/instances/{}_del")
DELETED_FILES = _LIBVIRT_VM.info("delete.done", "Deletion of /var/lib/nova/instances/{}_del complete")
VOLUME_ERROR_ON_DELETE = _LIBVIRT_VM.warning(
    "virt.volume-error-on-delete", "Ignoring Volume Error on vol {} during delete {}: {!s}"
)

# --- volumes and interfaces ----------------------------------------------------------------------------------------

DETACHED_PERSISTENT = _LIBVIRT.info(
    "virt.detached-persistent", "Successfully detached device {} from instance {} from the persistent domain config."
)
DETACHED_LIVE = _LIBVIRT.info(
    "virt.detached-live", "Successfully detached device {} from instance {} from the live domain config."
)
DEVICE_NOT_FOUND = _LIBVIRT_VM.info("virt.device-not-found", "Device {} not found in instance.")
ATTACH_ADAPTER_FAILED = _LIBVIRT_VM.error("virt.attach-adapter-failed", "attaching network adapter failed.: {!s}")
SNAPSHOT_LIVE = _LIBVIRT_VM.info("virt.snapshot-live", "Beginning live snapshot process")
SNAPSHOT_COLD = _LIBVIRT_VM.info("virt.snapshot-cold", "Beginning cold snapshot process")
SNAPSHOT_EXTRACTED = _LIBVIRT_VM.info("virt.snapshot-extracted", "Snapshot extracted, beginning image upload")
SNAPSHOT_UPLOADED = _LIBVIRT_VM.info("virt.snapshot-uploaded", "Snapshot image upload complete")
BOOTING_FROM_VOLUME = _DEVICES_VM.info("virt.booting-from-volume", "Booting with volume {} at {}")
DRIVER_DETACHING = _DEVICES_VM.info("virt.driver-detaching", "Attempting to driver detach volume {} from mountpoint {}")
ISCSI_CONNECTING = _BRICK.info("virt.iscsi-connecting", "Trying to connect to iSCSI portal {}")

# --- moving --------------------------------------------------------------------------------------------------------

INVOKING_MIGRATE = _LIBVIRT_VM.debug("virt.invoking-migrate", "About to invoke the migrate API")
LIVE_MIGRATION_FAILURE = _LIBVIRT_VM.error("virt.live-migration-failure", "Live Migration failure: {}: {!s}")
OPERATION_COMPLETED = _LIBVIRT_VM.info("virt.operation-completed", "Migration operation has completed")
DISCONNECT_IGNORED = _LIBVIRT_VM.error(
    "virt.disconnect-ignored",
    "Ignoring exception while attempting to disconnect volume {} from the source host during post_live_migration: {!s}",
)
MIGRATING_DISK = _LIBVIRT_VM.debug("virt.migrating-disk", "Starting migrate_disk_and_power_off")
FINISHING_MIGRATION = _LIBVIRT_VM.debug("virt.finishing-migration", "Starting finish_migration")
REVERTING_MIGRATION = _LIBVIRT_VM.debug("virt.reverting-migration", "Starting finish_revert_migration")
MIGRATION_FINISHED = _LIBVIRT_VM.debug("virt.migration-finished", "finish_migration finished successfully.")

# --- periodic tasks ------------------------------------------------------------------------------------------------

DESCRIPTION_FAILED = _LIBVIRT.warning(
    "virt.description-failed", "Error from libvirt while getting description of {}: [Error Code {}] {}: {!s}"
)
DISK_REMOVED = _LIBVIRT.warning(
    "virt.disk-removed",
    "Periodic task is updating the host stats, it is trying to get disk info for {}, but the {} was removed by "
    "a concurrent operation such as resize. Error: {}: {!s}",
)
IMAGE_CHECKING = _CACHE.info("cache.checking", "image {} at ({}): checking")
IMAGE_IN_USE = _CACHE.debug("cache.in-use", "image {} at ({}): image is in use")
IMAGE_UNKNOWN = _CACHE.warning("cache.unknown", "Unknown base file: {}")
IMAGE_ACTIVE = _CACHE.info("cache.active", "Active base files: {}")
IMAGE_REMOVABLE = _CACHE.info("cache.removable", "Removable base files: {}")
IMAGE_YOUNG = _CACHE.info("cache.young", "Base, swap or ephemeral file too young to remove: {}")
IMAGE_REMOVING = _CACHE.info("cache.removing", "Removing base, swap or ephemeral file: {}")
