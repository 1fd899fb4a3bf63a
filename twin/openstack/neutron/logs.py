"""The log statements of neutron-server.

Grouped by what goes on when they are printed. Source: neutron 21.2 (Zed) and a recorded control plane. That
one has no router plugin and says `NO_CONTROLLER` when somebody asks for floating IPs; the twin's has one.
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_WSGI = Logger("neutron.wsgi")
_TRANSLATION = Logger("neutron.pecan_wsgi.hooks.translation")
_ROOT = Logger("neutron.pecan_wsgi.controllers.root")
_RESOURCE = Logger("neutron.api.v2.resource")
_CALLBACKS = Logger("neutron_lib.callbacks.manager")
_CONFIG = Logger("neutron.common.config")
_MANAGER = Logger("neutron.manager")
_ML2 = Logger("neutron.plugins.ml2.managers")
_PLUGIN = Logger("neutron.plugins.ml2.plugin")
_SERVICE = Logger("neutron.service")
_MECH = Logger("neutron.plugins.ml2.drivers.mech_agent")
_RPC = Logger("neutron.plugins.ml2.rpc")
_DHCP_RPC = Logger("neutron.api.rpc.handlers.dhcp_rpc")
_AGENTS = Logger("neutron.db.agents_db")
_AGENT_SCHEDULERS = Logger("neutron.db.agentschedulers_db")
_DHCP_SCHEDULER = Logger("neutron.scheduler.dhcp_agent_scheduler")
_DHCP_NOTIFIER = Logger("neutron.api.rpc.agentnotifiers.dhcp_rpc_agent_api")
_L3_SCHEDULER = Logger("neutron.scheduler.l3_agent_scheduler")
_PUSH = Logger("neutron.plugins.ml2.ovo_rpc")
_BASE = Logger("neutron.db.db_base_plugin_v2")
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
CALLBACK_FAILED = _CALLBACKS.error("neutron.callback-failed", "Error during notification for {} {}, {}: {!s}")

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
LISTENING = _SERVICE.info("neutron.listening", "Neutron service started, listening on {}:{}")

# --- ports: binding ------------------------------------------------------------------------------------------------

BIND_ATTEMPT = _PLUGIN.info("neutron.bind-attempt", "Attempt {} to bind port {}")
BIND_GAVE_UP = _PLUGIN.error("neutron.bind-gave-up", "Failed to commit binding results for {} after {} tries")
PUSH_FAILED = _PUSH.error("neutron.push-failed", "Exception while dispatching {} events: {}: {!s}")
AUTO_DELETE_FAILED = _PLUGIN.error("neutron.auto-delete-failed", "Exception auto-deleting port {}: {!s}")
BIND_IF_NEEDED_FAILED = _PLUGIN.error(
    "neutron.bind-if-needed-failed", "_bind_port_if_needed failed, deleting port '{}': {!s}"
)
BIND_FAILED = _ML2.error("neutron.bind-failed", "Failed to bind port {} on host {} for vnic_type {} using segments {}")
BIND_DRIVER_FAILED = _ML2.error("neutron.bind-driver-failed", "Mechanism driver {} failed in bind_port: {!s}")
DRIVER_FAILED = _ML2.error("neutron.driver-failed", "Mechanism driver '{}' failed in {}: {!s}")
DEAD_AGENT = _MECH.warning("neutron.dead-agent", "Refusing to bind port {} to dead agent: {}")

# --- what agents ask for -------------------------------------------------------------------------------------------

DEVICE_UP_FAILED = _RPC.error("neutron.device-up-failed", "Failed to update device {} up: {!s}")
DEVICE_DOWN_FAILED = _RPC.error("neutron.device-down-failed", "Failed to update device {} down: {!s}")
DHCP_PORT_ACTION_FAILED = _DHCP_RPC.warning(
    "neutron.dhcp-port-action-failed", "Action {} for network {} could not complete successfully: {}: {!s}"
)

# --- agents up and down --------------------------------------------------------------------------------------------

AGENTS_DEAD = _AGENTS.warning("neutron.agents-dead", "Agent healthcheck: found {} dead agents out of {}:\n{}")
AGENTS_ALIVE = _AGENTS.debug("neutron.agents-alive", "Agent healthcheck: found {} active agents")
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
NO_MORE_DHCP_AGENTS = _DHCP_SCHEDULER.warning("neutron.no-more-dhcp-agents", "No more DHCP agents")
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
NO_ACTIVE_L3_AGENTS = _L3_SCHEDULER.warning("neutron.no-active-l3-agents", "No active L3 agents")

# --- networks, subnets, floating ips -------------------------------------------------------------------------------

SUBNET_IN_USE = _BASE.info(
    "neutron.subnet-in-use", "Found port ({}, {}) having IP allocation on subnet {}, cannot delete"
)
FLOATING_IP = _L3.info("neutron.floating-ip", "Floating IP {} {}. External IP: {}, port: {}.")

# --- nova's notifier -----------------------------------------------------------------------------------------------

NOVA_RESPONSE = _NOVA.info("neutron.nova-response", "{} response: {}")
NOVA_NOT_FOUND = _NOVA.debug("neutron.nova-not-found", "Nova returned NotFound for event: {}")
NOVA_NOTIFY_FAILED = _NOVA.error("neutron.nova-notify-failed", "Failed to notify nova on events: {}: {!s}")
NOVA_ERROR_RESPONSE = _NOVA.error("neutron.nova-error-response", "Error response returned from nova: {}")
NOVA_EVENT_FAILED = _NOVA.warning("neutron.nova-event-failed", "{}: {} returned with failed status")
