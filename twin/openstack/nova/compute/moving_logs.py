"""The log statements of nova-compute's manager when instances move.

Source: nova 26.2 (Zed).
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_MANAGER = Logger("nova.compute.manager")
_MANAGER_VM = _MANAGER

# --- resize and cold migration -------------------------------------------------------------------------------------

PREP_RESIZE = _MANAGER_VM.info("moving.prep-resize", "Migrating")
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
POST_LIVE_MIGRATION = _MANAGER_VM.info("moving.post-live-migration", "_post_live_migration() is started..")
POST_AT_DESTINATION = _MANAGER_VM.info("moving.post-at-destination", "Post operation of migration started")
POST_AT_DESTINATION_FAILED = _MANAGER_VM.error(
    "moving.post-at-destination-failed", "Post live migration at destination {} failed: {!s}"
)
MIGRATING = _MANAGER_VM.info("migrate.post", "Migrating instance to {} finished successfully.")

# --- rebuild and evacuation ----------------------------------------------------------------------------------------

EVACUATING = _MANAGER_VM.info("migrate.evacuate", "Evacuating instance")
REBUILDING = _MANAGER_VM.info("moving.rebuilding", "Rebuilding instance")
REBUILD_FROM_IMAGE = _MANAGER.info(
    "moving.rebuild-from-image", "disk not on shared storage, evacuating from image: '{}'"
)
REBUILD_FROM_VOLUME = _MANAGER.info("moving.rebuild-from-volume", "disk on volume, evacuating using existing volume")
