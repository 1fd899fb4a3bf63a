"""The log statements of nova-compute's manager about external events, volumes and interfaces.

Source: nova 26.2 (Zed).
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_MANAGER_VM = Logger("nova.compute.manager")

# --- external events -----------------------------------------------------------------------------------------------

PREPARING_FOR_EVENT = _MANAGER_VM.debug("event.preparing-for-event", "Preparing to wait for external event {}-{}")
EVENT_WAIT_DONE = _MANAGER_VM.debug("event.event-wait-done", "Instance event wait completed in {} seconds for {}")
EVENT_TIMED_OUT = _MANAGER_VM.warning(
    "event.event-timed-out",
    "Timeout waiting for {} for instance with vm_state {} and task_state {}. Event states are: {}: {!s}",
)
EVENT_RECEIVED = _MANAGER_VM.debug("event.event-received", "Received event {}")
EVENT_UNEXPECTED = _MANAGER_VM.warning(
    "event.event-unexpected", "Received unexpected event {} for instance with vm_state {} and task_state {}."
)
NO_WAITING_EVENTS = _MANAGER_VM.debug("event.no-waiting-events", "No waiting events found dispatching {}")
REFRESHING_ON_EVENT = _MANAGER_VM.debug(
    "event.refreshing-on-event", "Refreshing instance network info cache due to event {}."
)
INTERFACE_DELETED = _MANAGER_VM.info(
    "event.interface-deleted",
    "Neutron deleted interface {}; detaching it from the instance and deleting it from the info cache",
)
VOLUME_EXTENDED = _MANAGER_VM.info(
    "event.volume-extended", "Cinder extended volume {}; extending it to detect new size"
)

# --- volumes and interfaces ----------------------------------------------------------------------------------------

ATTACHING = _MANAGER_VM.info("event.attaching", "Attaching volume {} to {}")
ATTACH_FAILED = _MANAGER_VM.error("event.attach-failed", "Failed to attach {} at {}: {!s}")
DETACHING = _MANAGER_VM.info("event.detaching", "Detaching volume {}")
DETACH_FAILED_AT = _MANAGER_VM.error("event.detach-failed-at", "Failed to detach volume {} from {}: {!s}")
ALLOCATED_PORTS = _MANAGER_VM.error("event.allocated-ports", "allocate_port_for_instance returned {} ports")
ATTACH_INTERFACE_FAILED = _MANAGER_VM.warning(
    "event.attach-interface-failed", "attach interface failed , try to deallocate port {}, reason: {!s}"
)
DEALLOCATE_PORT_FAILED = _MANAGER_VM.warning("event.deallocate-port-failed", "deallocate port {} failed")
