"""The log statements of nova-compute: manager, claims, resource tracker."""

from __future__ import annotations

from twin.telemetry.lines.oslo import statement
from twin.telemetry.records import Level

INFO, WARNING, ERROR = Level.INFO, Level.WARNING, Level.ERROR

_MANAGER = "nova.compute.manager"
CONDUCTOR_WAIT = statement(
    "compute.conductor-wait",
    WARNING,
    "nova.conductor.api",
    "Timed out waiting for nova-conductor.  Is it running? Or did this service start before nova-conductor?  "
    "Reattempting establishment of nova-conductor connection...",
)
CLAIM_ATTEMPT = statement(
    "claim.attempt", INFO, "nova.compute.claims", "Attempting claim: memory {} MB, disk {} GB, vcpus {} CPU"
)
CLAIM_MEMORY = statement("claim.memory", INFO, "nova.compute.claims", "Total memory: {} MB, used: {:.2f} MB")
CLAIM_LIMIT = statement("claim.limit", INFO, "nova.compute.claims", "memory limit: {:.2f} MB, free: {:.2f} MB")
CLAIM_VCPU = statement("claim.vcpu", INFO, "nova.compute.claims", "Total vcpu: {} VCPU, used: {:.2f} VCPU")
CLAIM_OK = statement("claim.ok", INFO, "nova.compute.claims", "Claim successful on node {}")
LIFECYCLE = statement("vm.lifecycle", INFO, _MANAGER, "VM {} (Lifecycle Event)")
PENDING_TASK = statement(
    "vm.pending", INFO, _MANAGER, "During sync_power_state the instance has a pending task (spawning). Skip."
)
TOOK_SPAWN = statement(
    "build.took-spawn", INFO, _MANAGER, "Took {:.2f} seconds to spawn the instance on the hypervisor."
)
TOOK_BUILD = statement("build.took", INFO, _MANAGER, "Took {:.2f} seconds to build instance.")
SPAWN_FAILED = statement("build.spawn-failed", ERROR, _MANAGER, "Instance failed to spawn: {}")
NETWORK_FAILED = statement("build.network-failed", ERROR, _MANAGER, "Failed to allocate network(s): {}")
BUILD_ABORTED = statement("build.aborted", ERROR, _MANAGER, "Build of instance {} aborted: {}")
BUILD_UNEXPECTED = statement(
    "build.unexpected", ERROR, _MANAGER, "Unexpected build failure, not rescheduling build.: {}"
)
COMPUTE_TRACE = statement("compute.trace", ERROR, _MANAGER, "{}")
RESCHEDULED = statement("build.rescheduled", ERROR, _MANAGER, "Build of instance {} was re-scheduled: {}")
VIF_FAILED = "nova.exception.VirtualInterfaceCreateException: Virtual Interface creation failed"
NO_NETWORK = "Failed to allocate the network(s), not rescheduling."
DISAPPEARED = statement("build.disappeared", INFO, _MANAGER, "Instance disappeared during build.")
TERMINATING = statement("delete.terminating", INFO, _MANAGER, "Terminating instance")
TOOK_DESTROY = statement(
    "delete.took", INFO, _MANAGER, "Took {:.2f} seconds to destroy the instance on the hypervisor."
)
TOOK_DEALLOCATE = statement("delete.network", INFO, _MANAGER, "Took {:.2f} seconds to deallocate network for instance.")
DELETED_ALLOCATIONS = statement(
    "delete.allocations", INFO, "nova.scheduler.client.report", "Deleted allocations for instance {}"
)
DELETE_FAILED = statement("delete.failed", ERROR, _MANAGER, "Setting instance vm_state to ERROR: {}")
DELETION_RESTARTED = statement(
    "init.deleting",
    INFO,
    _MANAGER,
    "Service started deleting the instance during the previous run, but did not finish. Restarting the deletion now.",
)
INIT_STUCK = statement(
    "init.building",
    INFO,
    _MANAGER,
    "Looking for unclaimed instances stuck in BUILDING status for nodes managed by this host",
)
INIT_REBOOT = statement("init.reboot", INFO, _MANAGER, "Rebooting instance after nova-compute restart.")
VM_GONE = statement(
    "sync.gone",
    WARNING,
    _MANAGER,
    "Instance shutdown by itself. Calling the stop API. Current vm_state: active, current task_state: None, "
    "original DB power_state: 1, current VM power_state: 4",
)
SYNC_COUNT = statement(
    "sync.count",
    WARNING,
    _MANAGER,
    "While synchronizing instance power states, found {} instances in the database and {} instances on the hypervisor.",
)
RESOURCES_FAILED = statement("audit.failed", ERROR, _MANAGER, "Error updating resources for node: {}")
FINAL_VIEW = statement(
    "audit.final",
    INFO,
    "nova.compute.resource_tracker",
    "Final resource view: name={} phys_ram={}MB used_ram={}MB phys_disk={}GB used_disk={}GB total_vcpus={} "
    "used_vcpus={} pci_stats=[]",
)
MIGRATING = statement("migrate.post", INFO, _MANAGER, "Migrating instance to {} finished successfully.")
MIGRATION_TOOK = statement(
    "migrate.took", INFO, _MANAGER, "Took {:.2f} seconds for pre_live_migration on destination host {}."
)
EVACUATING = statement("migrate.evacuate", INFO, _MANAGER, "Evacuating instance")
