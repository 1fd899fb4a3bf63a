"""The log statements of cinder-api, cinder-scheduler and cinder-volume with its LVM driver.

Grouped by what goes on when they are printed. Source: cinder 21.3 (Zed).
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_WSGI = Logger("cinder.api.openstack.wsgi")
_FAULT = Logger("cinder.api.middleware.fault")
_VOLUMES = Logger("cinder.api.v3.volumes")
_SNAPSHOTS = Logger("cinder.api.v3.snapshots")
_SNAPSHOTS_V2 = Logger("cinder.api.v2.snapshots")
_ATTACHMENTS = Logger("cinder.api.v3.attachments")
_API = Logger("cinder.volume.api")
_CREATE_API = Logger("cinder.volume.flows.api.create_volume")
_QUOTA_UTILS = Logger("cinder.quota_utils")
_SCHEDULER = Logger("cinder.scheduler.manager")
_FILTER_SCHEDULER = Logger("cinder.scheduler.filter_scheduler")
_SCHEDULER_FLOW = Logger("cinder.scheduler.flows.create_volume")
_HOSTS = Logger("cinder.scheduler.host_manager")
_CAPACITY = Logger("cinder.scheduler.filters.capacity_filter")
_BASE_FILTER = Logger("cinder.scheduler.base_filter")
_SERVICE = Logger("cinder.service")
_MANAGER = Logger("cinder.manager")
_VOLUME = Logger("cinder.volume.manager")
_CREATE = Logger("cinder.volume.flows.manager.create_volume")
_COMMON = Logger("cinder.volume.flows.common")
_UTILS = Logger("cinder.volume.volume_utils")
_IMAGE = Logger("cinder.image.image_utils")
_GLANCE = Logger("cinder.image.glance")
_LVM_DRIVER = Logger("cinder.volume.drivers.lvm")
_LVM = Logger("cinder.brick.local_dev.lvm")
_LIO = Logger("cinder.volume.targets.lio")
_ISCSI = Logger("cinder.volume.targets.iscsi")

TASK_FAILURE = "Task '{}' ({}) transitioned into state 'FAILURE' from state 'RUNNING': {!s}"
TASK_REVERSION = "Task '{}' ({}) transitioned into state 'REVERTED' from state 'REVERTING' with result '{}'"
FLOW_REVERSION = "Flow '{}' ({}) transitioned into state 'REVERTED' from state 'RUNNING'"
"""What taskflow's listener prints with the logger of who runs a flow."""

# --- cinder-api: requests ------------------------------------------------------------------------------------------

REQUEST = _WSGI.info("cinder.request", "{} {}")
RETURNED = _WSGI.info("cinder.returned", "{} returned with HTTP {}")
CINDER_THROWN = _WSGI.info("cinder.cinder-thrown", "HTTP exception thrown: {}")
RESOURCE_EXCEPTION = _WSGI.error("cinder.resource-exception", "Exception handling resource: {}: {!s}")
CINDER_UNEXPECTED = _FAULT.error("cinder.cinder-unexpected", "Caught error: {} {}: {!s}")
FAULT_RETURNED = _FAULT.info("cinder.fault-returned", "{} returned with HTTP {}")
API_CREATE = _VOLUMES.info("cinder.api-create", "Create volume of {} GB")
API_DELETE = _VOLUMES.info("cinder.api-delete", "Delete volume with id: {} {}")
API_SNAPSHOT = _SNAPSHOTS.info("cinder.api-snapshot", "Create snapshot from volume {}")
API_SNAPSHOT_DELETE = _SNAPSHOTS_V2.info("cinder.api-snapshot-delete", "Delete snapshot with id: {}")
ATTACHMENT_REFUSED = _ATTACHMENTS.error(
    "cinder.attachment-refused", "Unable to create attachment for volume ({}).: {!s}"
)
ATTACHMENT_CREATE_FAILED = _ATTACHMENTS.error(
    "cinder.attachment-create-failed", "Unable to create attachment for volume.: {!s}"
)
ATTACHMENT_UPDATE_REFUSED = _ATTACHMENTS.error(
    "cinder.attachment-update-refused", "Unable to update attachment.({}).: {!s}"
)
ATTACHMENT_UPDATE_FAILED = _ATTACHMENTS.error(
    "cinder.attachment-update-failed", "Unable to update the attachment.: {!s}"
)

