"""The log statements of neutron-server.

Grouped by what goes on when they are printed. Source: neutron 21.2 (Zed) and a recorded control plane.
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_WSGI = Logger("neutron.wsgi")
_TRANSLATION = Logger("neutron.pecan_wsgi.hooks.translation")
_ROOT = Logger("neutron.pecan_wsgi.controllers.root")
_RESOURCE = Logger("neutron.api.v2.resource")
_QUOTA = Logger("neutron.pecan_wsgi.hooks.quota_enforcement")
_QUOTA_DRIVER = Logger("neutron.db.quota.driver")
_POLICY = Logger("neutron.pecan_wsgi.hooks.policy_enforcement")
_ENFORCER = Logger("neutron.policy")
_CALLBACKS = Logger("neutron_lib.callbacks.manager")
_RETRY = Logger("neutron_lib.db.api")
_CONFIG = Logger("neutron.common.config")
_MANAGER = Logger("neutron.manager")
_ML2 = Logger("neutron.plugins.ml2.managers")
_PLUGIN = Logger("neutron.plugins.ml2.plugin")
_EXTENSIONS = Logger("neutron.api.extensions")
_SERVICE = Logger("neutron.service")
_MECH = Logger("neutron.plugins.ml2.drivers.mech_agent")
_SEGMENTS = Logger("neutron.plugins.ml2.drivers.helpers")
_TUNNEL = Logger("neutron.plugins.ml2.drivers.type_tunnel")
_PROVISIONING = Logger("neutron.db.provisioning_blocks")
_RPC = Logger("neutron.plugins.ml2.rpc")
_DHCP_RPC = Logger("neutron.api.rpc.handlers.dhcp_rpc")
_L3_RPC = Logger("neutron.api.rpc.handlers.l3_rpc")
_SG_RPC = Logger("neutron.api.rpc.handlers.securitygroups_rpc")
_AGENTS = Logger("neutron.db.agents_db")
_AGENT_SCHEDULERS = Logger("neutron.db.agentschedulers_db")
_L3_SCHEDULERS = Logger("neutron.db.l3_agentschedulers_db")
_DHCP_SCHEDULER = Logger("neutron.scheduler.dhcp_agent_scheduler")
_DHCP_NOTIFIER = Logger("neutron.api.rpc.agentnotifiers.dhcp_rpc_agent_api")
_L3_SCHEDULER = Logger("neutron.scheduler.l3_agent_scheduler")
_L3_NOTIFIER = Logger("neutron.api.rpc.agentnotifiers.l3_rpc_agent_api")
_PUSH = Logger("neutron.plugins.ml2.ovo_rpc")
_BASE = Logger("neutron.db.db_base_plugin_v2")
_IPAM = Logger("neutron.db.ipam_pluggable_backend")
_L3 = Logger("neutron.db.l3_db")
_NOVA = Logger("neutron.notifiers.nova")

# --- requests ------------------------------------------------------------------------------------------------------

NEUTRON_ACCESS = _WSGI.info("neutron.access", '{} "{} {} HTTP/1.1" status: {}  len: {} time: {:.7f}')
NEUTRON_CLIENT_ERROR = _TRANSLATION.info("neutron.neutron-client-error", "{} failed (client error): {}")
NEUTRON_REQUEST_FAILED = _TRANSLATION.error("neutron.neutron-request-failed", "{} failed.: {!s}")
NO_CONTROLLER = _ROOT.warning(
    "neutron.no-controller", "No controller found for: {} - returning response code 404: pecan.routing.PecanNotFound"
)
NEUTRON_FAILED = _RESOURCE.error("neutron.failed", "create failed: No details.: {!s}")
NEUTRON_ACTION_FAILED = _RESOURCE.error("neutron.neutron-action-failed", "{} failed: No details.: {!s}")
QUOTA_RESERVED = _QUOTA.debug("neutron.quota-reserved", "Made reservation on behalf of {} for: {}")
QUOTA_ATTEMPT = _QUOTA_DRIVER.debug(
    "neutron.quota-attempt",
    "Attempting to reserve {} items for resource {}. Total usage: {}; quota limit: {}; headroom:{}",
)
ATTRIBUTES_EXCLUDED = _POLICY.debug("neutron.attributes-excluded", "Attributes excluded by policy engine: {}")
POLICY_FAILED = _ENFORCER.debug("neutron.policy-failed", "Failed policy enforce for '{}'")
CALLBACKS = _CALLBACKS.debug("neutron.callbacks", "Publish callbacks {} for {} ({}), {}")
CALLBACK_FAILED = _CALLBACKS.error("neutron.callback-failed", "Error during notification for {} {}, {}: {!s}")
DB_RETRYING = _RETRY.debug("neutron.db-retrying", "Retry wrapper got retriable exception: {}")

# --- start-up ------------------------------------------------------------------------------------------------------

LOGGING_ENABLED = _CONFIG.info("neutron.logging-enabled", "Logging enabled!")
VERSION = _CONFIG.info("neutron.version", "/usr/bin/neutron-server version 21.2.0")
LOADING_CORE = _MANAGER.info("neutron.loading-core", "Loading core plugin: {}")
LOADING_PLUGIN = _MANAGER.info("neutron.loading-plugin", "Loading Plugin: {}")
TYPE_DRIVERS_LOADED = _ML2.info("neutron.type-drivers-loaded", "Loaded type driver names: {}")
TYPES_REGISTERED = _ML2.info("neutron.types-registered", "Registered types: {}")
MECHANISM_DRIVERS_LOADED = _ML2.info("neutron.mechanism-drivers-loaded", "Loaded mechanism driver names: {}")
MECHANISM_DRIVERS_REGISTERED = _ML2.info("neutron.mechanism-drivers-registered", "Registered mechanism drivers: {}")
EXTENSION_DRIVERS_LOADED = _ML2.info("neutron.extension-drivers-loaded", "Loaded extension driver names: {}")
PLUGIN_READY = _PLUGIN.info("neutron.plugin-ready", "Modular L2 Plugin initialization complete")
EXTENSION_LOADED = _EXTENSIONS.info("neutron.extension-loaded", "Loaded extension: {}")
EXTENSION_UNSUPPORTED = _EXTENSIONS.info(
    "neutron.extension-unsupported", "Extension {} not supported by any of loaded plugins"
)
LISTENING = _SERVICE.info("neutron.listening", "Neutron service started, listening on {}:{}")
UNRECOVERABLE = _SERVICE.error("neutron.unrecoverable", "Unrecoverable error: please check log for details.: {!s}")

# --- ports: binding ------------------------------------------------------------------------------------------------

BIND_ATTEMPT = _PLUGIN.info("neutron.bind-attempt", "Attempt {} to bind port {}")
BIND_GAVE_UP = _PLUGIN.error("neutron.bind-gave-up", "Failed to commit binding results for {} after {} tries")
BIND_CONCURRENT = _PLUGIN.warning("neutron.bind-concurrent", "Concurrent port binding operations failed on port {}")
BOUND_PORT_MISSING = _PLUGIN.info(
    "neutron.bound-port-missing", "Binding info for port {} was not found, it might have been deleted already."
)
PUSH_FAILED = _PUSH.error("neutron.push-failed", "Exception while dispatching {} events: {}: {!s}")
PROVISION_ATTEMPT = _PLUGIN.info("neutron.provision-attempt", "Attempt {} to provision port {}")
PORT_GONE = _PLUGIN.debug("neutron.port-gone", "Port {} was deleted so its status cannot be updated.")
PORT_NOT_BOUND = _PLUGIN.debug("neutron.port-not-bound", "Port {} cannot update to ACTIVE because it is not bound.")
PORT_BIND_FAILED = _PLUGIN.debug("neutron.port-bind-failed", "Port {} cannot update to ACTIVE because it failed.")
PORT_CHANGED_STATUS = _PLUGIN.debug(
    "neutron.port-changed-status", "Current status of the port {} is: {}; New status is: {}"
)
DELETING_PORT = _PLUGIN.debug("neutron.deleting-port", "Deleting port {}")
PORT_DELETED = _PLUGIN.debug("neutron.port-deleted", "The port '{}' was deleted")
CREATE_NETWORK_POSTCOMMIT_FAILED = _PLUGIN.error(
    "neutron.create-network-postcommit-failed",
    "mechanism_manager.create_network_postcommit failed, deleting network '{}': {!s}",
)
CREATE_SUBNET_POSTCOMMIT_FAILED = _PLUGIN.error(
    "neutron.create-subnet-postcommit-failed",
    "mechanism_manager.create_subnet_postcommit failed, deleting subnet '{}': {!s}",
)
CREATE_PORT_POSTCOMMIT_FAILED = _PLUGIN.error(
    "neutron.create-port-postcommit-failed", "mechanism_manager.create_port_postcommit failed, deleting port '{}': {!s}"
)
UPDATE_PORT_POSTCOMMIT_FAILED = _PLUGIN.error(
    "neutron.update-port-postcommit-failed", "mechanism_manager.update_port_postcommit failed for port {}: {!s}"
)
DELETE_PORT_POSTCOMMIT_FAILED = _PLUGIN.error(
    "neutron.delete-port-postcommit-failed", "mechanism_manager.delete_port_postcommit failed for port {}: {!s}"
)
AUTO_DELETE_FAILED = _PLUGIN.error("neutron.auto-delete-failed", "Exception auto-deleting port {}: {!s}")
BIND_IF_NEEDED_FAILED = _PLUGIN.error(
    "neutron.bind-if-needed-failed", "_bind_port_if_needed failed, deleting port '{}': {!s}"
)
BINDING = _ML2.debug("neutron.binding", "Attempting to bind port {} on host {} for vnic_type {} with profile {}")
BINDING_LEVEL = _ML2.debug(
    "neutron.binding-level", "Attempting to bind port {} by drivers {} on host {} at level {} using segments {}"
)
BOUND = _ML2.debug("neutron.bound", "Bound port: {}, host: {}, vif_type: {}, vif_details: {}, binding_levels: {}")
BIND_FAILED = _ML2.error("neutron.bind-failed", "Failed to bind port {} on host {} for vnic_type {} using segments {}")
BIND_FAILED_AT_LEVEL = _ML2.warning("neutron.bind-failed-at-level", "Failed to bind port {} on host {} at level {}")
BIND_DRIVER_FAILED = _ML2.error("neutron.bind-driver-failed", "Mechanism driver {} failed in bind_port: {!s}")
DRIVER_FAILED = _ML2.error("neutron.driver-failed", "Mechanism driver '{}' failed in {}: {!s}")
MECH_BINDING = _MECH.debug("neutron.mech-binding", "Attempting to bind port {} on network {}")
NO_AGENT_ON_HOST = _MECH.debug(
    "neutron.no-agent-on-host", "Port {} on network {} not bound, no agent of type {} registered on host {}"
)
CHECKING_AGENT = _MECH.debug("neutron.checking-agent", "Checking agent: {}")
CHECKING_SEGMENT = _MECH.debug(
    "neutron.checking-segment", "Checking segment: {} for mappings: {} with network types: {}"
)
BOUND_USING_SEGMENT = _MECH.debug("neutron.bound-using-segment", "Bound using segment: {}")
DEAD_AGENT = _MECH.warning("neutron.dead-agent", "Refusing to bind port {} to dead agent: {}")
SEGMENT_ALLOCATED = _SEGMENTS.debug("neutron.segment-allocated", "{} segment allocate from pool success with {} ")
SEGMENT_RELEASED = _TUNNEL.debug("neutron.segment-released", "Releasing {} tunnel {} to pool")
TUNNEL_ENDPOINT_EXISTS = _TUNNEL.warning("neutron.tunnel-endpoint-exists", "Endpoint with ip {} already exists: {!s}")
PROVISIONING_BLOCKED = _PROVISIONING.debug(
    "neutron.provisioning-blocked",
    "Transition to ACTIVE for {} object {} will not be triggered until provisioned by entity {}.",
)
PROVISIONED_BY = _PROVISIONING.debug("neutron.provisioned-by", "Provisioning for {} {} completed by entity {}.")
PROVISIONED = _PROVISIONING.debug("neutron.provisioned", "Provisioning complete for {} {} triggered by entity {}.")

# --- what agents ask for -------------------------------------------------------------------------------------------

DEVICE_DETAILS = _RPC.debug("neutron.device-details", "Device {} details requested by agent {} with host {}")
DEVICE_RETURNING = _RPC.debug("neutron.device-returning", "Returning: {}")
DEVICE_NOT_FOUND = _RPC.debug("neutron.device-not-found", "Device {} requested by agent {} not found in database")
DEVICE_NOT_BOUND = _RPC.warning(
    "neutron.device-not-bound", "Device {} requested by agent {} on network {} not bound, vif_type: {}"
)
DEVICE_UP = _RPC.debug("neutron.device-up", "Device {} up at agent {}")
DEVICE_DOWN = _RPC.debug("neutron.device-down", "Device {} no longer exists at agent {}")
DEVICE_ELSEWHERE = _RPC.debug("neutron.device-elsewhere", "Device {} not bound to the agent host {}")
DEVICE_DETAILS_FAILED = _RPC.error("neutron.device-details-failed", "Failed to get details for device {}: {!s}")
DEVICE_UP_FAILED = _RPC.error("neutron.device-up-failed", "Failed to update device {} up: {!s}")
DEVICE_DOWN_FAILED = _RPC.error("neutron.device-down-failed", "Failed to update device {} down: {!s}")
DHCP_NETWORKS_ASKED = _DHCP_RPC.debug("neutron.dhcp-networks-asked", "get_active_networks_info from {}")
DHCP_NETWORK_ASKED = _DHCP_RPC.debug("neutron.dhcp-network-asked", "Network {} requested from {}")
DHCP_NETWORK_GONE = _DHCP_RPC.debug(
    "neutron.dhcp-network-gone", "Network {} could not be found, it might have been deleted concurrently."
)
DHCP_PORT_ACTION_FAILED = _DHCP_RPC.warning(
    "neutron.dhcp-port-action-failed", "Action {} for network {} could not complete successfully: {}: {!s}"
)
DHCP_PORT_CREATED = _DHCP_RPC.debug("neutron.dhcp-port-created", "Create dhcp port {} from {}.")
DHCP_PORT_RELEASED = _DHCP_RPC.debug("neutron.dhcp-port-released", "DHCP port deletion for {} request from {}")
DHCP_NOT_HOSTED = _DHCP_RPC.warning("neutron.dhcp-not-hosted", "The DHCP agent on {} does not host the network {}.")
ROUTERS_ASKED = _L3_RPC.debug("neutron.routers-asked", "Sync routers for ids {} in {}")
ROUTERS_DATA = _L3_RPC.debug("neutron.routers-data", "The sync data for ids {} in {} is: {}")
FLOATING_IP_STATUS = _L3_RPC.debug("neutron.floating-ip-status", "New status for floating IP {}: {}")
SG_INFO_ASKED = _SG_RPC.debug("neutron.sg-info-asked", "Get security group information for devices via rpc {!r}")
SG_MEMBER_UPDATED = _SG_RPC.debug("neutron.sg-member-updated", "Security group member updated on remote: {}")

# --- agents up and down --------------------------------------------------------------------------------------------

AGENTS_DEAD = _AGENTS.warning("neutron.agents-dead", "Agent healthcheck: found {} dead agents out of {}:\n{}")
AGENTS_ALIVE = _AGENTS.debug("neutron.agents-alive", "Agent healthcheck: found {} active agents")
AGENT_HEARTBEAT = _AGENTS.info(
    "neutron.agent-heartbeat", "Heartbeat received from {} agent on host {}, uuid {} after {}, sent at {}"
)
AGENT_STALE_REPORT = _AGENTS.debug(
    "neutron.agent-stale-report",
    "Stale message received with timestamp: {}. Skipping processing because it's older than the server start "
    "timestamp: {}",
)
AGENT_CLOCK = _AGENTS.error(
    "neutron.agent-clock",
    "Message received from the host: {} during the registration of {} has a timestamp: {}. This differs from "
    "the current server timestamp: {} by {} seconds, which is more than the threshold agent downtime: {}.",
)
AGENT_NOT_ACTIVE = _AGENTS.warning("neutron.agent-not-active", "{} agent {} is not active")
AGENT_IS_DOWN = _AGENT_SCHEDULERS.warning(
    "neutron.agent-is-down", "Agent {} is down. Type: {}, host: {}, heartbeat: {}"
)
WAITING_DOWN_AGENTS = _AGENT_SCHEDULERS.warning(
    "neutron.waiting-down-agents",
    "Time since last {} agent reschedule check has exceeded the interval between checks. Waiting before check "
    "to allow agents to send a heartbeat in case there was a clock adjustment.",
)
RESCHEDULING = _AGENT_SCHEDULERS.warning(
    "neutron.rescheduling",
    "Rescheduling {} {} from agent {} because the agent did not report to the server in the last {} seconds.",
)
RESCHEDULE_FAILED = _AGENT_SCHEDULERS.error("neutron.reschedule-failed", "Failed to reschedule {} {}: {!s}")
RESCHEDULING_EXCEPTION = _AGENT_SCHEDULERS.error(
    "neutron.rescheduling-exception", "Exception encountered during {} rescheduling.: {!s}"
)
NETWORK_RESCHEDULING_EXCEPTION = _AGENT_SCHEDULERS.error(
    "neutron.network-rescheduling-exception", "Exception encountered during network rescheduling: {!s}"
)
NETWORK_REMOVED = _AGENT_SCHEDULERS.warning(
    "neutron.network-removed",
    "Removing network {} from agent {} because the agent did not report to the server in the last {} seconds.",
)
NETWORK_UNHOSTED = _AGENT_SCHEDULERS.info("neutron.network-unhosted", "Scheduling unhosted network {}")
NETWORK_UNSCHEDULABLE = _AGENT_SCHEDULERS.info(
    "neutron.network-unschedulable",
    "Failed to schedule network {}, no eligible agents or it might be already scheduled by another server",
)
NETWORK_ADDED = _AGENT_SCHEDULERS.info("neutron.network-added", "Adding network {} to agent {} on host {}")
NO_DHCP_AGENTS = _AGENT_SCHEDULERS.warning("neutron.no-dhcp-agents", "No DHCP agents available, skipping rescheduling")
NETWORK_REMOVE_FAILED = _AGENT_SCHEDULERS.error(
    "neutron.network-remove-failed", "Unexpected exception occurred while removing network {} from agent {}: {!s}"
)
NOT_YOUR_ROUTERS = _L3_SCHEDULERS.debug(
    "neutron.not-your-routers",
    "Agent requested router IDs not scheduled to it. Scheduled: {}. Unscheduled: {}. Agent: {}.",
)
NO_MORE_DHCP_AGENTS = _DHCP_SCHEDULER.warning("neutron.no-more-dhcp-agents", "No more DHCP agents")
DHCP_AGENT_NOT_ACTIVE = _DHCP_SCHEDULER.warning("neutron.dhcp-agent-not-active", "DHCP agent {} is not active")
DHCP_SCHEDULED = _DHCP_SCHEDULER.debug(
    "neutron.dhcp-scheduled", "Network {} is scheduled to be hosted by DHCP agent {} with binding_index {}"
)
DHCP_ENOUGH_AGENTS = _DHCP_SCHEDULER.debug(
    "neutron.dhcp-enough-agents", "Network {} is already hosted by enough agents."
)
DHCP_ALREADY_PRESENT = _DHCP_SCHEDULER.info("neutron.dhcp-already-present", "Agent {} already present")
DHCP_UNSCHEDULABLE = _DHCP_NOTIFIER.warning(
    "neutron.dhcp-unschedulable",
    "Unable to schedule network {}: no agents available; will retry on subsequent port and subnet creation events.",
)
DHCP_SOME_INACTIVE = _DHCP_NOTIFIER.warning(
    "neutron.dhcp-some-inactive",
    "Only {} of {} DHCP agents associated with network '{}' are marked as active, so notifications may be sent "
    "to inactive agents.",
)
DHCP_NO_AGENT = _DHCP_NOTIFIER.error(
    "neutron.dhcp-no-agent", "Will not send event {} for network {}: no agent available. Payload: {}"
)
DHCP_NOT_HOSTED_ANYWHERE = _DHCP_NOTIFIER.debug(
    "neutron.dhcp-not-hosted-anywhere", "Network {} is not hosted by any dhcp agent"
)
NO_ACTIVE_L3_AGENTS = _L3_SCHEDULER.warning("neutron.no-active-l3-agents", "No active L3 agents")
NO_L3_AGENTS_FOR_ROUTER = _L3_SCHEDULER.warning(
    "neutron.no-l3-agents-for-router", "No L3 agents can host the router {}"
)
ROUTER_SCHEDULED = _L3_SCHEDULER.debug(
    "neutron.router-scheduled", "Router {} is scheduled to L3 agent {} with binding_index {}"
)
L3_NOTIFYING = _L3_NOTIFIER.debug("neutron.l3-notifying", "Notify agent at {}.{} the message {}")

# --- networks, subnets, floating ips -------------------------------------------------------------------------------

BULK_CREATE_FAILED = _BASE.error("neutron.bulk-create-failed", "An exception occurred while creating the {}:{}: {!s}")
DELETING_SUBNET = _BASE.debug("neutron.deleting-subnet", "Deleting subnet {}")
SUBNET_IN_USE = _BASE.info(
    "neutron.subnet-in-use", "Found port ({}, {}) having IP allocation on subnet {}, cannot delete"
)
IP_ALLOCATION_FAILED = _IPAM.debug("neutron.ip-allocation-failed", "An exception occurred during IP allocation.")
IP_REVERTING = _IPAM.debug("neutron.ip-reverting", "Reverting allocation")
IP_DEALLOCATION_EXTERNAL = _IPAM.error(
    "neutron.ip-deallocation-external", "IP deallocation failed on external system for {}: {!s}"
)
PORT_CREATION_REVERTED = _IPAM.debug(
    "neutron.port-creation-reverted", "An exception occurred during port creation. Reverting IP allocation"
)
FLOATING_IP = _L3.info("neutron.floating-ip", "Floating IP {} {}. External IP: {}, port: {}.")
FLOATING_IP_CLEANUP_FAILED = _L3.error(
    "neutron.floating-ip-cleanup-failed", "Error cleaning up floating IP port: {}: {!s}"
)

# --- nova's notifier -----------------------------------------------------------------------------------------------

NOVA_SENDING = _NOVA.debug("neutron.nova-sending", "Sending events: {}")
NOVA_RESPONSE = _NOVA.info("neutron.nova-response", "{} response: {}")
NOVA_NOT_FOUND = _NOVA.debug("neutron.nova-not-found", "Nova returned NotFound for event: {}")
NOVA_NOTIFY_FAILED = _NOVA.error("neutron.nova-notify-failed", "Failed to notify nova on events: {}: {!s}")
NOVA_ERROR_RESPONSE = _NOVA.error("neutron.nova-error-response", "Error response returned from nova: {}")
NOVA_EVENT_FAILED = _NOVA.warning("neutron.nova-event-failed", "{}: {} returned with failed status")
NOVA_NOT_NEEDED = _NOVA.debug(
    "neutron.nova-not-needed", "Ignoring state change previous_port_status: {} current_port_status: {} port_id {}"
)
