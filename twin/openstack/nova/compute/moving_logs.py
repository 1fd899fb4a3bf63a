"""The log statements of nova-compute's manager when instances move.

Source: nova 26.2 (Zed).
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_MANAGER = Logger("nova.compute.manager")
_MANAGER_VM = _MANAGER

# --- resize and cold migration -------------------------------------------------------------------------------------

PREP_RESIZE = _MANAGER_VM.info("moving.prep-resize", "Migrating")
RESIZE_RESCHEDULING = _MANAGER.debug("moving.resize-rescheduling", "Rescheduling, attempt {}")
RESIZE_RESCHEDULE_FAILED = _MANAGER.error("moving.resize-reschedule-failed", "Error trying to reschedule: {!s}")
FINISH_RESIZE_FAILED = _MANAGER_VM.info(
    "moving.finish-resize-failed",
    "Deleting allocations for old flavor on source node {} after finish_resize failure. You may be able to "
    "recover the instance by hard rebooting it.",
)
CONFIRMING_RESIZE = _MANAGER_VM.debug("moving.confirming-resize", "Going to confirm migration {}")
CONFIRM_RESIZE_FAILED = _MANAGER_VM.error(
    "moving.confirm-resize-failed",
    "Confirm resize failed on source host {}. Resource allocations in the placement service will be removed "
    "regardless because the instance is now on the destination host {}. You can try hard rebooting the "
    "instance to correct its state.: {!s}",
)
ALLOCATION_LEAKED = _MANAGER.error(
    "moving.allocation-leaked",
    "Deleting allocation in placement for migration {} failed. The instance {} will be put to ERROR state but "
    "the allocation held by the migration is leaked.: {!s}",
)
REVERTING_ALLOCATION = _MANAGER_VM.info(
    "moving.reverting-allocation", "Swapping old allocation on {} held by migration {} for instance"
)
REVERTED_TO_STATE = _MANAGER_VM.info("moving.reverted-to-state", "Updating instance to original state: '{}'")
STASHING_STATE = _MANAGER_VM.debug("moving.stashing-state", "Stashing vm_state: {}")

# --- live migration ------------------------------------------------------------------------------------------------

LIVE_MIGRATION_CHECKED = _MANAGER.debug("moving.live-migration-checked", "source check data is {}")
PRE_LIVE_MIGRATION_DATA = _MANAGER.debug("moving.pre-live-migration-data", "pre_live_migration data is {}")
MIGRATION_TOOK = _MANAGER_VM.info("migrate.took", "Took {:.2f} seconds for pre_live_migration on destination host {}.")
PRE_LIVE_MIGRATION_FAILED = _MANAGER_VM.error(
    "moving.pre-live-migration-failed", "Pre live migration failed at {}: {!s}"
)
PRE_LIVE_MIGRATION_VIF_FAILED = _MANAGER_VM.error(
    "moving.pre-live-migration-vif-failed",
    "Failed waiting for network virtual interfaces to be plugged on the destination host {}.: {!s}",
)
LIVE_MIGRATION_FAILED = _MANAGER_VM.error("moving.live-migration-failed", "Live migration failed.: {!s}")
POST_LIVE_MIGRATION = _MANAGER_VM.info("moving.post-live-migration", "_post_live_migration() is started..")
POST_AT_DESTINATION = _MANAGER_VM.info("moving.post-at-destination", "Post operation of migration started")
POST_AT_DESTINATION_FAILED = _MANAGER_VM.error(
    "moving.post-at-destination-failed", "Post live migration at destination {} failed: {!s}"
)
POST_UNEXPECTED = _MANAGER_VM.error(
    "moving.post-unexpected", "Unexpected error during post live migration at destination host.: {!s}"
)
MIGRATING = _MANAGER_VM.info("migrate.post", "Migrating instance to {} finished successfully.")
SOURCE_VOLUME_CONNECTED = _MANAGER_VM.error(
    "moving.source-volume-connected",
    "Connection for volume {} not terminated on source host {} during post_live_migration: {}: {!s}",
)
DESTINATION_NETWORK_LEFT = _MANAGER.error(
    "moving.destination-network-left",
    "Network cleanup failed for destination host {} during live migration rollback. You may need to manually "
    "clean up resources in the network service. Error: {}: {!s}",
)
MIGRATION_SET_TO_ERROR = _MANAGER.warning("moving.migration-set-to-error", "Setting migration {} to error: {}")

# --- rebuild and evacuation ----------------------------------------------------------------------------------------

EVACUATING = _MANAGER_VM.info("migrate.evacuate", "Evacuating instance")
REBUILDING = _MANAGER_VM.info("moving.rebuilding", "Rebuilding instance")
REBUILD_SHARED = _MANAGER.info("moving.rebuild-shared", "disk on shared storage, evacuating using existing disk")
REBUILD_FROM_IMAGE = _MANAGER.info(
    "moving.rebuild-from-image", "disk not on shared storage, evacuating from image: '{}'"
)
REBUILD_FROM_VOLUME = _MANAGER.info("moving.rebuild-from-volume", "disk on volume, evacuating using existing volume")
REBUILD_NO_RESOURCES = _MANAGER_VM.debug(
    "moving.rebuild-no-resources", "Could not rebuild instance on this host, not enough resources available."
)
BRINGING_TO_STATE = _MANAGER_VM.info("moving.bringing-to-state", "bringing vm to original state: '{}'")