# --- cinder-api: cinder.volume.api ---------------------------------------------------------------------------------

ZONES_RETRIEVED = _API.info("cinder.zones-retrieved", "Availability Zones retrieved successfully.")
CREATE_ISSUED = _API.info("cinder.create-issued", "Create volume request issued successfully.")
DELETE_ISSUED = _API.info("cinder.delete-issued", "Delete volume request issued successfully.")
DELETE_REFUSED = _API.info(
    "cinder.delete-refused",
    "Volume status must be {} and must not be migrating, attached, belong to a group, have snapshots, awaiting "
    "a transfer, or be disassociated from snapshots after volume transfer.",
)
INFO_RETRIEVED = _API.info("cinder.info-retrieved", "Volume info retrieved successfully.")
ALL_RETRIEVED = _API.info("cinder.all-retrieved", "Get all volumes completed successfully.")
VOLUME_RETRIEVED = _API.info("cinder.volume-retrieved", "Volume retrieved successfully.")
SNAPSHOT_RETRIEVED = _API.info("cinder.snapshot-retrieved", "Snapshot retrieved successfully.")
SNAPSHOTS_RETRIEVED = _API.info("cinder.snapshots-retrieved", "Get all snapshots completed successfully.")
DETACH_BEGUN = _API.info("cinder.detach-begun", "Begin detaching volume completed successfully.")
DETACH_REFUSED = _API.error(
    "cinder.detach-refused",
    "Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach.",
)
DETACH_ROLLED_BACK = _API.info("cinder.detach-rolled-back", "Roll detaching of volume completed successfully.")
DETACHED = _API.info("cinder.detached", "Detach volume completed successfully.")
SNAPSHOT_ISSUED = _API.info("cinder.snapshot-issued", "Snapshot create request issued successfully.")
SNAPSHOT_DELETE_ISSUED = _API.info("cinder.snapshot-delete-issued", "Snapshot delete request issued successfully.")
EXTEND_ISSUED = _API.info("cinder.extend-issued", "Extend volume request issued successfully.")
EXTEND_QUOTA_EXCEEDED = _API.error(
    "cinder.extend-quota-exceeded",
    "Quota exceeded for {}, tried to extend volume by {}G, ({}G of {}G already consumed).: {!s}",
)
REFUSED_ERROR = _API.error("cinder.refused-error", "{}")
API_QUOTA_FAILED = _API.error("cinder.api-quota-failed", "Failed to update quota while deleting volume.: {!s}")
API_TASK_FAILED = _API.warning("cinder.api-task-failed", TASK_FAILURE)
API_TASK_REVERTED = _API.warning("cinder.api-task-reverted", TASK_REVERSION)
API_FLOW_REVERTED = _API.warning("cinder.api-flow-reverted", FLOW_REVERSION)
ENTRY_DESTROY_FAILED = _CREATE_API.error("cinder.entry-destroy-failed", "Failed destroying volume entry {}: {!s}")
ROLLBACK_FAILED = _CREATE_API.error("cinder.rollback-failed", "Failed rolling back quota for {} reservations: {!s}")
API_CREATE_FAILED = _CREATE_API.error("cinder.api-create-failed", "Volume {}: create failed")
API_UNEXPECTED_BUILD_ERROR = _CREATE_API.error("cinder.api-unexpected-build-error", "Unexpected build error:: {!s}")
QUOTA_EXCEEDED = _QUOTA_UTILS.warning(
    "cinder.quota-exceeded", "Quota exceeded for {}, tried to create {}G volume ({}G of {}G already consumed)."
)
VOLUMES_QUOTA_EXCEEDED = _QUOTA_UTILS.warning(
    "cinder.volumes-quota-exceeded", "Quota exceeded for {}, tried to create volume ({} volume(s) already consumed)."
)
SNAPSHOTS_QUOTA_EXCEEDED = _QUOTA_UTILS.warning(
    "cinder.snapshots-quota-exceeded",
    "Quota exceeded for {}, tried to create snapshot ({} snapshot(s) already consumed).",
)

