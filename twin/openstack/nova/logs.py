"""The log statements of nova-api, nova-conductor and nova-scheduler, and of what all of nova shares.

Grouped by the function that prints them. Source: nova 26.2 (Zed) and a recorded control plane.
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_SERVER = Logger("nova.osapi_compute.wsgi.server")
_WSGI_SERVER = Logger("nova.metadata.wsgi.server")
_WSGI = Logger("nova.api.openstack.wsgi")
_SERVER_EXTERNAL_EVENTS = Logger("nova.api.openstack.compute.server_external_events")
_CONTEXT = Logger("nova.context")
_QUOTA = Logger("nova.quota")
_UTILS = Logger("nova.compute.utils")
_API = Logger("nova.compute.api")
_API_VM = _API
_CONDUCTOR = Logger("nova.conductor.manager")
_CONDUCTOR_VM = _CONDUCTOR
_MIGRATE = Logger("nova.conductor.tasks.migrate")
_MIGRATE_VM = _MIGRATE
_LIVE_MIGRATE = Logger("nova.conductor.tasks.live_migrate")
_SCHEDULER_UTILS = Logger("nova.scheduler.utils")
_SCHEDULER_UTILS_VM = _SCHEDULER_UTILS
_MANAGER = Logger("nova.scheduler.manager")
_COMPUTE_FILTER = Logger("nova.scheduler.filters.compute_filter")
_FILTERS = Logger("nova.filters")
_HOST_MANAGER = Logger("nova.scheduler.host_manager")
_HOST_MAPPING = Logger("nova.objects.host_mapping")
_REPORT = Logger("nova.scheduler.client.report")
_DB = Logger("nova.servicegroup.drivers.db")
_SERVICE = Logger("nova.service")
_OBJECTS_SERVICE = Logger("nova.objects.service")

# --- nova-api: requests --------------------------------------------------------------------------------------------

NOVA_ACCESS = _SERVER.info("nova.access", '{} "{} {} HTTP/1.1" status: {} len: {} time: {:.7f}')
METADATA_ACCESS = _WSGI_SERVER.info("nova.metadata-access", '{} "{} {} HTTP/1.1" status: {} len: {} time: {:.7f}')
NOVA_UNEXPECTED = _WSGI.error("nova.unexpected", "Unexpected exception in API method: {!s}")
NOVA_THROWN = _WSGI.info("nova.thrown", "HTTP exception thrown: {}")
UNEXPECTED_API_ERROR = (
    "Unexpected API Error. Please report this at http://bugs.launchpad.net/nova/ and attach the Nova API log "
    "if possible."
)
NOVA_EVENT = _SERVER_EXTERNAL_EVENTS.info("nova.event", "Creating event {}:{} for instance {} on {}")
EVENT_OF_UNKNOWN_INSTANCE = _SERVER_EXTERNAL_EVENTS.debug(
    "nova.event-of-unknown-instance", "Dropping event {}:{} for unknown instance {}"
)
EVENT_WITHOUT_HOST = _SERVER_EXTERNAL_EVENTS.debug(
    "nova.event-without-host", "Unable to find a host for instance {}. Dropping event {}"
)
NO_INSTANCES_FOR_EVENT = "No instances found for any event"
CELL_FAILED = _CONTEXT.error("nova.cell-failed", "Error gathering result from cell {}: {!s}")
GETTING_QUOTAS = _QUOTA.debug("nova.getting-quotas", "Getting quotas for project {}. Resources: {}")
QUOTA_EXCEEDED = _UTILS.debug("nova.quota-exceeded", "{} quota exceeded for {}, tried to run {} instances. {}")

# --- nova-api: nova.compute.api ------------------------------------------------------------------------------------

GOING_TO_RUN = _API.debug("nova.going-to-run", "Going to run {} instances...")
FETCHING_INSTANCE = _API.debug("nova.fetching-instance", "Fetching instance by UUID")
GOING_TO_TERMINATE = _API_VM.debug("nova.going-to-terminate", "Going to try to terminate instance")
GOING_TO_STOP = _API_VM.debug("nova.going-to-stop", "Going to try to stop instance")
GOING_TO_START = _API_VM.debug("nova.going-to-start", "Going to try to start instance")
NOVA_DELETING = _API_VM.info("nova.deleting", "Instance is already in deleting state, ignoring this request")
DELETED_WITHOUT_HOST = _API_VM.info(
    "nova.deleted-without-host", "Instance deleted and does not have host field, its vm_state is {}."
)
NOVA_LOCAL_DELETE = _API_VM.warning("nova.local-delete", "instance's host {} is down, deleting from database")
DOING_LOCAL_DELETE = _API_VM.debug("nova.doing-local-delete", "Doing local delete in cell {}")
VOLUME_CLEANUP_IGNORED = _API_VM.warning(
    "nova.volume-cleanup-ignored", "Ignoring volume cleanup failure due to {}: {!s}"
)
UNCONFIRMED_MIGRATION = _API_VM.info(
    "nova.unconfirmed-migration", "Found an unconfirmed migration during delete, id: {}, status: {}"
)
MAY_HAVE_BEEN_CONFIRMED = _API_VM.info("nova.may-have-been-confirmed", "Instance may have been confirmed during delete")
RESIZE_QUOTA_EXCEEDED = _API.info("nova.resize-quota-exceeded", "{} quota exceeded for {}, tried to resize instance.")
RESIZE_WITHOUT_FLAVOR = _API_VM.debug("nova.resize-without-flavor", "flavor_id is None. Assuming migration.")
GOING_TO_LIVE_MIGRATE = _API_VM.debug("nova.going-to-live-migrate", "Going to try to live migrate instance to {}")
EVACUATION_SCHEDULED = _API_VM.debug("nova.evacuation-scheduled", "vm evacuation scheduled")
EVACUATED_HOST_IS_UP = _API.error(
    "nova.evacuated-host-is-up", "Instance compute service state on {} expected to be down, but it was up."
)

# --- nova-conductor ------------------------------------------------------------------------------------------------

SCHEDULE_FAILED = _CONDUCTOR.error("conductor.schedule-failed", "Failed to schedule instances: {!s}")
HOST_SELECTED = _CONDUCTOR_VM.debug("nova.host-selected", "Selected host: {}; Selected node: {}; Alternates: {}")
BUILD_REQUEST_GONE = _CONDUCTOR_VM.debug(
    "nova.build-request-gone", "While scheduling instance, the build request was already deleted."
)
INSTANCE_GONE_DURING_BUILD = _CONDUCTOR_VM.debug("nova.instance-gone-during-build", "Instance deleted during build")
GONE_DURING_MIGRATION = _CONDUCTOR_VM.info("nova.gone-during-migration", "During {} the instance was deleted.")
LIVE_MIGRATE_FAILED = _CONDUCTOR.error(
    "nova.live-migrate-failed", "Migration of instance {} to host {} unexpectedly failed.: {!s}"
)
REBUILD_FAILED = _CONDUCTOR_VM.warning("nova.rebuild-failed", "Rebuild failed: {}: {!s}")
CONDUCTOR_DEALLOCATE_FAILED = _CONDUCTOR_VM.error(
    "nova.conductor-deallocate-failed", "Failed to deallocate networks: {!s}"
)
ALLOCATIONS_MOVED = _MIGRATE.debug("nova.allocations-moved", "Created allocations for migration {} on {}")
CALLING_PREP_RESIZE = _MIGRATE_VM.debug(
    "nova.calling-prep-resize", "Calling prep_resize with selected host: {}; Selected node: {}; Alternates: {}"
)
SKIPPING_HOST = _LIVE_MIGRATE.debug("nova.skipping-host", "Skipping host: {} because: {}")
BUILD_FAILED = _SCHEDULER_UTILS.warning("conductor.build-failed", "Failed to compute_task_build_instances: {}")
MIGRATE_FAILED = _SCHEDULER_UTILS.warning("nova.migrate-failed", "Failed to compute_task_migrate_server: {}")
REBUILD_SERVER_FAILED = _SCHEDULER_UTILS.warning(
    "nova.rebuild-server-failed", "Failed to compute_task_rebuild_server: {}"
)
SET_ERROR = _SCHEDULER_UTILS_VM.warning("conductor.set-error", "Setting instance to ERROR state.: {!s}")
SET_STATE = _SCHEDULER_UTILS_VM.warning("nova.set-state", "Setting instance to {} state.: {!s}")
LAST_HOST = _SCHEDULER_UTILS.error("nova.last-host", "Error from last host: {} (node {}): {}")
NO_VALID_HOST = "No valid host was found. {}"
NO_HOSTS_AVAILABLE = "There are not enough hosts available."
MAX_RETRIES = (
    "Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for instance {}."
)

# --- nova-scheduler ------------------------------------------------------------------------------------------------

STARTING_TO_SCHEDULE = _MANAGER.debug("nova.starting-to-schedule", "Starting to schedule for instances: {}")
NO_CANDIDATES = _MANAGER.info(
    "scheduler.no-candidates",
    "Got no allocation candidates from the Placement API. This could be due to insufficient resources or a "
    "temporary occurrence as compute nodes start up.",
)
SELECTED_HOST = _MANAGER.debug("nova.selected-host", "Selected host: {}")
CLAIM_NOWHERE = _MANAGER.debug("nova.claim-nowhere", "Unable to successfully claim against any host.")
NOT_ENOUGH_HOSTS = _MANAGER.debug(
    "nova.not-enough-hosts", "There are {} hosts available but {} instances requested to build."
)
NEW_HOSTS = _MANAGER.info("nova.new-hosts", "Discovered {} new hosts: {}")
NOT_HEARD_FROM = _COMPUTE_FILTER.warning(
    "scheduler.not-heard", "({}, {}) ram: {}MB disk: {}MB io_ops: {} instances: {} has not been heard from in a while"
)
HOST_DISABLED = _COMPUTE_FILTER.debug(
    "nova.host-disabled", "({}, {}) ram: {}MB disk: {}MB io_ops: {} instances: {} is disabled, reason: {}"
)
STARTING_WITH = _FILTERS.debug("nova.starting-with", "Starting with {} host(s)")
FILTER_RETURNED = _FILTERS.debug("nova.filter-returned", "Filter {} returned {} host(s)")
NO_HOSTS_LEFT = _FILTERS.info("scheduler.filtered", "Filter {} returned 0 hosts")
ALL_FILTERED = _FILTERS.info(
    "nova.all-filtered", "Filtering removed all hosts for the request with instance ID '{}'. Filter results: {}"
)
HOST_WITHOUT_SERVICE = _HOST_MANAGER.warning("nova.host-without-service", "No compute service record found for host {}")
INSTANCES_OF_UNKNOWN_HOST = _HOST_MANAGER.info(
    "nova.instances-of-unknown-host", "Received an update from an unknown host '{}'. Re-created its InstanceList."
)
INSTANCES_RECREATED = _HOST_MANAGER.info(
    "nova.instances-recreated", "The instance sync for host '{}' did not match. Re-created its InstanceList."
)
INSTANCES_SYNCED = _HOST_MANAGER.debug("nova.instances-synced", "Successfully synced instances from host '{}'.")
SYNC_FROM_UNKNOWN_HOST = _HOST_MANAGER.info(
    "nova.sync-from-unknown-host", "Received a sync request from an unknown host '{}'. Re-created its InstanceList."
)
HOSTS_IGNORED = _HOST_MANAGER.info("nova.hosts-ignored", "Host filter ignoring hosts: {}")
ONLY_REQUESTED_HOST = _HOST_MANAGER.info("nova.only-requested-host", "Host filter only checking host {} and node {}")
NO_REQUESTED_HOST = _HOST_MANAGER.info(
    "nova.no-requested-host", "No hosts matched due to not matching requested destination ({}, {})"
)
HOST_DISCOVERED = _HOST_MAPPING.info("scheduler.discovered", "Creating host mapping for compute host '{}': {}")

# --- placement's client (nova.scheduler.client.report) -------------------------------------------------------------

CANDIDATES_FAILED = _REPORT.error(
    "nova.candidates-failed", "Failed to retrieve allocation candidates from placement API for filters: {}\nGot {}: {}."
)
ALLOCATIONS_UNSAVED = _REPORT.warning("nova.allocations-unsaved", "Failed to save allocation for {}. Got HTTP {}: {}")
DELETED_ALLOCATIONS_OF = _REPORT.info("nova.deleted-allocations-of", "Deleted allocations for {} {}")
ALLOCATIONS_NOT_DELETED = _REPORT.warning(
    "nova.allocations-not-deleted", "Unable to delete allocation for {} {}: ({} {})"
)
PROVIDER_CREATED = _REPORT.info(
    "nova.provider-created",
    "[{}] Created resource provider record via placement API for resource provider with UUID {} and name {}.",
)
INVENTORY_UNCHANGED = _REPORT.debug(
    "nova.inventory-unchanged", "Inventory has not changed for provider {} based on inventory data: {}"
)

# --- services and their heartbeats ---------------------------------------------------------------------------------

SERVICE_SEEMS_DOWN = _DB.debug(
    "nova.service-seems-down", "Seems service {} on host {} is down. Last heartbeat was {}. Elapsed time is {}"
)
STARTING = _SERVICE.info("service.starting", "Starting {} node (version 26.2.2)")
SERVICE_VERSION_UNKNOWN = _OBJECTS_SERVICE.warning(
    "nova.service-version-unknown", "Failed to get minimum service version for cell {}"
)
