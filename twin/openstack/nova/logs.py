"""The log statements of nova-api, nova-conductor and nova-scheduler."""

from __future__ import annotations

from twin.telemetry.lines.oslo import statement
from twin.telemetry.records import Level

INFO, WARNING, ERROR = Level.INFO, Level.WARNING, Level.ERROR

STARTING = statement("service.starting", INFO, "nova.service", "Starting {} node (version 26.2.1)")
NOVA_ACCESS = statement(
    "nova.access", INFO, "nova.osapi_compute.wsgi.server", '{} "{} {} HTTP/1.1" status: {} len: {} time: {:.7f}'
)
NOVA_UNEXPECTED = statement(
    "nova.unexpected", ERROR, "nova.api.openstack.wsgi", "Unexpected exception in API method: {}"
)
NOVA_TRACE = statement("nova.trace", ERROR, "nova.api.openstack.wsgi", "{}")
NOVA_THROWN = statement("nova.thrown", INFO, "nova.api.openstack.wsgi", "HTTP exception thrown: {}")
UNEXPECTED_API_ERROR = (
    "Unexpected API Error. Please report this at http://bugs.launchpad.net/nova/ and attach the Nova API log "
    "if possible."
)
NOVA_EVENT = statement(
    "nova.event",
    INFO,
    "nova.api.openstack.compute.server_external_events",
    "Creating event network-vif-plugged:{} for instance {}",
)
NOVA_LOCAL_DELETE = statement(
    "nova.local-delete", WARNING, "nova.compute.api", "instance's host {} is down, deleting from database"
)
NOVA_DELETING = statement(
    "nova.deleting", INFO, "nova.compute.api", "Instance is already in deleting state, ignoring this request"
)
SCHEDULE_FAILED = statement(
    "conductor.schedule-failed", ERROR, "nova.conductor.manager", "Failed to schedule instances: {}"
)
SCHEDULE_TRACE = statement("conductor.trace", ERROR, "nova.conductor.manager", "{}")
BUILD_FAILED = statement(
    "conductor.build-failed", WARNING, "nova.scheduler.utils", "Failed to compute_task_build_instances: {}"
)
SET_ERROR = statement("conductor.set-error", WARNING, "nova.scheduler.utils", "Setting instance to ERROR state.: {}")
NO_VALID_HOST = "No valid host was found. {}"
NO_HOSTS_AVAILABLE = "There are not enough hosts available."
MAX_RETRIES = (
    "Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for instance {}."
)
NO_CANDIDATES = statement(
    "scheduler.no-candidates",
    INFO,
    "nova.scheduler.manager",
    "Got no allocation candidates from the Placement API. This could be due to insufficient resources or a temporary "
    "occurrence as compute nodes start up.",
)
NOT_HEARD_FROM = statement(
    "scheduler.not-heard",
    WARNING,
    "nova.scheduler.filters.compute_filter",
    "({}, {}) ram: {}MB disk: {}MB io_ops: {} instances: {} has not been heard from in a while",
)
NO_HOSTS_LEFT = statement("scheduler.filtered", INFO, "nova.filters", "Filter {} returned 0 hosts")
HOST_DISCOVERED = statement(
    "scheduler.discovered", INFO, "nova.objects.host_mapping", "Creating host mapping for compute host '{}': {}"
)