# --- cinder-scheduler ----------------------------------------------------------------------------------------------

SCHEDULE_METHOD_FAILED = _SCHEDULER.error("cinder.schedule-method-failed", "Failed to schedule_{}: {}: {!s}")
SCHEDULER_TASK_FAILED = _SCHEDULER.warning("cinder.scheduler-task-failed", TASK_FAILURE)
SCHEDULER_TASK_REVERTED = _SCHEDULER.warning("cinder.scheduler-task-reverted", TASK_REVERSION)
SCHEDULER_FLOW_REVERTED = _SCHEDULER.warning("cinder.scheduler-flow-reverted", FLOW_REVERSION)
NO_BACKEND = _FILTER_SCHEDULER.warning("cinder.no-backend", "No weighed backend found for volume with properties: {}")
LAST_BACKEND_FAILED = _FILTER_SCHEDULER.error(
    "cinder.last-backend-failed", "Error scheduling {} from last vol-service: {} : {}"
)
CHOSEN = _FILTER_SCHEDULER.debug("cinder.chosen", "Choosing {}")
TASK_FAILED = _SCHEDULER_FLOW.error("cinder.task-failed", "Failed to run task {}: {}")
CAPABILITIES_RECEIVED = _HOSTS.debug("cinder.capabilities-received", "Received {} service update from {}: {}")
SERVICE_DOWN = _HOSTS.warning("cinder.service-down", "volume service is down. (host: {})")
BACKEND_REMOVED = _HOSTS.info("cinder.backend-removed", "Removing non-active backend: {} from scheduler cache.")
NO_SPACE = _CAPACITY.warning(
    "cinder.no-space", "Insufficient free space for volume creation on {} {} (requested / avail): {}/{}"
)
NO_VIRTUAL_SPACE = _CAPACITY.warning(
    "cinder.no-virtual-space",
    "Insufficient free virtual space ({}GB) to accommodate thin provisioned {}GB volume on {} {}.",
)
OVERSUBSCRIBED = _CAPACITY.warning(
    "cinder.oversubscribed",
    "Insufficient free space for thin provisioning. The ratio of provisioned capacity over total capacity "
    "{:.2f} has exceeded the maximum over subscription ratio {:.2f} on {} {}.",
)
NO_CAPACITY = _CAPACITY.warning(
    "cinder.no-capacity", "Insufficient free space for volume creation. Total capacity is {:.2f} on {} {}."
)
ALL_FILTERED = _BASE_FILTER.info(
    "cinder.all-filtered", "Filtering removed all hosts for the request with volume ID '{}'. Filter results: {}"
)

# --- services and their heartbeats ---------------------------------------------------------------------------------

STARTING = _SERVICE.info("cinder.starting", "Starting {} node (version {})")
MANAGER_REPORTS_PROBLEMS = _SERVICE.error(
    "cinder.manager-reports-problems",
    'Manager for service {} {} is reporting problems, not sending heartbeat. Service will appear "down".',
)
MODEL_SERVER_RECOVERED = _SERVICE.error("cinder.model-server-recovered", "Recovered model server connection!")
MODEL_SERVER_LOST = _SERVICE.error("cinder.model-server-lost", "model server went away: {!s}")
DB_ERROR = _SERVICE.error("cinder.db-error", "DBError encountered: : {!s}")
REPORT_FAILED = _SERVICE.error("cinder.report-failed", "Exception encountered: : {!s}")
NOTIFYING_SCHEDULERS = _MANAGER.debug("cinder.notifying-schedulers", "Notifying Schedulers of capabilities ...")
CLEANUP_STARTED = _MANAGER.info("cinder.cleanup-started", "Initiating service {} cleanup")
CLEANUP_DONE = _MANAGER.info("cinder.cleanup-done", "Service {} cleanup completed.")
CLEANING = _MANAGER.info("cinder.cleaning", "Cleaning {} with id {} and status {}")

# --- cinder-volume: the manager ------------------------------------------------------------------------------------

