"""The log statements of nova-compute's manager when instances move.

Source: nova 26.2 (Zed).
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_MANAGER = Logger("nova.compute.manager")
_MANAGER_VM = _MANAGER

# --- resize and cold migration -------------------------------------------------------------------------------------

PREP_RESIZE = _MANAGER_VM.info("moving.prep-resize", "Migrating")
WILL_NOT_RESCHEDULE = _MANAGER_VM.debug("moving.will-not-reschedule", "Retry info not present, will not reschedule")
RESCHEDULING = _MANAGER_VM.debug("moving.rescheduling", "Rescheduling, attempt {}")
RESCHEDULING_FAILED = _MANAGER_VM.error("moving.rescheduling-failed", "Error trying to reschedule: {!s}")
ORIGINAL_ERROR = _MANAGER_VM.error("moving.original-error", "Error: {}: {!s}")
FINISH_RESIZE_FAILED = _MANAGER_VM.info(
    "moving.finish-resize-failed",
    "Deleting allocations for old flavor on source node {} after finish_resize failure. You may be able to recover "
    "the instance by hard rebooting it.",
)
SET_BACK = _MANAGER_VM.info("moving.set-back", "Setting instance back to {} after: {}")
ALREADY_CONFIRMED = _MANAGER_VM.info("moving.already-confirmed", "Migration {} is already confirmed")
CONFIRM_STATUS_UNEXPECTED = _MANAGER_VM.warning(
    "moving.confirm-status-unexpected",
    "Unexpected confirmation status '{}' of migration {}, exit confirmation process",
)
GONE_DURING_CONFIRMATION = _MANAGER_VM.info(
    "moving.gone-during-confirmation", "Instance is not found during confirmation"
)
CONFIRMING_RESIZE = _MANAGER_VM.debug("moving.confirming-resize", "Going to confirm migration {}")
CONFIRM_RESIZE_FAILED = _MANAGER_VM.error(
    "moving.confirm-resize-failed",
    "Confirm resize failed on source host {}. Resource allocations in the placement service will be removed "
    "regardless because the instance is now on the destination host {}. You can try hard rebooting the "
    "instance to correct its state.: {!s}",
)
REVERTED_TO_STATE = _MANAGER_VM.info("moving.reverted-to-state", "Updating instance to original state: '{}'")

# --- live migration ------------------------------------------------------------------------------------------------

MIGRATION_TOOK = _MANAGER_VM.info("migrate.took", "Took {:.2f} seconds for pre_live_migration on destination host {}.")
PRE_LIVE_MIGRATION_FAILED = _MANAGER_VM.error(
    "moving.pre-live-migration-failed", "Pre live migration failed at {}: {!s}"
)
LIVE_MIGRATION_FAILED = _MANAGER_VM.error("moving.live-migration-failed", "Live migration failed.: {!s}")
SOURCE_ATTACHMENT_KEPT = _MANAGER_VM.error(
    "moving.source-attachment-kept",
    "Volume attachment {} not deleted on source host {} during post_live_migration: {}",
)
ROLLBACK_OF_CONNECTION_FAILED = _MANAGER_VM.warning(
    "moving.rollback-of-connection-failed",
    "Ignoring exception while attempting to rollback volume connections for volume {} on host {}.",
)
ROLLBACK_OF_ATTACHMENT_FAILED = _MANAGER_VM.warning(
    "moving.rollback-of-attachment-failed",
    "Ignoring cinderclient exception when attempting to delete attachment {} for volume {} while rolling back "
    "volume bdms.",
)
POST_LIVE_MIGRATION = _MANAGER_VM.info("moving.post-live-migration", "_post_live_migration() is started..")
POST_AT_DESTINATION = _MANAGER_VM.info("moving.post-at-destination", "Post operation of migration started")
POST_AT_DESTINATION_FAILED = _MANAGER_VM.error(
    "moving.post-at-destination-failed", "Post live migration at destination {} failed: {!s}"
)
MIGRATING = _MANAGER_VM.info("migrate.post", "Migrating instance to {} finished successfully.")

# --- rebuild and evacuation ----------------------------------------------------------------------------------------

EVACUATING = _MANAGER_VM.info("migrate.evacuate", "Evacuating instance")
REBUILDING = _MANAGER_VM.info("moving.rebuilding", "Rebuilding instance")
REBUILD_WITHOUT_ROOM = _MANAGER_VM.debug(
    "moving.rebuild-without-room", "Could not rebuild instance on this host, not enough resources available."
)
GONE_DURING_REBUILD = _MANAGER_VM.debug("moving.gone-during-rebuild", "Instance was deleted while rebuilding")
BACK_TO_ORIGINAL_STATE = _MANAGER_VM.info("moving.back-to-original-state", "bringing vm to original state: '{}'")
EVACUATED_ELSEWHERE = _MANAGER_VM.info(
    "compute.evacuated-elsewhere",
    "Destroying instance as it has been evacuated from this host but still exists in the hypervisor",
)
ALLOCATIONS_OF_EVACUATED = _MANAGER_VM.info(
    "moving.allocations-of-evacuated",
    "Cleaning up allocations of the instance as it has been evacuated from this host",
)
REBUILD_FROM_IMAGE = _MANAGER.info(
    "moving.rebuild-from-image", "disk not on shared storage, evacuating from image: '{}'"
)
REBUILD_FROM_VOLUME = _MANAGER.info("moving.rebuild-from-volume", "disk on volume, evacuating using existing volume")
