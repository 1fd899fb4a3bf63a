"""The log statements of heat-api and heat-engine.

Source: heat 19.0 (Zed).
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_ACCESS = Logger("eventlet.wsgi.server")
_WSGI = Logger("heat.common.wsgi")
_SERVICE = Logger("heat.engine.service")
_WORKER = Logger("heat.engine.worker")
_STACK = Logger("heat.engine.stack")
_LOCK = Logger("heat.engine.stack_lock")
_SYNC = Logger("heat.engine.sync_point")
_RESOURCE = Logger("heat.engine.resource")
_CHECK = Logger("heat.engine.check_resource")
_SCHEDULER = Logger("heat.engine.scheduler")
_CLIENTS = Logger("heat.engine.clients")

# --- heat-api ------------------------------------------------------------------------------------------------------

HEAT_ACCESS = _ACCESS.info("heat.heat-access", '{} - - [{}] "{} {} HTTP/1.1" {} {} {:.6f}')
PROCESSING = _WSGI.info("heat.processing", "Processing request: {} {}")
CALLING = _WSGI.debug("heat.calling", "Calling {}.{}")
RETURNING_FAULT = _WSGI.error("heat.returning-fault", "Returning {} to user: {}: {!s}")
API_FAILED = _WSGI.error("heat.api-failed", "Unexpected error occurred serving API: {}")
RESOURCE_EXCEPTION = _WSGI.error("heat.resource-exception", "Exception handling resource: {}: {!s}")

# --- heat-engine: stacks -------------------------------------------------------------------------------------------

CREATING = _SERVICE.info("heat.creating", "Creating stack {}")
UPDATING = _SERVICE.info("heat.updating", "Updating stack {}")
DELETING = _SERVICE.info("heat.deleting", "Deleting stack {}")
CHECKING = _SERVICE.info("heat.checking", "Checking stack {}")
SIGNALING = _SERVICE.debug("heat.signaling", "signaling resource {}:{}")
TASK_FAILED = _SERVICE.error("heat.task-failed", "Unhandled error in asynchronous task: {!s}")
ENGINE_WENT_DOWN = _SERVICE.info("heat.engine-went-down", "Engine {} went down when stack {} was in action {}")
SERVICE_STARTED = _SERVICE.debug("heat.service-started", "Service {} is started")
SERVICE_UPDATED = _SERVICE.debug("heat.service-updated", "Service {} is updated")
SERVICE_UPDATE_FAILED = _SERVICE.error("heat.service-update-failed", "Service {} update failed: {}: {!s}")
LISTENER_STARTING = _SERVICE.debug("heat.listener-starting", "Starting listener for engine {}")
WORKER_STARTING = _WORKER.info("heat.worker-starting", "Starting {} ({}) in engine {}.")
WORKER_FAILED = _WORKER.error("heat.worker-failed", "Unhandled exception in {}: {!s}")
TRAVERSAL_CANCELLED = _WORKER.debug("heat.traversal-cancelled", "[{}] Traversal cancelled; re-trigerring.")
STACK_STATUS = _STACK.info("heat.stack-status", "Stack {} {} ({}): {}")
STACK_EXCEPTION = _STACK.error("heat.stack-exception", "Unexpected exception in {}: {}: {!s}")
STACK_STOPPED = _STACK.info("heat.stack-stopped", "Stopped due to {} in {}")
TRAVERSAL_STARTING = _STACK.debug("heat.traversal-starting", "Starting traversal {} with dependencies: {}")
TRIGGERING_UPDATE = _STACK.info("heat.triggering-update", "Triggering resource {} for update")
TRIGGERING_CLEANUP = _STACK.info("heat.triggering-cleanup", "Triggering resource {} for cleanup")
TRAVERSAL_COMPLETE = _STACK.info("heat.traversal-complete", "[{}({})] update traversal {} complete")
TRAVERSAL_INACTIVE = _STACK.info(
    "heat.traversal-inactive", "Stack {} traversal {} no longer active; not setting state to {}_{}"
)
ROLLBACK = _STACK.info("heat.rollback", "Triggering rollback of {} {} ")
STACK_DELETED_TWICE = _STACK.info("heat.stack-deleted-twice", "Tried to delete stack that does not exist {} ")
LOCK_ACQUIRED = _LOCK.debug("heat.lock-acquired", "Engine {} acquired lock on stack {}")
LOCK_RELEASED = _LOCK.debug("heat.lock-released", "Engine {} released lock on stack {}")
LOCK_STALE = _LOCK.info("heat.lock-stale", "Stale lock detected on stack {}.  Engine {} will attempt to steal the lock")
LOCK_STOLEN = _LOCK.info("heat.lock-stolen", "Engine {} successfully stole the lock on stack {}")
WAITING = _SYNC.debug("heat.waiting", "[{}] Waiting {}: Got {}; still need {}")
READY = _SYNC.debug("heat.ready", "[{}] Ready {}: Got {}")

# --- heat-engine: resources ----------------------------------------------------------------------------------------

RESOURCE_VALIDATING = _RESOURCE.info("heat.resource-validating", "Validating {}")
RESOURCE_CREATING = _RESOURCE.info("heat.resource-creating", "creating {}")
RESOURCE_UPDATING = _RESOURCE.info("heat.resource-updating", "updating {}")
RESOURCE_DELETING = _RESOURCE.info("heat.resource-deleting", "deleting {}")
RESOURCE_DELETE_ATTEMPT = _RESOURCE.info("heat.resource-delete-attempt", "delete {} attempt {}")
RESOURCE_FAILED = _RESOURCE.info("heat.resource-failed", "{}: {}")
RESOURCE_LOCKED = _RESOURCE.info("heat.resource-locked", "Resource {} is locked or does not exist")
CHECK_FAILED = _CHECK.error("heat.check-failed", "Unexpected exception in resource check.: {!s}")
CHECK_RETRIGGERED = _CHECK.info("heat.check-retriggered", "Re-trigger resource: {}")
REPLACING = _CHECK.info("heat.replacing", "Replacing resource with new id {}")
TASK_STARTING = _SCHEDULER.debug("heat.task-starting", "{} starting")
TASK_RUNNING = _SCHEDULER.debug("heat.task-running", "{} running")
TASK_COMPLETE = _SCHEDULER.debug("heat.task-complete", "{} complete")
TASK_TIMED_OUT = _SCHEDULER.info("heat.task-timed-out", "{} timed out")
CLIENT_NOT_FOUND = _CLIENTS.warning("heat.client-not-found", 'Requested client "{}" not found')