DRIVER_STARTING = _VOLUME.info("cinder.driver-starting", "Starting volume driver {} ({})")
DRIVER_FAILED = _VOLUME.error("cinder.driver-failed", "Failed to initialize driver.: {!s}")
DRIVER_READY = _VOLUME.info("cinder.driver-ready", "Driver initialization completed successfully.")
DRIVER_RPC_STARTING = _VOLUME.info(
    "cinder.driver-rpc-starting", "Initializing RPC dependent components of volume driver {} ({})"
)
DRIVER_RPC_READY = _VOLUME.info("cinder.driver-rpc-ready", "Driver post RPC initialization completed successfully.")
REEXPORT_FAILED = _VOLUME.error("cinder.reexport-failed", "Failed to re-export volume, setting to ERROR.: {!s}")
MANAGER_TASK_FAILED = _VOLUME.warning("cinder.manager-task-failed", TASK_FAILURE)
MANAGER_TASK_REVERTED = _VOLUME.warning("cinder.manager-task-reverted", TASK_REVERSION)
MANAGER_FLOW_REVERTED = _VOLUME.warning("cinder.manager-flow-reverted", FLOW_REVERSION)
ATTACHMENT_UPDATED = _VOLUME.info("cinder.attachment-updated", "attachment_update completed successfully.")
USAGES_FAILED = _VOLUME.error("cinder.usages-failed", "Failed to update usages deleting volume.: {!s}")
SNAPSHOT_USAGES_FAILED = _VOLUME.error("cinder.snapshot-usages-failed", "Update snapshot usages failed.: {!s}")
CREATED = _VOLUME.info("cinder.created", "Created volume successfully.")
DELETED = _VOLUME.info("cinder.deleted", "Deleted volume successfully.")
DELETE_BUSY = _VOLUME.error("cinder.delete-busy", "Unable to delete busy volume.: {!s}")
DELETE_OF_UNKNOWN = _VOLUME.debug("cinder.delete-of-unknown", "Attempted delete of non-existent volume: {}")
SNAPSHOT_CREATED = _VOLUME.info("cinder.snapshot-created", "Create snapshot completed successfully")
SNAPSHOT_DELETED = _VOLUME.info("cinder.snapshot-deleted", "Delete snapshot completed successfully.")
SNAPSHOT_BUSY = _VOLUME.error("cinder.snapshot-busy", "Delete snapshot failed, due to snapshot busy.: {!s}")
DETACH_COMPLETED = _VOLUME.info("cinder.detach-completed", "Detach volume completed successfully.")
DETACH_UNATTACHED = _VOLUME.info("cinder.detach-unattached", "Volume detach called, but volume not attached.")
DETACH_EXPORT_FAILED = _VOLUME.error(
    "cinder.detach-export-failed", "Detach volume failed, due to remove-export failure.: {!s}"
)
EXPORT_FAILED = _VOLUME.error("cinder.export-failed", "Create export of volume failed ({}): {!s}")
CONNECTION_FAILED = _VOLUME.error("cinder.connection-failed", "Driver initialize connection failed (error: {}).: {!s}")
TERMINATE_FAILED = _VOLUME.error("cinder.terminate-failed", "Terminate volume connection failed: {}: {!s}")
CONNECTION_ENDED = _VOLUME.info("cinder.connection-ended", "Terminate volume connection completed successfully.")
EXTENDED = _VOLUME.info("cinder.extended", "Extend volume completed successfully.")
EXTEND_FAILED = _VOLUME.error("cinder.extend-failed", "Extend volume failed.: {!s}")
DRIVER_UNINITIALIZED = _VOLUME.warning(
    "cinder.driver-uninitialized", "Update driver status failed: {} is uninitialized."
)
CREATE_AS = _CREATE.info("cinder.create-as", "Volume {}: being created as {} with specification: {}")
CREATE_DONE = _CREATE.info("cinder.create-done", "Volume {} ({}): created successfully")
CREATE_FINISH_FAILED = _CREATE.error("cinder.create-finish-failed", "Failed updating volume {} with {}: {!s}")
CREATE_NO_DRIVER = _CREATE.error("cinder.create-no-driver", "Unable to create volume. Volume driver {} not initialized")
CREATE_FAILED = _CREATE.error("cinder.create-failed", "Volume {}: create failed")
CREATE_RESCHEDULING = _CREATE.debug("cinder.create-rescheduling", "Volume {}: re-scheduling {} attempt {} due to {}")
CREATE_RESCHEDULED = _CREATE.debug("cinder.create-rescheduled", "Volume {}: re-scheduled")
CREATE_RESCHEDULE_FAILED = _CREATE.error("cinder.create-reschedule-failed", "Volume {}: rescheduling failed: {!s}")
CREATE_STATE_FAILED = _CREATE.error("cinder.create-state-failed", "Volume {}: update volume state failed.: {!s}")
CLONING_FROM_IMAGE = _CREATE.debug("cinder.cloning-from-image", "Cloning {} from image {}  at location {}.")
SETTING_TO_ERROR_FAILED = _COMMON.error("cinder.setting-to-error-failed", "Failed setting {} {} to  {} status.: {!s}")
IMAGE_COPY_FAILED = _UTILS.error("cinder.image-copy-failed", "Failed to copy image {} to volume: {}: {!s}")
VOLUME_COPIED = _UTILS.info("cinder.volume-copied", "Volume copy {:.2f} MB at {:.2f} MB/s")
NOT_INITIALIZED = _UTILS.error("cinder.not-initialized", "Volume driver {} not initialized")
GLANCE_UNREACHABLE = _GLANCE.error(
    "cinder.glance-unreachable", "Error contacting glance server '{}' for '{}', done trying.: {!s}"
)
IMAGE_FETCHED = _IMAGE.info("cinder.image-fetched", "Image download {:.2f} MB at {:.2f} MB/s")
IMAGE_CONVERTED = _IMAGE.info("cinder.image-converted", "Converted {:.2f} MB image at {:.2f} MB/s")

