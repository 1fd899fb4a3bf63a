"""The log statements of nova-api, nova-conductor and nova-scheduler, and of what all of nova shares.

Grouped by the function that prints them. Source: nova 26.2 (Zed) and a recorded control plane.
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_SERVER = Logger("nova.osapi_compute.wsgi.server")
_WSGI_SERVER = Logger("nova.metadata.wsgi.server")
_WSGI = Logger("nova.api.openstack.wsgi")
_SERVER_EXTERNAL_EVENTS = Logger("nova.api.openstack.compute.server_external_events")
_COMMON = Logger("nova.api.openstack.common")
_SERVICES = Logger("nova.api.openstack.compute.services")
_CONTEXT = Logger("nova.context")
_POLICY = Logger("nova.policy")
_QUOTA = Logger("nova.quota")
_UTILS = Logger("nova.compute.utils")
_UTILS_VM = _UTILS
_API = Logger("nova.compute.api")
_API_VM = _API
_CONDUCTOR = Logger("nova.conductor.manager")
_CONDUCTOR_VM = _CONDUCTOR
_MIGRATE = Logger("nova.conductor.tasks.migrate")
_MIGRATE_VM = _MIGRATE
_LIVE_MIGRATE = Logger("nova.conductor.tasks.live_migrate")
_SCHEDULER_UTILS = Logger("nova.scheduler.utils")
_SCHEDULER_UTILS_VM = _SCHEDULER_UTILS
_CONDUCTOR_API = Logger("nova.conductor.api")
_MANAGER = Logger("nova.scheduler.manager")
_COMPUTE_FILTER = Logger("nova.scheduler.filters.compute_filter")
_FILTERS = Logger("nova.filters")
_HOST_MANAGER = Logger("nova.scheduler.host_manager")
_HOST_MAPPING = Logger("nova.objects.host_mapping")
_REQUEST_FILTER = Logger("nova.scheduler.request_filter")
_REPORT = Logger("nova.scheduler.client.report")
_DB = Logger("nova.servicegroup.drivers.db")
_SERVICE = Logger("nova.service")
_RPCAPI = Logger("nova.compute.rpcapi")
_OBJECTS_SERVICE = Logger("nova.objects.service")

# --- nova-api: requests --------------------------------------------------------------------------------------------

NOVA_ACCESS = _SERVER.info("nova.access", '{} "{} {} HTTP/1.1" status: {} len: {} time: {:.7f}')
METADATA_ACCESS = _WSGI_SERVER.info("nova.metadata-access", '{} "{} {} HTTP/1.1" status: {} len: {} time: {:.7f}')
NOVA_UNEXPECTED = _WSGI.error("nova.unexpected", "Unexpected exception in API method: {!s}")
NOVA_THROWN = _WSGI.info("nova.thrown", "HTTP exception thrown: {}")
NOVA_FAULT = _WSGI.info("nova.nova-fault", "Fault thrown: {}")
CALLING_METHOD = _WSGI.debug("nova.calling-method", "Calling method '{}'")
REQUEST_BODY = _WSGI.debug("nova.request-body", "Action: '{}', calling method: {}, body: {}")
RETURNING_FAULT = _WSGI.debug("nova.returning-fault", "Returning {} to user: {}")
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
STATUS_UNKNOWN = _COMMON.error(
    "nova.status-unknown", "status is UNKNOWN from vm_state={} task_state={}. Bad upgrade or db corrupted?"
)
SERVICE_HAS_MIGRATIONS = _SERVICES.info(
    "nova.service-has-migrations",
    "Unable to delete compute service with id {} for host {}. There are {} in-progress migrations involving "
    "the host. Migrations (uuid:status): {}",
)
CELL_FAILED = _CONTEXT.error("nova.cell-failed", "Error gathering result from cell {}: {!s}")
CELL_TIMED_OUT = _CONTEXT.warning("nova.cell-timed-out", "Timed out waiting for response from cell {}")
POLICY_FAILED = _POLICY.debug("nova.policy-failed", "Policy check for {} failed with credentials {}")
GETTING_QUOTAS = _QUOTA.debug("nova.getting-quotas", "Getting quotas for project {}. Resources: {}")
QUOTA_EXCEEDED = _UTILS.debug("nova.quota-exceeded", "{} quota exceeded for {}, tried to run {} instances. {}")

# --- nova-api: nova.compute.api ------------------------------------------------------------------------------------

GOING_TO_RUN = _API.debug("nova.going-to-run", "Going to run {} instances...")
MAX_COUNT_REDUCED = _API.info("nova.max-count-reduced", "max count reduced from {} to {} due to network port quota")
FETCHING_INSTANCE = _API.debug("nova.fetching-instance", "Fetching instance by UUID")
SEARCHING_BY = _API.debug("nova.searching-by", "Searching by: {}")
CELL_NOT_RESPONDING = _API.warning(
    "nova.cell-not-responding", "Cell {} is not responding and hence skipped from the results."
)
BLOCK_DEVICE_MAPPING = _API.debug("nova.block-device-mapping", "block_device_mapping {}")
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
RESIZE_QUOTA_EXCEEDED = _API.info("nova.resize-quota-exceeded", "{} quota exceeded for {}, tried to resize instance.")
RESIZE_WITHOUT_FLAVOR = _API_VM.debug("nova.resize-without-flavor", "flavor_id is None. Assuming migration.")
RESIZE_FLAVORS = _API_VM.debug("nova.resize-flavors", "Old instance type {}, new instance type {}")
GOING_TO_LIVE_MIGRATE = _API_VM.debug("nova.going-to-live-migrate", "Going to try to live migrate instance to {}")
EVACUATION_SCHEDULED = _API_VM.debug("nova.evacuation-scheduled", "vm evacuation scheduled")
EVACUATED_HOST_IS_UP = _API.error(
    "nova.evacuated-host-is-up", "Instance compute service state on {} expected to be down, but it was up."
)
ATTACH_NOT_ANSWERED = _API.debug(
    "nova.attach-not-answered", "Delete BDM after compute did not respond to attachment request for volume {}"
)
EVENT_COPIED = _API.debug("nova.event-copied", "Instance {} is migrating {}, copying events to all relevant hosts: {}")

# --- nova-conductor ------------------------------------------------------------------------------------------------

SCHEDULE_FAILED = _CONDUCTOR.error("conductor.schedule-failed", "Failed to schedule instances: {!s}")
SELECT_TOOK = _CONDUCTOR.debug("nova.select-took", "Took {:.2f} seconds to select destinations for {} instance(s).")
HOST_SELECTED = _CONDUCTOR_VM.debug("nova.host-selected", "Selected host: {}; Selected node: {}; Alternates: {}")
BUILD_REQUEST_GONE = _CONDUCTOR_VM.debug(
    "nova.build-request-gone", "While scheduling instance, the build request was already deleted."
)
RESCHEDULING = _CONDUCTOR.debug("nova.rescheduling", "Rescheduling: {}")
RESCHEDULE_FAILED = _CONDUCTOR.error("nova.reschedule-failed", "Failed to reschedule. Reason: {}: {!s}")
INSTANCE_GONE_DURING_BUILD = _CONDUCTOR_VM.debug("nova.instance-gone-during-build", "Instance deleted during build")
INSTANCE_UNMAPPED = _CONDUCTOR_VM.error(
    "nova.instance-unmapped", "InstanceMapping not found, unable to target cell: {!s}"
)
NO_CELL_OF_HOST = _CONDUCTOR.error(
    "nova.no-cell-of-host", "No host-to-cell mapping found for selected host {}. Setup is incomplete.: {!s}"
)
BURIED_ELSEWHERE = _CONDUCTOR_VM.error(
    "nova.buried-elsewhere",
    "When attempting to bury instance in cell0, the instance is already mapped to cell {}. Ignoring bury in "
    "cell0 attempt.",
)
MAPPED_TWICE = _CONDUCTOR_VM.error(
    "nova.mapped-twice",
    "During scheduling instance is already mapped to another cell: {}. This should not happen and is an "
    "indication of bigger problems. If you see this you should report it to the nova team. Overwriting the "
    "mapping to point at cell {}.",
)
GONE_DURING_MIGRATION = _CONDUCTOR_VM.info("nova.gone-during-migration", "During {} the instance was deleted.")
LIVE_MIGRATE_FAILED = _CONDUCTOR.error(
    "nova.live-migrate-failed", "Migration of instance {} to host {} unexpectedly failed.: {!s}"
)
REBUILD_FAILED = _CONDUCTOR_VM.warning("nova.rebuild-failed", "Rebuild failed: {}: {!s}")
REBUILD_UNSCHEDULED = _CONDUCTOR.error("nova.rebuild-unscheduled", "Failed to rebuild. Reason: {}: {!s}")
EVACUATE_TO_UNKNOWN_HOST = _CONDUCTOR_VM.warning(
    "nova.evacuate-to-unknown-host", "Specified host {} for evacuate was not found.: {!s}"
)
CONDUCTOR_DEALLOCATE_FAILED = _CONDUCTOR_VM.error(
    "nova.conductor-deallocate-failed", "Failed to deallocate networks: {!s}"
)
UNSHELVE_WITHOUT_HOST = _CONDUCTOR_VM.warning(
    "nova.unshelve-without-host", "No valid host found for unshelve instance: {!s}"
)
NO_SOURCE_NODE = _MIGRATE_VM.error("nova.no-source-node", "Unable to find record for source node {} on {}: {!s}")
CLAIM_NOT_MOVED = _MIGRATE_VM.error(
    "nova.claim-not-moved", "Unable to replace resource claim on source host {} node {} for instance"
)
ALLOCATIONS_MOVED = _MIGRATE.debug("nova.allocations-moved", "Created allocations for migration {} on {}")
ALLOCATIONS_RETURNED = _MIGRATE.debug("nova.allocations-returned", "Created allocations for instance {} on {}")
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
ATTEMPTING_PLACEMENT_CLAIM = _SCHEDULER_UTILS.debug(
    "nova.attempting-placement-claim", "Attempting to claim resources in the placement API for instance {}"
)
NO_VALID_HOST = "No valid host was found. {}"
NO_HOSTS_AVAILABLE = "There are not enough hosts available."
MAX_RETRIES = (
    "Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for instance {}."
)
CONDUCTOR_REACHED = _CONDUCTOR_API.info("nova.conductor-reached", "nova-conductor connection established successfully")

# --- nova-scheduler ------------------------------------------------------------------------------------------------

STARTING_TO_SCHEDULE = _MANAGER.debug("nova.starting-to-schedule", "Starting to schedule for instances: {}")
NO_CANDIDATES = _MANAGER.info(
    "scheduler.no-candidates",
    "Got no allocation candidates from the Placement API. This could be due to insufficient resources or a "
    "temporary occurrence as compute nodes start up.",
)
FILTERED_HOSTS = _MANAGER.debug("nova.filtered-hosts", "Filtered {}")
WEIGHED_HOSTS = _MANAGER.debug("nova.weighed-hosts", "Weighed {}")
SELECTED_HOST = _MANAGER.debug("nova.selected-host", "Selected host: {}")
CLAIM_NOWHERE = _MANAGER.debug("nova.claim-nowhere", "Unable to successfully claim against any host.")
NOT_ENOUGH_HOSTS = _MANAGER.debug(
    "nova.not-enough-hosts", "There are {} hosts available but {} instances requested to build."
)
CLEANING_ALLOCATIONS = _MANAGER.debug("nova.cleaning-allocations", "Cleaning up allocations for {}")
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
COMPUTE_NODE_UPDATED = _HOST_MANAGER.debug("nova.compute-node-updated", "Update host state from compute node: {}")
HOST_WITHOUT_SERVICE = _HOST_MANAGER.warning("nova.host-without-service", "No compute service record found for host {}")
CONSUME_FAILED = _HOST_MANAGER.warning(
    "nova.consume-failed", "Selected host: {} failed to consume from instance. Error: {}: {!s}"
)
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
FILTER_TOOK = _REQUEST_FILTER.debug("nova.filter-took", "Request filter '{}' took {:.1f} seconds")

# --- placement's client (nova.scheduler.client.report) -------------------------------------------------------------

PLACEMENT_SILENT = _REPORT.warning("nova.placement-silent", "Placement API service is not responding.: {!s}")
PLACEMENT_UNREADY = _REPORT.error(
    "nova.placement-unready", "Failed to initialize placement client (is keystone available?): {!s}"
)
PLACEMENT_RETRY = _REPORT.debug("nova.placement-retry", "Unable to {} because {}; retrying...")
PLACEMENT_GAVE_UP = _REPORT.error("nova.placement-gave-up", "Failed scheduler client operation {}: out of retries")
CANDIDATES_FAILED = _REPORT.error(
    "nova.candidates-failed", "Failed to retrieve allocation candidates from placement API for filters: {}\nGot {}: {}."
)
ALLOCATIONS_UNKNOWN = _REPORT.warning("nova.allocations-unknown", "Failed to get allocations for consumer {}: {}: {!s}")
ALLOCATIONS_UNSAVED = _REPORT.warning("nova.allocations-unsaved", "Failed to save allocation for {}. Got HTTP {}: {}")
ALLOCATIONS_NOT_MOVED = _REPORT.warning(
    "nova.allocations-not-moved", "Unable to post allocations for consumer {} ({} {})"
)
DELETED_ALLOCATIONS_OF = _REPORT.info("nova.deleted-allocations-of", "Deleted allocations for {} {}")
ALLOCATIONS_NOT_DELETED = _REPORT.warning(
    "nova.allocations-not-deleted", "Unable to delete allocation for {} {}: ({} {})"
)
PROVIDER_CREATED = _REPORT.info(
    "nova.provider-created",
    "[{}] Created resource provider record via placement API for resource provider with UUID {} and name {}.",
)
PROVIDER_DELETED = _REPORT.info("nova.provider-deleted", "Deleted resource provider {}")
INVENTORY_UNCHANGED = _REPORT.debug(
    "nova.inventory-unchanged", "Inventory has not changed for provider {} based on inventory data: {}"
)
INVENTORY_UPDATED = _REPORT.debug(
    "nova.inventory-updated",
    "Updated inventory for provider {} with generation {} in Placement from set_inventory_for_provider using data: {}",
)
INVENTORY_FAILED = _REPORT.error(
    "nova.inventory-failed", "[{}] Failed to update inventory for resource provider with UUID {}: {}"
)
REFRESHING_AGGREGATES = _REPORT.debug(
    "nova.refreshing-aggregates", "Refreshing aggregate associations for resource provider {}, aggregates: {}"
)
REFRESHING_TRAITS = _REPORT.debug(
    "nova.refreshing-traits", "Refreshing trait associations for resource provider {}, traits: {}"
)

# --- services and their heartbeats ---------------------------------------------------------------------------------

SERVICE_SEEMS_DOWN = _DB.debug(
    "nova.service-seems-down", "Seems service {} on host {} is down. Last heartbeat was {}. Elapsed time is {}"
)
SERVICE_JOINED = _DB.debug(
    "nova.service-joined", "DB_Driver: join new ServiceGroup member {} to the {} group, service = {}"
)
SERVICE_RECORD_GONE = _DB.error(
    "nova.service-record-gone",
    "The services table record for the {} service on host {} is gone. You either need to stop this service if "
    "it should be deleted or restart it to recreate the record in the database.: {!s}",
)
STARTING = _SERVICE.info("service.starting", "Starting {} node (version 26.2.2)")
CREATING_RPC_SERVER = _SERVICE.debug("nova.creating-rpc-server", "Creating RPC server for service {}")
EVENTLET_DEPRECATED = _SERVICE.warning(
    "nova.eventlet-deprecated",
    "Running {} using eventlet is deprecated. Deploy with a WSGI server such as uwsgi or mod_wsgi.",
)
SERVICE_VERSION = _SERVICE.info("nova.service-version", "Updating service version for {} on {} from {} to {}")
RPC_VERSION = _RPCAPI.info(
    "nova.rpc-version", "Automatically selected compute RPC version {} from minimum service version {}"
)
SERVICE_VERSION_UNKNOWN = _OBJECTS_SERVICE.warning(
    "nova.service-version-unknown", "Failed to get minimum service version for cell {}"
)
