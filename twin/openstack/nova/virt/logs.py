"""The log statements of nova's libvirt driver, its image cache, os_vif and privsep.

Grouped by what goes on when they are printed. Sources: nova 26.2 and os-vif 3.0 (Zed), a devstack and a recorded
control plane.
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_DRIVERS = Logger("nova.virt.driver")
_LIBVIRT = Logger("nova.virt.libvirt.driver")
_LIBVIRT_VM = _LIBVIRT
_HOST = Logger("nova.virt.libvirt.host")
_PRIVSEP = Logger("oslo.privsep.daemon")
_OS_VIF = Logger("os_vif")
_VIF = Logger("nova.virt.libvirt.vif")
_GUEST = Logger("nova.virt.libvirt.guest")
_HARDWARE = Logger("nova.virt.hardware")
_IMAGEBACKEND = Logger("nova.virt.libvirt.imagebackend")
_DEVICES_VM = Logger("nova.virt.block_device")
_ISCSI_VM = Logger("nova.virt.libvirt.volume.iscsi")
_BRICK = Logger("os_brick.initiator.connectors.iscsi")
_SCSI = Logger("os_brick.initiator.linuxscsi")
_MIGRATION_VM = Logger("nova.virt.libvirt.migration")
_CACHE = Logger("nova.virt.libvirt.imagecache")

# --- start-up ------------------------------------------------------------------------------------------------------

LOADING_DRIVER = _DRIVERS.info("compute.loading", "Loading compute driver '{}'")
FAKE_UNKNOWN = Logger("nova.virt.fake").warning("virt.fake-unknown", "Key '{}' not in instances '{}'")
EMITTING_EVENT = _DRIVERS.debug("virt.emitting-event", "Emitting event {}")
LIBVIRT_CONNECTED = _LIBVIRT.info("compute.libvirt", "Connection event '1' reason 'None'")
LIBVIRT_LOST = _LIBVIRT.info("virt.libvirt-lost", "Connection event '0' reason '{}'")
SERVICE_STATUS_UPDATE = _LIBVIRT.debug("virt.service-status-update", "Updating compute service status to {}")
CONNECTING_LIBVIRT = _HOST.debug("virt.connecting-libvirt", "Connecting to libvirt: {}")
CONNECTION_BROKE = _HOST.debug("virt.connection-broke", "Connection to libvirt broke")
CONNECTION_FAILED = _HOST.error("virt.connection-failed", "Connection to libvirt failed: {}: {!s}")
HOST_CAPABILITIES = _HOST.info("virt.host-capabilities", "Libvirt host capabilities {}")
NATIVE_EVENTS = _HOST.debug("virt.native-events", "Starting native event thread")
GREEN_EVENTS = _HOST.debug("virt.green-events", "Starting green dispatch thread")
UEFI_DETECTED = _HOST.info("virt.uefi-detected", "UEFI support detected")
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
VIF_PLUGGING = _OS_VIF.debug(
    "virt.vif-plugging",
    "Plugging vif "
    "VIFOpenVSwitch(active=False,address={},bridge_name='br-int',has_traffic_filtering=True,id={},network=Netwo"
    "rk({}),plugin='ovs',port_profile=VIFPortProfileOpenVSwitch,preserve_on_delete=False,vif_name='{}')",
)
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
VIF_PLUG_FAILED = _OS_VIF.error(
    "virt.vif-plug-failed",
    "Failed to plug vif "
    "VIFOpenVSwitch(active=False,address={},bridge_name='br-int',has_traffic_filtering=True,id={},network=Netwo"
    "rk({}),plugin='ovs',port_profile=VIFPortProfileOpenVSwitch,preserve_on_delete=False,vif_name='{}'): {!s}",
)
VIF_UNPLUG_FAILED = _OS_VIF.error(
    "virt.vif-unplug-failed",
    "Failed to unplug vif "
    "VIFOpenVSwitch(active={},address={},bridge_name='br-int',has_traffic_filtering=True,id={},network=Network("
    "{}),plugin='ovs',port_profile=VIFPortProfileOpenVSwitch,preserve_on_delete=False,vif_name='{}'): {!s}",
)
VIF_CONFIG = _VIF.debug("virt.vif-config", "vif_type={} instance={} vif={} virt_type={}")

# --- building ------------------------------------------------------------------------------------------------------

CREATING_IMAGE = _LIBVIRT_VM.info("build.image", "Creating image(s)")
CREATING_DIRECTORY = _LIBVIRT_VM.debug("virt.creating-directory", "Creating instance directory")
DIRECTORY_EXISTS = _LIBVIRT_VM.debug("virt.directory-exists", "Instance directory exists: not creating")
LOCAL_DISKS = _LIBVIRT_VM.debug("virt.local-disks", "Created local disks")
NO_LOCAL_DISKS = _LIBVIRT_VM.debug("virt.no-local-disks", "Did not create local disks")
CONSOLE_LOG = _LIBVIRT_VM.debug("virt.console-log", "Ensure instance console log exists: {}")
GUEST_XML = _LIBVIRT_VM.debug("virt.guest-xml", "End _get_guest_xml xml={}")
GUEST_CREATED = _LIBVIRT_VM.debug("virt.guest-created", "Guest created on hypervisor")
SPAWNED = _LIBVIRT_VM.info("build.spawned", "Instance spawned successfully.")
USING_CONFIG_DRIVE = _LIBVIRT_VM.info("virt.using-config-drive", "Using config drive")
CONFIG_DRIVE = _LIBVIRT_VM.info("virt.config-drive", "Creating config drive at {}")
CONFIG_DRIVE_FAILED = _LIBVIRT_VM.error("virt.config-drive-failed", "Creating config drive failed with error: {}: {!s}")
VIF_TIMEOUT = Logger("nova.compute.manager").warning(
    "build.vif-timeout",
    "Timeout waiting for [('network-vif-plugged', '{}')] for instance with vm_state building and task_state spawning. "
    "Event states are: network-vif-plugged: timed out after {:.2f} seconds: eventlet.timeout.Timeout: 300 seconds",
)
VIF_EVENT_FAILED = _LIBVIRT_VM.error("virt.vif-event-failed", "Neutron Reported failure on event {} for instance {}")
GUEST_START_FAILED = _LIBVIRT_VM.error("virt.guest-start-failed", "Failed to start libvirt guest: {!s}")
DOMAIN_DEFINE_FAILED = _GUEST.error("virt.domain-define-failed", "Error defining a guest with XML: {}: {!s}")
DOMAIN_LAUNCH_FAILED = _GUEST.error("virt.domain-launch-failed", "Error launching a defined domain with XML: {}: {!s}")
ATTACH_XML = _GUEST.debug("virt.attach-xml", "attach device xml: {}")
DETACH_XML = _GUEST.debug("virt.detach-xml", "detach device xml: {}")
CPU_TOPOLOGY = _HARDWARE.debug(
    "virt.cpu-topology", "Chose sockets={}, cores={}, threads={}; limits were sockets=65536, cores=65536, threads=65536"
)
BASE_TOO_LARGE = _IMAGEBACKEND.error("virt.base-too-large", "{} virtual size {} larger than flavor root disk size {}")
IMAGE_INFO_FAILED = _IMAGEBACKEND.info("virt.image-info-failed", "Failed to get image info from path {}; error: {}")

# --- power ---------------------------------------------------------------------------------------------------------

SHUTTING_DOWN = _LIBVIRT_VM.debug("virt.shutting-down", "Shutting down instance from state {}")
SHUTDOWN_RESENT = _LIBVIRT_VM.debug(
    "virt.shutdown-resent", "Instance in state {} after {} seconds - resending shutdown"
)
SHUTDOWN_TOOK = _LIBVIRT_VM.info("virt.shutdown-took", "Instance shutdown successfully after {} seconds.")
SHUTDOWN_FAILED = _LIBVIRT_VM.info("virt.shutdown-failed", "Instance failed to shutdown in {} seconds.")
SHUTDOWN_ALREADY = _LIBVIRT_VM.info("virt.shutdown-already", "Instance already shutdown.")
SHUTDOWN_OK = _LIBVIRT_VM.info("virt.shutdown-ok", "Instance shutdown successfully.")
SOFT_REBOOTED = _LIBVIRT_VM.info("virt.soft-rebooted", "Instance soft rebooted successfully.")
SOFT_REBOOT_FAILED = _LIBVIRT_VM.warning(
    "virt.soft-reboot-failed", "Failed to soft reboot instance. Trying hard reboot."
)
REBOOTED = _LIBVIRT_VM.info("virt.rebooted", "Instance rebooted successfully.")
RUNNING_AGAIN = _LIBVIRT_VM.info("virt.running-again", "Instance running successfully.")
DESTROYED = _LIBVIRT_VM.info("delete.destroyed", "Instance destroyed successfully.")
DESTROY_TIMED_OUT = _LIBVIRT_VM.warning("virt.destroy-timed-out", "Cannot destroy instance, operation time out: {!s}")
DESTROY_SYSTEM_FAILURE = _LIBVIRT_VM.warning(
    "virt.destroy-system-failure", "Cannot destroy instance, general system call failure: {!s}"
)
DESTROY_FAILED = _LIBVIRT_VM.error("virt.destroy-failed", "Error from libvirt during destroy. Code={} Error={}: {!s}")
DESTROY_AGAIN = _LIBVIRT_VM.info("virt.destroy-again", "Going to destroy instance again.")
UNDEFINE_FAILED = _LIBVIRT_VM.error(
    "virt.undefine-failed", "Error from libvirt during undefine. Code={} Error={}: {!s}"
)
DELETING_FILES = _LIBVIRT_VM.info("delete.files", "Deleting instance files /var/lib/nova/instances/{}_del")
DELETED_FILES = _LIBVIRT_VM.info("delete.done", "Deletion of /var/lib/nova/instances/{}_del complete")
VOLUME_ERROR_ON_DELETE = _LIBVIRT_VM.warning(
    "virt.volume-error-on-delete", "Ignoring Volume Error on vol {} during delete {}: {!s}"
)

# --- volumes and interfaces ----------------------------------------------------------------------------------------

ATTACH_FAILED_AT = _LIBVIRT_VM.error("virt.attach-failed-at", "Failed to attach volume at mountpoint: {}: {!s}")
DETACHING_PERSISTENT = _LIBVIRT.debug(
    "virt.detaching-persistent", "Attempting to detach device {} from instance {} from the persistent domain config."
)
DETACHED_PERSISTENT = _LIBVIRT.info(
    "virt.detached-persistent", "Successfully detached device {} from instance {} from the persistent domain config."
)
DETACHING_LIVE = _LIBVIRT.debug(
    "virt.detaching-live",
    "({}/{}): Attempting to detach device {} with device alias {} from instance {} from the live domain config.",
)
DETACHED_LIVE = _LIBVIRT.info(
    "virt.detached-live", "Successfully detached device {} from instance {} from the live domain config."
)
DETACH_WAITING = _LIBVIRT.debug(
    "virt.detach-waiting",
    "Start waiting for the detach event from libvirt for device {} with device alias {} for instance {}",
)
DETACH_TIMED_OUT = _LIBVIRT.warning(
    "virt.detach-timed-out",
    "Waiting for libvirt event about the detach of device {} with device alias {} from instance {} is timed out.",
)
DETACH_REFUSED = _LIBVIRT.error(
    "virt.detach-refused",
    "Received DeviceRemovalFailedEvent from libvirt for the detach of device {} with device alias {} from instance {} ",
)
DETACH_ERROR = _LIBVIRT.warning(
    "virt.detach-error", "Unexpected libvirt error while detaching device {} from instance {}: {}: {!s}"
)
DEVICE_NOT_FOUND = _LIBVIRT_VM.info("virt.device-not-found", "Device {} not found in instance.")
VOLUME_BUSY_ELSEWHERE = _LIBVIRT.info(
    "virt.volume-busy-elsewhere",
    "Detected multiple connections on this host for volume: {}, skipping target disconnect.",
)
ATTACH_ADAPTER_FAILED = _LIBVIRT_VM.error("virt.attach-adapter-failed", "attaching network adapter failed.: {!s}")
RESIZING_DEVICE = _LIBVIRT_VM.debug("virt.resizing-device", "Resizing target device {} to {}")
RESIZE_DEVICE_FAILED = _LIBVIRT_VM.error("virt.resize-device-failed", "resizing block device failed.: {!s}")
SNAPSHOT_LIVE = _LIBVIRT_VM.info("virt.snapshot-live", "Beginning live snapshot process")
SNAPSHOT_COLD = _LIBVIRT_VM.info("virt.snapshot-cold", "Beginning cold snapshot process")
SNAPSHOT_EXTRACTED = _LIBVIRT_VM.info("virt.snapshot-extracted", "Snapshot extracted, beginning image upload")
SNAPSHOT_UPLOADED = _LIBVIRT_VM.info("virt.snapshot-uploaded", "Snapshot image upload complete")
SNAPSHOT_FAILED = _LIBVIRT.error("virt.snapshot-failed", "Failed to snapshot image: {!s}")
BOOTING_FROM_VOLUME = _DEVICES_VM.info("virt.booting-from-volume", "Booting with volume {} at {}")
BOOTING_FROM_SNAPSHOT = _DEVICES_VM.info("virt.booting-from-snapshot", "Booting with volume snapshot {} at {}")
BOOTING_FROM_VOLUME_IMAGE = _DEVICES_VM.info(
    "virt.booting-from-volume-image", "Booting with volume-backed-image {} at {}"
)
BOOTING_FROM_BLANK = _DEVICES_VM.info("virt.booting-from-blank", "Booting with blank volume at {}")
DRIVER_DETACHING = _DEVICES_VM.info("virt.driver-detaching", "Attempting to driver detach volume {} from mountpoint {}")
DRIVER_DETACH_FAILED = _DEVICES_VM.error("virt.driver-detach-failed", "Failed to detach volume {} from {}: {!s}")
DRIVER_ATTACH_FAILED = _DEVICES_VM.error("virt.driver-attach-failed", "Driver failed to attach volume {} at {}: {!s}")
GUEST_REFUSED_DETACH = _DEVICES_VM.warning("virt.guest-refused-detach", "Guest refused to detach volume {}: {!s}")
ISCSI_ATTACHING = _ISCSI_VM.debug("virt.iscsi-attaching", "Calling os-brick to attach iSCSI Volume")
ISCSI_ATTACHED = _ISCSI_VM.debug("virt.iscsi-attached", "Attached iSCSI volume {}")
ISCSI_DETACHING = _ISCSI_VM.debug("virt.iscsi-detaching", "calling os-brick to detach iSCSI Volume")
ISCSI_DETACHED = _ISCSI_VM.debug("virt.iscsi-detached", "Disconnected iSCSI Volume")
ISCSI_CONNECTING = _BRICK.info("virt.iscsi-connecting", "Trying to connect to iSCSI portal {}")
ISCSI_LOGIN_FAILED = _BRICK.warning(
    "virt.iscsi-login-failed", "Failed to login iSCSI target {} on portal {} (exit code {}).: {!s}"
)
ISCSI_CONNECT_FAILED = _BRICK.warning("virt.iscsi-connect-failed", "Failed to connect to iSCSI portal {}.")
ISCSI_NO_MULTIPATH = _BRICK.info("virt.iscsi-no-multipath", "Multipath discovery for iSCSI not enabled.")
FLUSH_FAILED = _SCSI.warning("virt.flush-failed", "Failed to flush IO buffers prior to removing device: {}: {!s}")

# --- moving --------------------------------------------------------------------------------------------------------

CPU_INFO = _LIBVIRT.info("virt.cpu-info", "Instance launched has CPU info: {}")
PRE_MIGRATION_DIRECTORY = _LIBVIRT_VM.debug("virt.pre-migration-directory", "Creating instance directory: {}")
PLUGGING_AT_DESTINATION = _LIBVIRT_VM.debug("virt.plugging-at-destination", "Plugging VIFs before live migration.")
PLUG_VIFS_RETRY = _LIBVIRT_VM.warning("virt.plug-vifs-retry", "plug_vifs() failed {}. Retry up to {}.: {!s}")
MONITORING_MIGRATION = _LIBVIRT_VM.debug("virt.monitoring-migration", "Starting monitoring of live migration")
INVOKING_MIGRATE = _LIBVIRT_VM.debug("virt.invoking-migrate", "About to invoke the migrate API")
MIGRATE_CALLED = _LIBVIRT_VM.debug("virt.migrate-called", "Migrate API has completed")
LIVE_MIGRATION_FAILURE = _LIBVIRT_VM.error("virt.live-migration-failure", "Live Migration failure: {}: {!s}")
OPERATION_COMPLETED = _LIBVIRT_VM.info("virt.operation-completed", "Migration operation has completed")
OPERATION_ABORTED = _LIBVIRT_VM.error("virt.operation-aborted", "Migration operation has aborted")
OPERATION_CANCELLED = _LIBVIRT_VM.warning("virt.operation-cancelled", "Migration operation was cancelled")
MIGRATING_DISK = _LIBVIRT_VM.debug("virt.migrating-disk", "Starting migrate_disk_and_power_off")
FINISHING_MIGRATION = _LIBVIRT_VM.debug("virt.finishing-migration", "Starting finish_migration")
MIGRATION_FINISHED = _LIBVIRT_VM.debug("virt.migration-finished", "finish_migration finished successfully.")
REVERTING_MIGRATION = _LIBVIRT_VM.debug("virt.reverting-migration", "Starting finish_revert_migration")
DOWNTIME = _MIGRATION_VM.info("virt.downtime", "Increasing downtime to {} ms after {} sec elapsed time")
MIGRATION_TIMED_OUT = _MIGRATION_VM.warning("virt.migration-timed-out", "Live migration not completed after {} sec")

# --- periodic tasks ------------------------------------------------------------------------------------------------

DESCRIPTION_FAILED = _LIBVIRT.warning(
    "virt.description-failed", "Error from libvirt while getting description of {}: [Error Code {}] {}: {!s}"
)
DISK_REMOVED = _LIBVIRT.warning(
    "virt.disk-removed",
    "Periodic task is updating the host stats, it is trying to get disk info for {}, but the {} was removed by "
    "a concurrent operation such as resize. Error: {}: {!s}",
)
DISK_DENIED = _LIBVIRT.warning(
    "virt.disk-denied",
    "Periodic task is updating the host stat, it is trying to get disk {}, but access is denied. It is most "
    "likely due to a VM that exists on the compute node but is not managed by Nova.: {!s}",
)
SKIPPING_DISK = _LIBVIRT.debug("virt.skipping-disk", "skipping disk {} ({}) as it is a volume")
IMAGE_CHECKING = _CACHE.info("cache.checking", "image {} at ({}): checking")
IMAGE_IN_USE = _CACHE.debug("cache.in-use", "image {} at ({}): image is in use")
IMAGE_UNKNOWN = _CACHE.warning("cache.unknown", "Unknown base file: {}")
IMAGE_ACTIVE = _CACHE.info("cache.active", "Active base files: {}")
IMAGE_REMOVABLE = _CACHE.info("cache.removable", "Removable base files: {}")
IMAGE_YOUNG = _CACHE.info("cache.young", "Base, swap or ephemeral file too young to remove: {}")
IMAGE_REMOVING = _CACHE.info("cache.removing", "Removing base, swap or ephemeral file: {}")
IMAGE_REMOVE_FAILED = _CACHE.error("cache.remove-failed", "Failed to remove {}, error was {}: {!s}")
IMAGES_VERIFYING = _CACHE.debug("cache.verifying", "Verify base images")
IMAGE_FINGERPRINT = _CACHE.debug("cache.fingerprint", "Image id {} yields fingerprint {}")
IMAGES_VERIFIED = _CACHE.debug("cache.verified", "Verification complete")
IMAGE_NOT_IN_GLANCE = _CACHE.warning(
    "cache.not-in-glance", "Instance {} is using a backing file {} which does not appear in the image service"
)