# --- cinder-volume: the LVM driver and its targets -----------------------------------------------------------------

LVM_DELETED = _LVM_DRIVER.info("cinder.lvm-deleted", "Successfully deleted volume: {}")
LVM_HAS_SNAPSHOT = _LVM_DRIVER.error(
    "cinder.lvm-has-snapshot", "Unable to delete due to existing snapshot for volume: {}"
)
LVM_SNAPSHOT_DELETED = _LVM_DRIVER.info("cinder.lvm-snapshot-deleted", "Successfully deleted snapshot: {}")
LVM_SNAPSHOT_MISSING = _LVM_DRIVER.warning(
    "cinder.lvm-snapshot-missing", "snapshot: {} not found, skipping delete operations"
)
LVM_CREATE_FAILED = _LVM.error("cinder.lvm-create-failed", "Error creating Volume: {!s}")
LVM_SNAPSHOT_FAILED = _LVM.error("cinder.lvm-snapshot-failed", "Error creating snapshot: {!s}")
LVM_EXTEND_FAILED = _LVM.error("cinder.lvm-extend-failed", "Error extending Volume: {!s}")
LVM_COMMAND = _LVM.error("cinder.lvm-command", "Cmd     :{}: {!s}")
LVM_STDOUT = _LVM.error("cinder.lvm-stdout", "StdOut  :{}: {!s}")
LVM_STDERR = _LVM.error("cinder.lvm-stderr", "StdErr  :{}: {!s}")
LVM_REMOVE_FAILED = _LVM.debug("cinder.lvm-remove-failed", "Error reported running lvremove: CMD: {}, RESPONSE: {}")
TARGET_CREATING = _LIO.info("cinder.target-creating", "Creating iscsi_target for volume: {}")
TARGET_CREATE_FAILED = _LIO.error(
    "cinder.target-create-failed", "Failed to create iscsi target for volume id:{}.: {!s}"
)
TARGET_REMOVING = _LIO.info("cinder.target-removing", "Removing iscsi_target: {}")
TARGET_NOT_EXPORTED = _ISCSI.info(
    "cinder.target-not-exported", "Skipping remove_export. No iscsi_target is presently exported for volume: {}"
)
