"""The log statements of nova-compute's manager about the servers that it finds when it starts.

Source: nova 26.2 (Zed).
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_MANAGER = Logger("nova.compute.manager")
_MANAGER_VM = _MANAGER

INIT_STUCK = _MANAGER.info(
    "init.building", "Looking for unclaimed instances stuck in BUILDING status for nodes managed by this host"
)
NOT_OWNED = _MANAGER.warning(
    "init.not-owned",
    "Instance {} appears to not be owned by this host, but by {}. Startup processing is being skipped.",
)
IN_STATE = _MANAGER_VM.debug("init.in-state", "Instance is in {} state.")
SPAWN_FAILED = _MANAGER_VM.debug(
    "compute.init-spawn-failed", "Instance failed to spawn correctly, setting to ERROR state"
)
REBUILD_FAILED = _MANAGER_VM.debug(
    "init.rebuild-failed", "Instance failed to rebuild correctly, setting to ERROR state"
)
TRANSITIONAL = _MANAGER_VM.debug(
    "compute.init-transitional", "Instance in transitional state {} at start-up clearing task state"
)
DELETION_RESTARTED = _MANAGER_VM.info(
    "init.deleting",
    "Service started deleting the instance during the previous run, but did not finish. Restarting the deletion now.",
)
DELETION_FAILED = _MANAGER_VM.error("init.deletion-failed", "Failed to complete a deletion: {!s}")
REBOOTING_AGAIN = _MANAGER_VM.debug(
    "init.rebooting-again",
    "Instance in transitional state ({}) at start-up and power state is ({}), triggering reboot",
)
CLEARING = _MANAGER_VM.warning(
    "init.clearing",
    "Instance in transitional state ({}) at start-up and power state is ({}), clearing task state",
)
STOPPING_AGAIN = _MANAGER_VM.debug(
    "init.stopping-again", "Instance in transitional state {} at start-up retrying stop request"
)
STOP_FAILED = _MANAGER_VM.error("init.stop-failed", "Failed to stop instance: {!s}")
STARTING_AGAIN = _MANAGER_VM.debug(
    "init.starting-again", "Instance in transitional state {} at start-up retrying start request"
)
START_FAILED = _MANAGER_VM.error("init.start-failed", "Failed to start instance: {!s}")
REVERT_FAILED = _MANAGER_VM.error("init.revert-failed", "Failed to revert crashed migration: {!s}")
MIGRATING = _MANAGER_VM.info(
    "compute.init-migrating", "Instance found in migrating state during startup. Resetting task_state"
)
REBOOTING_GUEST = _MANAGER_VM.info("init.reboot", "Rebooting instance after nova-compute restart.")
RESUME_FAILED = _MANAGER_VM.warning("compute.init-resume-failed", "Failed to resume instance: {!s}")
