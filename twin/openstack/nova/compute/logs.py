"""The log statements of nova-compute's manager, claims and resource tracker.

Grouped by what goes on when they are printed. Where the real statement stands in an ``except`` clause, the last field
is the error's summary, which oslo.log appends. Source: nova 26.2 (Zed) and a recorded control plane.
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_MANAGER = Logger("nova.compute.manager")
_MANAGER_VM = _MANAGER
_API = Logger("nova.conductor.api")
_PROVIDER_CONFIG = Logger("nova.compute.provider_config")

# --- start-up ------------------------------------------------------------------------------------------------------

COMPUTE_TRACE = _MANAGER.error("compute.trace", "{}")
DELETION_RESTARTED = _MANAGER_VM.info(
    "init.deleting",
    "Service started deleting the instance during the previous run, but did not finish. Restarting the deletion now.",
)
DELETION_FAILED = _MANAGER_VM.error("compute.deletion-failed", "Failed to complete a deletion: {}")
INIT_STUCK = _MANAGER.info(
    "init.building", "Looking for unclaimed instances stuck in BUILDING status for nodes managed by this host"
)
INIT_INTERRUPTED = _MANAGER_VM.debug(
    "compute.init-interrupted", "Instance spawn was interrupted before instance_claim, setting instance to ERROR state"
)
INIT_SPAWN_FAILED = _MANAGER_VM.debug(
    "compute.init-spawn-failed", "Instance failed to spawn correctly, setting to ERROR state"
)
INIT_TRANSITIONAL = _MANAGER_VM.debug(
    "compute.init-transitional", "Instance in transitional state {} at start-up clearing task state"
)
INIT_RETRYING_STOP = _MANAGER_VM.debug(
    "compute.init-retrying-stop", "Instance in transitional state {} at start-up retrying stop request"
)
INIT_RETRYING_START = _MANAGER_VM.debug(
    "compute.init-retrying-start", "Instance in transitional state {} at start-up retrying start request"
)
INIT_MIGRATING = _MANAGER_VM.info(
    "compute.init-migrating", "Instance found in migrating state during startup. Resetting task_state"
)
INIT_VIF_FAILED = _MANAGER_VM.error(
    "compute.init-vif-failed",
    "Virtual interface plugging failed for instance. The port binding:host_id may need to be manually updated.: {}",
)
INIT_CURRENT_STATE = _MANAGER_VM.debug("compute.init-current-state", "Current state is {}, state in DB is {}.")
INIT_REBOOT = _MANAGER_VM.info("init.reboot", "Rebooting instance after nova-compute restart.")
INIT_RESUME_FAILED = _MANAGER_VM.warning("compute.init-resume-failed", "Failed to resume instance: {}")
INIT_NOT_OURS = _MANAGER.warning(
    "compute.init-not-ours",
    "Instance {} appears to not be owned by this host, but by {}. Startup processing is being skipped.",
)
EVACUATED_ELSEWHERE = _MANAGER_VM.info(
    "compute.evacuated-elsewhere",
    "Destroying instance as it has been evacuated from this host but still exists in the hypervisor",
)
EVACUATED_ALLOCATIONS = _MANAGER_VM.info(
    "compute.evacuated-allocations", "Cleaning up allocations of the instance as it has been evacuated from this host"
)
CHECKING_STATE = _MANAGER_VM.debug("compute.checking-state", "Checking state")
CONDUCTOR_WAIT = _API.warning(
    "compute.conductor-wait",
    "Timed out waiting for nova-conductor.  Is it running? Or did this service start before nova-conductor?  "
    "Reattempting establishment of nova-conductor connection...",
)
NO_PROVIDER_CONFIGS = _PROVIDER_CONFIG.info(
    "compute.no-provider-configs",
    "No provider configs found in {}. If files are present, ensure the Nova process has access.",
)

# --- building ------------------------------------------------------------------------------------------------------

BUILD_STARTING = _MANAGER_VM.debug("compute.build-starting", "Starting instance...")
NETWORKS_STARTING = _MANAGER_VM.debug(
    "compute.networks-starting", "Start building networks asynchronously for instance."
)
ALLOCATING_IN_BACKGROUND = _MANAGER_VM.debug(
    "compute.allocating-in-background", "Allocating IP information in the background."
)
NETWORK_INFO = _MANAGER_VM.debug("compute.network-info", "Instance network_info: |{}|")
NETWORK_SETUP_RETRY = _MANAGER_VM.warning(
    "compute.network-setup-retry", "Instance failed network setup (attempt {} of {}): {}"
)
NETWORK_SETUP_FAILED = _MANAGER.error(
    "compute.network-setup-failed", "Instance failed network setup after {} attempt(s): {}"
)
DEVICES_STARTING = _MANAGER_VM.debug("compute.devices-starting", "Start building block device mappings for instance.")
DEVICE_SETUP_FAILED = _MANAGER_VM.error("compute.device-setup-failed", "Instance failed block device setup: {}")
DEVICE_PREP_FAILED = _MANAGER_VM.error("compute.device-prep-failed", "Failure prepping block device: {}")
VOLUME_QUOTA_EXCEEDED = _MANAGER_VM.warning(
    "compute.volume-quota-exceeded",
    "Failed to create block device for instance due to exceeding volume related resource quota. Error: {}: {}",
)
VOLUME_NOT_AVAILABLE = _MANAGER.warning(
    "compute.volume-not-available", "Volume id: {} finished being created but its status is {}."
)
SPAWN_STARTING = _MANAGER_VM.debug("compute.spawn-starting", "Start spawning the instance on the hypervisor.")
TOOK_SPAWN = _MANAGER_VM.info("build.took-spawn", "Took {:.2f} seconds to spawn the instance on the hypervisor.")
TOOK_BUILD = _MANAGER_VM.info("build.took", "Took {:.2f} seconds to build instance.")
SPAWN_FAILED = _MANAGER_VM.debug("build.spawn-failed", "Instance failed to spawn correctly, setting to ERROR state")
NETWORK_FAILED = _MANAGER_VM.error("build.network-failed", "Failed to allocate network(s): {}")
NO_MORE_FIXED_IPS = _MANAGER_VM.warning("compute.no-more-fixed-ips", "No more fixed IP to be allocated: {}")
BUILD_AND_RUN_FAILED = _MANAGER_VM.error("compute.build-and-run-failed", "Failed to build and run instance: {}")
BUILD_ABORTED = _MANAGER_VM.error("build.aborted", "Build of instance {} aborted: {}")
BUILD_UNEXPECTED = _MANAGER_VM.error("build.unexpected", "Unexpected build failure, not rescheduling build.: {}")
RESCHEDULED = _MANAGER_VM.debug("build.rescheduled", "Build of instance {} was re-scheduled: {}")
RETRY_MISSING = _MANAGER_VM.debug("compute.retry-missing", "Retry info not present, will not reschedule")
BUILD_TIMED_OUT = _MANAGER_VM.warning("compute.build-timed-out", "Instance build timed out. Set to error state.")
BUILD_CLEANUP_FAILED = _MANAGER.warning(
    "compute.build-cleanup-failed", "Could not clean up failed build, not rescheduling. Error: {}: {}"
)
UNPLUGGING_VIFS = _MANAGER_VM.debug("compute.unplugging-vifs", "Unplugging VIFs for instance")
UNPLUGGED_VIFS = _MANAGER_VM.debug("compute.unplugged-vifs", "Unplugged VIFs for instance")
VIF_CLEANUP_FAILED = _MANAGER_VM.warning(
    "compute.vif-cleanup-failed", "Cleaning up VIFs failed for instance. Error: {}: {}"
)
DEALLOCATE_FAILED = _MANAGER_VM.error("compute.deallocate-failed", "Failed to deallocate networks: {}")
DISAPPEARED = _MANAGER_VM.debug("build.disappeared", "Instance disappeared during build.")
TASK_STATE_REVERTED = _MANAGER_VM.info(
    "compute.task-state-reverted", "Successfully reverted task state from {} on failure for instance."
)
TASK_STATE_KEPT = _MANAGER_VM.warning(
    "compute.task-state-kept", "Failed to revert task state for instance. Error: {}: {}"
)
BACK_TO_STATE = _MANAGER.info("compute.back-to-state", "Setting instance back to {} after: {}")
SET_TO_ERROR = _MANAGER.error("compute.set-to-error", "Setting instance vm_state to ERROR: {}")
VIF_FAILED = "nova.exception.VirtualInterfaceCreateException: Virtual Interface creation failed"
NO_NETWORK = "Failed to allocate the network(s), not rescheduling."

# --- external events -----------------------------------------------------------------------------------------------

PREPARING_FOR_EVENT = _MANAGER_VM.debug("compute.preparing-for-event", "Preparing to wait for external event {}-{}")
EVENT_WAIT_DONE = _MANAGER_VM.debug("compute.event-wait-done", "Instance event wait completed in {} seconds for {}")
EVENT_TIMED_OUT = _MANAGER_VM.warning(
    "compute.event-timed-out",
    "Timeout waiting for {} for instance with vm_state {} and task_state {}. Event states are: {}: {}",
)
PROCESSING_EVENT = _MANAGER_VM.debug("compute.processing-event", "Processing event {}")
EVENT_RECEIVED = _MANAGER_VM.debug("compute.event-received", "Received event {}")
EVENT_UNEXPECTED = _MANAGER_VM.warning(
    "compute.event-unexpected", "Received unexpected event {} for instance with vm_state {} and task_state {}."
)
NO_WAITING_EVENTS = _MANAGER_VM.debug("compute.no-waiting-events", "No waiting events found dispatching {}")
NO_EVENT_MATCHING = _MANAGER_VM.debug("compute.no-event-matching", "No event matching {} in {}")
EVENT_FAILED = _MANAGER_VM.info("compute.event-failed", "Failed to process external instance event {} due to: {}")
REFRESHING_ON_EVENT = _MANAGER_VM.debug(
    "compute.refreshing-on-event", "Refreshing instance network info cache due to event {}."
)
INTERFACE_DELETED = _MANAGER_VM.info(
    "compute.interface-deleted",
    "Neutron deleted interface {}; detaching it from the instance and deleting it from the info cache",
)
VOLUME_EXTENDED = _MANAGER_VM.info(
    "compute.volume-extended", "Cinder extended volume {}; extending it to detect new size"
)
VOLUME_EXTEND_FAILED = _MANAGER_VM.warning(
    "compute.volume-extend-failed", "Extend volume failed, volume_id={}, reason: {}: {}"
)

# --- states of the VM ----------------------------------------------------------------------------------------------

LIFECYCLE = _MANAGER.info("vm.lifecycle", "VM {} (Lifecycle Event)")
SYNCING_AFTER_EVENT = _MANAGER.debug(
    "compute.syncing-after-event",
    'Synchronizing instance power state after lifecycle event "{}"; current vm_state: {}, current task_state: '
    "{}, current DB power_state: {}, VM power_state: {}",
)
PENDING_TASK = _MANAGER_VM.info(
    "vm.pending", "During sync_power_state the instance has a pending task (spawning). Skip."
)
PENDING_TASK_OF = _MANAGER_VM.info(
    "compute.pending-task-of", "During sync_power_state the instance has a pending task ({}). Skip."
)
POWER_STATE_DIFFERS = _MANAGER_VM.info(
    "compute.power-state-differs",
    "During _sync_instance_power_state the DB power_state ({}) does not match the vm_power_state from the "
    "hypervisor ({}). Updating power_state in the DB to match the hypervisor.",
)
VM_GONE = _MANAGER_VM.warning(
    "sync.gone",
    "Instance shutdown by itself. Calling the stop API. Current vm_state: active, current task_state: None, "
    "original DB power_state: 1, current VM power_state: 4",
)
VM_STATE_UNEXPECTED = _MANAGER_VM.warning(
    "compute.vm-state-unexpected",
    "Instance is not stopped. Calling the stop API. Current vm_state: {}, current task_state: {}, original DB "
    "power_state: {}, current VM power_state: {}",
)
VM_PAUSED = _MANAGER_VM.warning("compute.vm-paused", "Instance is paused unexpectedly. Ignore.")
VM_SUSPENDED = _MANAGER_VM.warning("compute.vm-suspended", "Instance is suspended unexpectedly. Calling the stop API.")
VM_NOT_FOUND = _MANAGER_VM.warning("compute.vm-not-found", "Instance is unexpectedly not found. Ignore.")
VM_MOVED = _MANAGER_VM.info(
    "compute.vm-moved", "During the sync_power process the instance has moved from host {} to host {}"
)
SYNC_COUNT = _MANAGER.warning(
    "sync.count",
    "While synchronizing instance power states, found {} instances in the database and {} instances on the hypervisor.",
)
SYNC_SKIPPED = _MANAGER.info("compute.sync-skipped", "Skipping _sync_power_states periodic task due to: {}")
SYNC_TRIGGERED = _MANAGER.debug("compute.sync-triggered", "Triggering sync for uuid {}")
SYNC_IN_PROGRESS = _MANAGER.debug("compute.sync-in-progress", "Sync already in progress for {}")
SYNC_FAILED = _MANAGER_VM.error(
    "compute.sync-failed", "Periodic sync_power_state task had an error while processing an instance.: {}"
)
SYNC_STOP_FAILED = _MANAGER_VM.error("compute.sync-stop-failed", "error during stop() in sync_power_state.: {}")
STOPPING = _MANAGER.debug(
    "compute.stopping",
    "Stopping instance; current vm_state: {}, current task_state: {}, current DB power_state: {}, current VM "
    "power_state: {}",
)
ALREADY_OFF = _MANAGER_VM.info(
    "compute.already-off", "Instance is already powered off in the hypervisor when stop is called."
)
REBOOTING = _MANAGER_VM.info("compute.rebooting", "Rebooting instance")
REBOOTING_STOPPED = _MANAGER_VM.warning(
    "compute.rebooting-stopped", "trying to reboot a non-running instance: (state: {} expected: {})"
)
REBOOT_FAILED_RUNNING = _MANAGER_VM.warning(
    "compute.reboot-failed-running", "Reboot failed but instance is running: {}"
)
REBOOT_FAILED = _MANAGER_VM.error("compute.reboot-failed", "Cannot reboot instance: {}: {}")
REBOOT_DISAPPEARED = _MANAGER_VM.warning("compute.reboot-disappeared", "Instance disappeared during reboot: {}")
PAUSING = _MANAGER_VM.info("compute.pausing", "Pausing")
UNPAUSING = _MANAGER_VM.info("compute.unpausing", "Unpausing")
RESUMING = _MANAGER_VM.info("compute.resuming", "Resuming")
SHELVING = _MANAGER_VM.info("compute.shelving", "Shelving")
UNSHELVING = _MANAGER_VM.info("compute.unshelving", "Unshelving")
RESCUING = _MANAGER_VM.info("compute.rescuing", "Rescuing")
UNRESCUING = _MANAGER_VM.info("compute.unrescuing", "Unrescuing")
GETTING_CONSOLE = _MANAGER_VM.info("compute.getting-console", "Get console output")
GETTING_DIAGNOSTICS = _MANAGER_VM.info("compute.getting-diagnostics", "Retrieving diagnostics")
SNAPSHOTTING = _MANAGER_VM.info("compute.snapshotting", "instance snapshotting")
SNAPSHOT_STOPPED = _MANAGER_VM.warning(
    "compute.snapshot-stopped", "trying to snapshot a non-running instance: (state: {} expected: {})"
)
TOOK_SNAPSHOT = _MANAGER_VM.info(
    "compute.took-snapshot", "Took {:.2f} seconds to snapshot the instance on the hypervisor."
)
SNAPSHOT_IMAGE_GONE = _MANAGER_VM.warning("compute.snapshot-image-gone", "Image not found during snapshot: {}")
SNAPSHOT_CLEANUP_FAILED = _MANAGER_VM.warning(
    "compute.snapshot-cleanup-failed", "Error while trying to clean up image {}: {}"
)

# --- deleting ------------------------------------------------------------------------------------------------------

TERMINATING = _MANAGER_VM.info("delete.terminating", "Terminating instance")
DESTROY_STARTING = _MANAGER_VM.debug("compute.destroy-starting", "Start destroying the instance on the hypervisor.")
TOOK_DESTROY = _MANAGER_VM.info("delete.took", "Took {:.2f} seconds to destroy the instance on the hypervisor.")
DEALLOCATING = _MANAGER_VM.debug("compute.deallocating", "Deallocating network for instance")
TOOK_DEALLOCATE = _MANAGER_VM.info("delete.network", "Took {:.2f} seconds to deallocate network for instance.")
TOOK_DETACH = _MANAGER_VM.info("compute.took-detach", "Took {:.2f} seconds to detach {} volumes for instance.")
DEALLOCATE_RETRY = _MANAGER_VM.warning(
    "compute.deallocate-retry", "Failed to deallocate network for instance; retrying. Error: {}: {}"
)
DEALLOCATE_GAVE_UP = _MANAGER_VM.error(
    "compute.deallocate-gave-up", "Failed to deallocate network for instance. Error: {}: {}"
)
DELETE_FAILED = _MANAGER_VM.error("delete.failed", "Setting instance vm_state to ERROR: {}")
TERMINATE_DISAPPEARED = _MANAGER_VM.info("compute.terminate-disappeared", "Instance disappeared during terminate")
EVENTS_PENDING = _MANAGER_VM.debug("compute.events-pending", "Events pending at deletion: {}")
ATTACHMENT_NOT_FOUND = _MANAGER_VM.debug("compute.attachment-not-found", "Ignoring VolumeAttachmentNotFound: {}")
VOLUME_NOT_FOUND = _MANAGER_VM.debug("compute.volume-not-found", "Ignoring VolumeNotFound: {}")
VOLUME_IGNORED = _MANAGER_VM.warning(
    "compute.volume-ignored", "Ignoring unknown cinder exception for volume {}: {}: {}"
)
VOLUME_ERROR_IGNORED = _MANAGER_VM.warning(
    "compute.volume-error-ignored", "Ignoring unknown exception for volume {}: {}: {}"
)
DETACH_ON_DELETE_FAILED = _MANAGER.warning(
    "compute.detach-on-delete-failed", "Failed to detach volume: {} due to {}: {}"
)
DELETE_VOLUME_FAILED = _MANAGER.warning("compute.delete-volume-failed", "Failed to delete volume: {} due to {}: {}")
RUNNING_BUT_DELETED = _MANAGER_VM.warning(
    "compute.running-but-deleted",
    "Detected instance with name label '{}' which is marked as DELETED but still present on host.",
)
DESTROYING_DELETED = _MANAGER_VM.info(
    "compute.destroying-deleted",
    "Destroying instance with name label '{}' which is marked as DELETED but still present on host.",
)
DELETED_ALLOCATIONS = Logger("nova.scheduler.client.report").info(
    "delete.allocations", "Deleted allocations for instance {}"
)

# --- volumes and interfaces ----------------------------------------------------------------------------------------

ATTACHING = _MANAGER_VM.info("compute.attaching", "Attaching volume {} to {}")
ATTACH_FAILED = _MANAGER_VM.error("compute.attach-failed", "Failed to attach {} at {}: {}")
DETACHING = _MANAGER_VM.info("compute.detaching", "Detaching volume {}")
DETACH_FAILED_AT = _MANAGER_VM.error("compute.detach-failed-at", "Failed to detach volume {} from {}: {}")
ATTACH_INTERFACE_FAILED = _MANAGER_VM.warning(
    "compute.attach-interface-failed", "attach interface failed , try to deallocate port {}, reason: {}: {}"
)
DEALLOCATE_PORT_FAILED = _MANAGER_VM.warning(
    "compute.deallocate-port-failed", "Failed to deallocate port {} for instance. Error: {}: {}"
)
SWAPPING_VOLUME = _MANAGER_VM.info("compute.swapping-volume", "Swapping volume {} for {}")

# --- moving --------------------------------------------------------------------------------------------------------

PREP_RESIZE = _MANAGER_VM.info("compute.prep-resize", "Migrating")
RESIZE_RESCHEDULING = _MANAGER.debug("compute.resize-rescheduling", "Rescheduling, attempt {}")
RESIZE_RESCHEDULE_FAILED = _MANAGER.error("compute.resize-reschedule-failed", "Error trying to reschedule: {}")
FINISH_RESIZE_FAILED = _MANAGER_VM.info(
    "compute.finish-resize-failed",
    "Deleting allocations for old flavor on source node {} after finish_resize failure. You may be able to "
    "recover the instance by hard rebooting it.",
)
CONFIRMING_RESIZE = _MANAGER_VM.debug("compute.confirming-resize", "Going to confirm migration {}")
CONFIRM_RESIZE_FAILED = _MANAGER_VM.error(
    "compute.confirm-resize-failed",
    "Confirm resize failed on source host {}. Resource allocations in the placement service will be removed "
    "regardless because the instance is now on the destination host {}. You can try hard rebooting the "
    "instance to correct its state.: {}",
)
ALLOCATION_LEAKED = _MANAGER.error(
    "compute.allocation-leaked",
    "Deleting allocation in placement for migration {} failed. The instance {} will be put to ERROR state but "
    "the allocation held by the migration is leaked.: {}",
)
REVERTING_ALLOCATION = _MANAGER_VM.info(
    "compute.reverting-allocation", "Swapping old allocation on {} held by migration {} for instance"
)
REVERTED_TO_STATE = _MANAGER_VM.info("compute.reverted-to-state", "Updating instance to original state: '{}'")
STASHING_STATE = _MANAGER_VM.debug("compute.stashing-state", "Stashing vm_state: {}")
LIVE_MIGRATION_CHECKED = _MANAGER.debug("compute.live-migration-checked", "source check data is {}")
PRE_LIVE_MIGRATION_DATA = _MANAGER.debug("compute.pre-live-migration-data", "pre_live_migration data is {}")
MIGRATION_TOOK = _MANAGER_VM.info("migrate.took", "Took {:.2f} seconds for pre_live_migration on destination host {}.")
PRE_LIVE_MIGRATION_FAILED = _MANAGER_VM.error(
    "compute.pre-live-migration-failed", "Pre live migration failed at {}: {}"
)
PRE_LIVE_MIGRATION_VIF_FAILED = _MANAGER_VM.error(
    "compute.pre-live-migration-vif-failed",
    "Failed waiting for network virtual interfaces to be plugged on the destination host {}.: {}",
)
LIVE_MIGRATION_FAILED = _MANAGER_VM.error("compute.live-migration-failed", "Live migration failed.: {}")
POST_LIVE_MIGRATION = _MANAGER_VM.info("compute.post-live-migration", "_post_live_migration() is started..")
POST_AT_DESTINATION = _MANAGER_VM.info("compute.post-at-destination", "Post operation of migration started")
POST_AT_DESTINATION_FAILED = _MANAGER_VM.error(
    "compute.post-at-destination-failed", "Post live migration at destination {} failed: {}"
)
POST_UNEXPECTED = _MANAGER_VM.error(
    "compute.post-unexpected", "Unexpected error during post live migration at destination host.: {}"
)
MIGRATING = _MANAGER_VM.info("migrate.post", "Migrating instance to {} finished successfully.")
SOURCE_VOLUME_CONNECTED = _MANAGER_VM.error(
    "compute.source-volume-connected",
    "Connection for volume {} not terminated on source host {} during post_live_migration: {}: {}",
)
DESTINATION_NETWORK_LEFT = _MANAGER.error(
    "compute.destination-network-left",
    "Network cleanup failed for destination host {} during live migration rollback. You may need to manually "
    "clean up resources in the network service. Error: {}: {}",
)
MIGRATION_SET_TO_ERROR = _MANAGER.warning("compute.migration-set-to-error", "Setting migration {} to error: {}")
EVACUATING = _MANAGER_VM.info("migrate.evacuate", "Evacuating instance")
REBUILDING = _MANAGER_VM.info("compute.rebuilding", "Rebuilding instance")
REBUILD_SHARED = _MANAGER.info("compute.rebuild-shared", "disk on shared storage, evacuating using existing disk")
REBUILD_FROM_IMAGE = _MANAGER.info(
    "compute.rebuild-from-image", "disk not on shared storage, evacuating from image: '{}'"
)
REBUILD_FROM_VOLUME = _MANAGER.info("compute.rebuild-from-volume", "disk on volume, evacuating using existing volume")
REBUILD_NO_RESOURCES = _MANAGER_VM.debug(
    "compute.rebuild-no-resources", "Could not rebuild instance on this host, not enough resources available."
)
BRINGING_TO_STATE = _MANAGER_VM.info("compute.bringing-to-state", "bringing vm to original state: '{}'")

# --- periodic tasks ------------------------------------------------------------------------------------------------

HEAL_STARTING = _MANAGER.debug("compute.heal-starting", "Starting heal instance info cache")
HEAL_REBUILDING_LIST = _MANAGER.debug("compute.heal-rebuilding-list", "Rebuilding the list of instances to heal")
HEAL_BUILDING = _MANAGER_VM.debug(
    "compute.heal-building", "Skipping network cache update for instance because it is Building."
)
HEAL_DONE = _MANAGER_VM.debug("compute.heal-done", "Updated the network info_cache for instance")
HEAL_FAILED = _MANAGER_VM.error("compute.heal-failed", "An error occurred while refreshing the network cache.: {}")
HEAL_NOTHING = _MANAGER.debug("compute.heal-nothing", "Didn't find any instances for network info cache update.")
USAGE_AUDIT = _MANAGER.info(
    "compute.usage-audit", "Running instance usage audit for host {} from {} to {}. {} instances."
)
RESOURCES_FAILED = _MANAGER.error("audit.failed", "Error updating resources for node {}.: {}")
PENDING_DELETES = _MANAGER.debug("compute.pending-deletes", "Cleaning up deleted instances")
PENDING_DELETES_COUNT = _MANAGER.debug("compute.pending-deletes-count", "There are {} instances to clean")
VOLUME_USAGE = _MANAGER_VM.debug("compute.volume-usage", "Updating volume usage cache with totals")
RECLAIM_OFF = _MANAGER.debug("compute.reclaim-off", "CONF.reclaim_instance_interval <= 0, skipping...")
NO_COMPUTE_NODE = _MANAGER.error("compute.no-compute-node", "No compute node record for host {}: {}")
ORPHAN_COMPUTE_NODE = _MANAGER.info(
    "compute.orphan-compute-node", "Deleting orphan compute node {} hypervisor host is {}, nodes are {}"
)
COMPUTE_NODE_UNKNOWN = _MANAGER.warning(
    "compute.compute-node-unknown", "Compute node '{}' not found in update_available_resource.: {}"
)
