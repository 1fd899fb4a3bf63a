"""The log statements of nova-compute's manager, claims and resource tracker.

Grouped by what goes on when they are printed. Source: nova 26.2 (Zed) and a recorded control plane.
`ALLOCATION_NOT_IN_DATABASE` is said in a recorded devstack, where a host's audit met builds that had no row yet; in the
twin rows come before allocations.
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_MANAGER = Logger("nova.compute.manager")
_MANAGER_VM = _MANAGER
_API = Logger("nova.conductor.api")
_PROVIDER_CONFIG = Logger("nova.compute.provider_config")
_CLAIMS_VM = Logger("nova.compute.claims")
_TRACKER = Logger("nova.compute.resource_tracker")
_TRACKER_VM = _TRACKER

# --- start-up ------------------------------------------------------------------------------------------------------

CONDUCTOR_WAIT = _API.warning(
    "compute.conductor-wait",
    "Timed out waiting for nova-conductor.  Is it running? Or did this service start before nova-conductor?  "
    "Reattempting establishment of nova-conductor connection...",
)
NO_DATABASE_ACCESS = Logger("nova.db.main.api").error(
    "compute.no-database-access",
    'No DB access allowed in {}:   File "/usr/lib/python3/dist-packages/eventlet/greenthread.py", line 221, in main',
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
NETWORK_SETUP_FAILED = _MANAGER.error(
    "compute.network-setup-failed", "Instance failed network setup after {} attempt(s): {!s}"
)
DEVICES_STARTING = _MANAGER_VM.debug("compute.devices-starting", "Start building block device mappings for instance.")
DEVICE_SETUP_FAILED = _MANAGER_VM.error("compute.device-setup-failed", "Instance failed block device setup: {!s}")
SPAWN_STARTING = _MANAGER_VM.debug("compute.spawn-starting", "Start spawning the instance on the hypervisor.")
TOOK_SPAWN = _MANAGER_VM.info("build.took-spawn", "Took {:.2f} seconds to spawn the instance on the hypervisor.")
TOOK_BUILD = _MANAGER_VM.info("build.took", "Took {:.2f} seconds to build instance.")
SPAWN_FAILED = _MANAGER_VM.error("build.spawn-failed", "Instance failed to spawn: {!s}")
NETWORK_FAILED = _MANAGER_VM.error("build.network-failed", "Failed to allocate network(s): {!s}")
NO_MORE_FIXED_IPS = _MANAGER_VM.warning("compute.no-more-fixed-ips", "No more fixed IP to be allocated: {!s}")
BUILD_AND_RUN_FAILED = _MANAGER_VM.error("compute.build-and-run-failed", "Failed to build and run instance: {!s}")
BUILD_ABORTED = _MANAGER_VM.error(
    "build.aborted",
    "Build of instance {0} aborted: {1}: nova.exception.BuildAbortException: Build of instance {0} aborted: {1}",
)
BUILD_UNEXPECTED = _MANAGER_VM.error("build.unexpected", "Unexpected build failure, not rescheduling build.: {!s}")
RESCHEDULED = _MANAGER_VM.debug("build.rescheduled", "Build of instance {} was re-scheduled: {}")
BUILD_CLEANUP_FAILED = _MANAGER.warning(
    "compute.build-cleanup-failed", "Could not clean up failed build, not rescheduling. Error: {}: {!s}"
)
DEALLOCATE_FAILED = _MANAGER_VM.error("compute.deallocate-failed", "Failed to deallocate networks: {!s}")
DISAPPEARED = _MANAGER_VM.debug("build.disappeared", "Instance disappeared during build.")
TASK_STATE_REVERTED = _MANAGER_VM.info(
    "compute.task-state-reverted", "Successfully reverted task state from {} on failure for instance."
)
TASK_STATE_KEPT = _MANAGER_VM.warning(
    "compute.task-state-kept", "Failed to revert task state for instance. Error: {}: {!s}"
)
SET_TO_ERROR = _MANAGER.error("compute.set-to-error", "Setting instance vm_state to ERROR: {!s}")
VIF_FAILED = "nova.exception.VirtualInterfaceCreateException: Virtual Interface creation failed"
NO_NETWORK = "Failed to allocate the network(s), not rescheduling."

# --- states of the VM ----------------------------------------------------------------------------------------------

LIFECYCLE = _MANAGER.info("vm.lifecycle", "VM {} (Lifecycle Event)")
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
VM_NOT_FOUND = _MANAGER_VM.warning("compute.vm-not-found", "Instance is unexpectedly not found. Ignore.")
SYNC_COUNT = _MANAGER.warning(
    "sync.count",
    "While synchronizing instance power states, found {} instances in the database and {} instances on the hypervisor.",
)
SYNC_TRIGGERED = _MANAGER.debug("compute.sync-triggered", "Triggering sync for uuid {}")
REBOOTING = _MANAGER_VM.info("compute.rebooting", "Rebooting instance")
REBOOTING_STOPPED = _MANAGER_VM.warning(
    "compute.rebooting-stopped", "trying to reboot a non-running instance: (state: {} expected: {})"
)
REBOOT_FAILED = _MANAGER_VM.error("compute.reboot-failed", "Cannot reboot instance: {}: {!s}")
SNAPSHOTTING = _MANAGER_VM.info("compute.snapshotting", "instance snapshotting")
SNAPSHOT_STOPPED = _MANAGER_VM.warning(
    "compute.snapshot-stopped", "trying to snapshot a non-running instance: (state: {} expected: {})"
)
TOOK_SNAPSHOT = _MANAGER_VM.info(
    "compute.took-snapshot", "Took {:.2f} seconds to snapshot the instance on the hypervisor."
)

# --- deleting ------------------------------------------------------------------------------------------------------

TERMINATING = _MANAGER_VM.info("delete.terminating", "Terminating instance")
DESTROY_STARTING = _MANAGER_VM.debug("compute.destroy-starting", "Start destroying the instance on the hypervisor.")
TOOK_DESTROY = _MANAGER_VM.info("delete.took", "Took {:.2f} seconds to destroy the instance on the hypervisor.")
DEALLOCATING = _MANAGER_VM.debug("compute.deallocating", "Deallocating network for instance")
TOOK_DEALLOCATE = _MANAGER_VM.info("delete.network", "Took {:.2f} seconds to deallocate network for instance.")
TOOK_DETACH = _MANAGER_VM.info("compute.took-detach", "Took {:.2f} seconds to detach {} volumes for instance.")
DEALLOCATE_GAVE_UP = _MANAGER_VM.error(
    "compute.deallocate-gave-up", "Failed to deallocate network for instance. Error: {}: {!s}"
)
TERMINATE_DISAPPEARED = _MANAGER_VM.info("compute.terminate-disappeared", "Instance disappeared during terminate")
VOLUME_ERROR_IGNORED = _MANAGER_VM.warning(
    "compute.volume-error-ignored", "Ignoring unknown exception for volume {}: {}: {!s}"
)
DESTROYING_DELETED = _MANAGER_VM.info(
    "compute.destroying-deleted",
    "Destroying instance with name label '{}' which is marked as DELETED but still present on host.",
)
REAPING_FAILED = _MANAGER_VM.warning("compute.reaping-failed", "Periodic cleanup failed to delete instance: {!s}")
DELETED_ALLOCATIONS = Logger("nova.scheduler.client.report").info(
    "delete.allocations", "Deleted allocations for instance {}"
)

# --- claims --------------------------------------------------------------------------------------------------------

# Said until 2019, when placement took over; Zed has none of these.
CLAIM_ATTEMPT = _CLAIMS_VM.info("claim.attempt", "Attempting claim: memory {} MB, disk {} GB, vcpus {} CPU")
CLAIM_MEMORY = _CLAIMS_VM.info("claim.memory", "Total memory: {} MB, used: {:.2f} MB")
CLAIM_LIMIT = _CLAIMS_VM.info("claim.limit", "memory limit: {:.2f} MB, free: {:.2f} MB")
CLAIM_DISK = _CLAIMS_VM.info("claim.disk", "Total disk: {} GB, used: {:.2f} GB")
CLAIM_DISK_UNLIMITED = _CLAIMS_VM.info("claim.disk-unlimited", "disk limit not specified, defaulting to unlimited")
CLAIM_VCPU = _CLAIMS_VM.info("claim.vcpu", "Total vcpu: {} VCPU, used: {:.2f} VCPU")
CLAIM_VCPU_UNLIMITED = _CLAIMS_VM.info("claim.vcpu-unlimited", "vcpu limit not specified, defaulting to unlimited")
# Said in all versions.
CLAIM_OK = _CLAIMS_VM.info("claim.ok", "Claim successful on node {}")
CLAIM_FAILED = _CLAIMS_VM.info("compute.claim-failed", "Failed to claim: {}")
CLAIM_ABORTED = _CLAIMS_VM.debug("compute.claim-aborted", "Aborting claim: {}")

# --- resource tracker ----------------------------------------------------------------------------------------------

NODE_CREATED = _TRACKER.info("compute.node-created", "Compute node record created for {}:{} with uuid: {}")
AUDITING = _TRACKER.debug("compute.auditing", "Auditing locally available compute resources for {} (node: {})")
HYPERVISOR_VIEW = _TRACKER.debug(
    "compute.hypervisor-view",
    "Hypervisor/Node resource view: name={} free_ram={}MB free_disk={}GB free_vcpus={} pci_devices={}",
)
USAGE_FROM_MIGRATION = _TRACKER_VM.info("compute.usage-from-migration", "Updating resource usage from migration {}")
USABLE_VCPUS = _TRACKER.debug("compute.usable-vcpus", "Total usable vcpus: {}, total allocated vcpus: {}")
FINAL_VIEW = _TRACKER.debug(
    "audit.final",
    "Final resource view: name={} phys_ram={}MB used_ram={}MB phys_disk={}GB used_disk={}GB total_vcpus={} "
    "used_vcpus={} pci_stats=[]",
)
NODE_UPDATED = _TRACKER.debug("compute.node-updated", "Compute_service record updated for {}:{}")
NO_NODE_RECORD = _TRACKER.warning("compute.no-node-record", "No compute node record for {}:{}: {!s}")
ALLOCATION_NOT_IN_DATABASE = _TRACKER.info(
    "compute.allocation-not-in-database",
    "Instance {} has allocations against this compute host but is not found in the database.",
)
ALLOCATION_OF_DELETED = _TRACKER.debug(
    "compute.allocation-of-deleted",
    "Instance {} has been deleted (perhaps locally). Deleting allocations that remained for this instance "
    "against this compute host: {}.",
)
ALLOCATION_NOT_STARTED = _TRACKER.debug(
    "compute.allocation-not-started",
    "Instance {} has been scheduled to this compute host, the scheduler has made an allocation against this "
    "compute node but the instance has yet to start. Skipping heal of allocation: {}.",
)
ALLOCATION_IN_TRANSITION = _TRACKER_VM.debug(
    "compute.allocation-in-transition",
    'Instance with task_state "{}" is not being actively managed by this compute host but has allocations '
    "referencing this compute node ({}): {}. Skipping heal of allocations during the task state transition.",
)
ALLOCATION_NOT_MANAGED = _TRACKER.warning(
    "compute.allocation-not-managed",
    "Instance {} is not being actively managed by this compute host but has allocations referencing this "
    "compute host: {}. Skipping heal of allocation because we do not know what to do.",
)
ALLOCATION_OF_MOVED = _TRACKER.warning(
    "compute.allocation-of-moved",
    "Instance {} has been moved to another host {}({}). There are allocations remaining against the source "
    "host that might need to be removed: {}.",
)
ALLOCATIONS_SKIPPED = _TRACKER.error(
    "compute.allocations-skipped", "Skipping removal of allocations for deleted instances: {}: {!s}"
)

# --- periodic tasks ------------------------------------------------------------------------------------------------

HEAL_STARTING = _MANAGER.debug("compute.heal-starting", "Starting heal instance info cache")
HEAL_DONE = _MANAGER_VM.debug("compute.heal-done", "Updated the network info_cache for instance")
HEAL_FAILED = _MANAGER_VM.error("compute.heal-failed", "An error occurred while refreshing the network cache.: {!s}")
HEAL_NOTHING = _MANAGER.debug("compute.heal-nothing", "Didn't find any instances for network info cache update.")
USAGE_AUDIT = _MANAGER.info(
    "compute.usage-audit", "Running instance usage audit for host {} from {} to {}. {} instances."
)
RESOURCES_FAILED = _MANAGER.error("audit.failed", "Error updating resources for node {}.: {!s}")
