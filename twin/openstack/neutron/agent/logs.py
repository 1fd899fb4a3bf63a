"""The log statements of neutron's agents: DHCP, L3, metadata and Open vSwitch.

Source: neutron 21.2 (Zed).
"""

from __future__ import annotations

from twin.telemetry.lines.oslo import Logger

_DHCP = Logger("neutron.agent.dhcp.agent")
_DNSMASQ = Logger("neutron.agent.linux.dhcp")
_PROCESSES = Logger("neutron.agent.linux.external_process")
_L3 = Logger("neutron.agent.l3.agent")
_ROUTER = Logger("neutron.agent.l3.router_info")
_HA = Logger("neutron.agent.l3.ha")
_METADATA = Logger("neutron.agent.metadata.agent")
_OVS = Logger("neutron.plugins.ml2.drivers.openvswitch.agent.ovs_neutron_agent")
_BR_INT = Logger("neutron.plugins.ml2.drivers.openvswitch.agent.openflow.native.br_int")
_OVS_LIB = Logger("neutron.agent.common.ovs_lib")
_OFSWITCH = Logger("neutron.plugins.ml2.drivers.openvswitch.agent.openflow.native.ofswitch")
_FIREWALL = Logger("neutron.agent.linux.openvswitch_firewall.firewall")
_SECURITY = Logger("neutron.agent.securitygroups_rpc")
_AGENT_RPC = Logger("neutron.agent.rpc")
_LIB_RPC = Logger("neutron_lib.rpc")
_UTILS = Logger("neutron.agent.linux.utils")
_OVSDB = Logger("ovsdbapp.backend.ovs_idl.transaction")

# --- DHCP agent ----------------------------------------------------------------------------------------------------

DHCP_STARTED = _DHCP.info("agent.dhcp-started", "DHCP agent started")
DHCP_SYNCING = _DHCP.info("agent.dhcp-syncing", "Synchronizing state")
DHCP_SYNC_FETCHED = _DHCP.info("agent.dhcp-sync-fetched", "All active networks have been fetched through RPC.")
DHCP_SYNC_COMPLETE = _DHCP.info("agent.dhcp-sync-complete", "Synchronizing state complete")
DHCP_SYNC_FAILED = _DHCP.error("agent.dhcp-sync-failed", "Unable to sync network state.: {!s}")
DHCP_SYNC_FAILED_FOR = _DHCP.error(
    "agent.dhcp-sync-failed-for", "Unable to sync network state on deleted network {}: {!s}"
)
DHCP_RESYNC_SCHEDULED = _DHCP.debug("agent.dhcp-resync-scheduled", "Resync event has been scheduled")
DHCP_RESYNC = _DHCP.debug("agent.dhcp-resync", "resync ({}): {}")
DHCP_CALLING_DRIVER = _DHCP.debug("agent.dhcp-calling-driver", "Calling driver for network: {} action: {}")
DHCP_DRIVER_FAILED = _DHCP.error("agent.dhcp-driver-failed", "Unable to {} dhcp for {}.: {!s}")
DHCP_DRIVER_CONFLICT = _DHCP.debug(
    "agent.dhcp-driver-conflict",
    "Unable to {} dhcp for {}: there is a conflict with its current state; please check that the network "
    "and/or its subnet(s) still exist.",
)
DHCP_PORT_FAILED = _DHCP.debug("agent.dhcp-port-failed", "Error configuring DHCP port, scheduling resync: {}")
DHCP_CONFIGURING = _DHCP.info("agent.dhcp-configuring", "Starting network {} dhcp configuration")
DHCP_CONFIGURED = _DHCP.info("agent.dhcp-configured", "Finished network {} dhcp configuration")
DHCP_NETWORK_GONE = _DHCP.debug("agent.dhcp-network-gone", "Network {} has been deleted.")
DHCP_NETWORK_MAYBE_GONE = _DHCP.warning(
    "agent.dhcp-network-maybe-gone",
    "Network {} may have been deleted and its resources may have already been disposed.: {!s}",
)
DHCP_INFO_FAILED = _DHCP.error("agent.dhcp-info-failed", "Network {} info call failed.: {!s}")
DHCP_RELOAD = _DHCP.info("agent.dhcp-reload", "Trigger reload_allocations for port {} on network {}")
DHCP_STALE_UPDATE = _DHCP.debug("agent.dhcp-stale-update", "Discarding stale port update: {}")
DHCP_PORTS_READY = _DHCP.info("agent.dhcp-ports-ready", "DHCP configuration for ports {} is completed")
DHCP_READY_TIMEOUT = _DHCP.error(
    "agent.dhcp-ready-timeout", "Timeout notifying server of ports ready. Retrying...: {!s}"
)
DHCP_READY_FAILED = _DHCP.error(
    "agent.dhcp-ready-failed", "Failure notifying DHCP server of ready DHCP ports. Will retry on next iteration.: {!s}"
)
DHCP_REVIVED = _DHCP.info("agent.dhcp-revived", "Agent has just been revived. Scheduling full sync")
DHCP_REPORT_FAILED = _DHCP.error("agent.dhcp-report-failed", "Failed reporting state!: {!s}")
DHCP_REPORT_RECOVERED = _DHCP.info(
    "agent.dhcp-report-recovered", "Successfully reported state after a previous failure."
)
DHCP_UPDATED_BY_SERVER = _DHCP.info("agent.dhcp-updated-by-server", "agent_updated by server side {}!")
DNSMASQ_SPAWN_FAILED = _DNSMASQ.error("agent.dnsmasq-spawn-failed", "Failed to start DHCP process for network {}: {!s}")
DNSMASQ_RELOADING = _DNSMASQ.debug("agent.dnsmasq-reloading", "Reloading allocations for network: {}")
DNSMASQ_HOSTS = _DNSMASQ.debug("agent.dnsmasq-hosts", "Building host file: {}")
DNSMASQ_HOSTS_DONE = _DNSMASQ.debug("agent.dnsmasq-hosts-done", "Done building host file {}")
DNSMASQ_LEASES = _DNSMASQ.debug("agent.dnsmasq-leases", "Building initial lease file: {}")
DNSMASQ_RELEASE_FAILED = _DNSMASQ.warning(
    "agent.dnsmasq-release-failed", "DHCP release failed for params {}. Reason: {}: {!s}"
)
DNSMASQ_INTERFACE_REUSED = _DNSMASQ.debug("agent.dnsmasq-interface-reused", "Reusing existing device: {}.")
DNSMASQ_NEW_PORT = _DNSMASQ.debug(
    "agent.dnsmasq-new-port", "DHCP port {} on network {} does not yet exist. Creating new one."
)
DNSMASQ_PLUG_FAILED = _DNSMASQ.error(
    "agent.dnsmasq-plug-failed", "Unable to plug DHCP port for network {}. Releasing port.: {!s}"
)
PROCESS_DIED = _PROCESSES.error(
    "agent.process-died", "{} for {} with uuid {} not found. The process should not have died"
)
PROCESS_RESPAWNING = _PROCESSES.warning("agent.process-respawning", "Respawning {} for uuid {}")

# --- L3 agent ------------------------------------------------------------------------------------------------------

L3_STARTED = _L3.info("agent.l3-started", "L3 agent started")
L3_STOPPING = _L3.info("agent.l3-stopping", "Stopping L3 agent")
L3_NO_SERVER = _L3.warning(
    "agent.l3-no-server",
    "l3-agent cannot contact neutron server to retrieve HA router count. Check connectivity to neutron server. "
    "Retrying... Detailed message: {}.: {!s}",
)
L3_SYNCING = _L3.debug("agent.l3-syncing", "Starting fullsync periodic_sync_routers_task")
L3_SYNCED = _L3.debug("agent.l3-synced", "periodic_sync_routers_task successfully completed")
L3_SYNC_FAILED = _L3.error("agent.l3-sync-failed", "Failed synchronizing routers '{}' due to RPC error: {!s}")
L3_CHUNK_SMALLER = _L3.error(
    "agent.l3-chunk-smaller",
    "Server failed to return info for routers in required time, decreasing chunk size to: {}: {!s}",
)
L3_CHUNK_SMALLEST = _L3.error(
    "agent.l3-chunk-smallest",
    "Server failed to return info for routers in required time even with min chunk size: {}. It might be under "
    "very high load or just inoperable: {!s}",
)
L3_UPDATED = _L3.debug("agent.l3-updated", "Got routers updated notification :{}")
L3_DELETED = _L3.debug("agent.l3-deleted", "Got router deleted notification for {}")
L3_UPDATE_STARTING = _L3.info(
    "agent.l3-update-starting",
    "Starting router update for {}, action {}, priority {}, update_id {}. Wait time elapsed: {:.3f}",
)
L3_UPDATE_FINISHED = _L3.info(
    "agent.l3-update-finished", "Finished a router update for {}, update_id {}. Time elapsed: {:.3f}"
)
L3_DELETE_FINISHED = _L3.info(
    "agent.l3-delete-finished", "Finished a router delete for {}, update_id {}. Time elapsed: {:.3f}"
)
L3_ROUTER_FAILED = _L3.error("agent.l3-router-failed", "Error while processing router {}: {!s}")
L3_UPDATE_FAILED = _L3.error("agent.l3-update-failed", "Failed to process compatible router: {}: {!s}")
L3_INFO_FAILED = _L3.error("agent.l3-info-failed", "Failed to fetch router information for '{}': {!s}")
L3_DELETE_FAILED = _L3.error("agent.l3-delete-failed", "Error while deleting router {}: {!s}")
L3_RETRY_LIMIT = _L3.warning("agent.l3-retry-limit", "Hit retry limit with router update for {}, action {}")
L3_ROUTER_ADDING = _L3.debug("agent.l3-router-adding", "Router {} info not in cache, will do the router add action.")
L3_REVIVED = _L3.info("agent.l3-revived", "Agent has just been revived. Doing a full sync.")
L3_REPORT_FAILED = _L3.error("agent.l3-report-failed", "Failed reporting state!: {!s}")
L3_REPORT_RECOVERED = _L3.info("agent.l3-report-recovered", "Successfully reported state after a previous failure.")
ROUTER_PROCESSING = _ROUTER.debug("agent.router-processing", "Process updates, router {}")
ROUTER_DELETING = _ROUTER.debug("agent.router-deleting", "Process delete, router {}")
ROUTER_FLOATING_IP_ADDED = _ROUTER.debug("agent.router-floating-ip-added", "Floating ip {} added, status {}")
ROUTER_FLOATING_IP_REMOVED = _ROUTER.debug(
    "agent.router-floating-ip-removed", "Removing floating ip {} from interface {} in namespace {}"
)
ROUTER_FLOATING_IPS_FAILED = _ROUTER.error("agent.router-floating-ips-failed", "Failed to process floating IPs.: {!s}")
ROUTER_FLOATING_IP_UNSET = _ROUTER.warning(
    "agent.router-floating-ip-unset", "Unable to configure IP address for floating IP: {}: {!s}"
)
ROUTER_INTERFACE_ADDED = _ROUTER.debug("agent.router-interface-added", "adding internal network: prefix({}), port({})")
ROUTER_INTERFACE_REMOVED = _ROUTER.debug(
    "agent.router-interface-removed", "removing internal network: port({}) interface({})"
)
ROUTER_GATEWAY_ADDED = _ROUTER.debug(
    "agent.router-gateway-added", "External gateway added: port({}), interface({}), ns({})"
)
ROUTER_TRANSITIONED = _HA.info(
    "agent.router-transitioned", "Router {} transitioned to {} on agent {}; NDP proxy enabled: {}"
)

# --- metadata agent ------------------------------------------------------------------------------------------------

METADATA_REQUEST = _METADATA.debug("agent.metadata-request", "Request: {}")
METADATA_PORTS = _METADATA.debug(
    "agent.metadata-ports", "Gotten ports for remote_address {}, network_id {}, router_id {} are: {}"
)
METADATA_FAILED = _METADATA.error("agent.metadata-failed", "Unexpected error.: {!s}")
METADATA_FORBIDDEN = _METADATA.warning(
    "agent.metadata-forbidden",
    "The remote metadata server responded with Forbidden. This response usually occurs when shared secrets do "
    "not match.",
)
METADATA_REMOTE_ERROR = _METADATA.warning(
    "agent.metadata-remote-error", "Remote metadata server experienced an internal server error."
)
METADATA_REPORT_FAILED = _METADATA.error("agent.metadata-report-failed", "Failed reporting state!: {!s}")
METADATA_REPORT_RECOVERED = _METADATA.info(
    "agent.metadata-report-recovered", "Successfully reported state after a previous failure."
)
METADATA_ACCESS = Logger("eventlet.wsgi.server").info(
    "agent.metadata-access", '{},<local> "{} {} HTTP/1.1" status: {}  len: {} time: {:.7f}'
)

# --- Open vSwitch agent: start-up and the server -------------------------------------------------------------------

OVS_INITIALIZED = _OVS.info("agent.ovs-initialized", "Agent initialized successfully, now running... ")
OVS_MAPPING = _OVS.info("agent.ovs-mapping", "Mapping physical network {} to bridge {}")
OVS_BRIDGE_ID = _OVS.info("agent.ovs-bridge-id", "Bridge {} datapath-id = 0x{}")
OVS_NO_SERVER = _OVS.warning(
    "agent.ovs-no-server",
    "l2-agent cannot contact neutron server. Check connectivity to neutron server. Retrying... Detailed "
    "message: {}.: {!s}",
)
OVS_REVIVED = _OVS.info("agent.ovs-revived", "Agent has just been revived. Doing a full sync.")
OVS_REPORT_FAILED = _OVS.error("agent.ovs-report-failed", "Failed reporting state!: {!s}")
OVS_REPORT_RECOVERED = _OVS.info("agent.ovs-report-recovered", "Successfully reported state after a previous failure.")
OVS_NOT_REPORTING = _OVS.error("agent.ovs-not-reporting", "OVS is down, not reporting state to server")
OVS_RESTARTED = _OVS.warning(
    "agent.ovs-restarted", "OVS is restarted. OVSNeutronAgent will reset bridges and recover ports."
)
OVS_DEAD = _OVS.warning(
    "agent.ovs-dead", "OVS is dead. OVSNeutronAgent will keep running and checking OVS status periodically."
)
OVS_CANARY_FAILED = _OVS.error("agent.ovs-canary-failed", "Failure while checking for the canary flow: {!s}")
OVS_SIGTERM = _OVS.info("agent.ovs-sigterm", "Agent caught SIGTERM, quitting daemon loop.")
OVS_TUNNEL_SYNC = _OVS.debug("agent.ovs-tunnel-sync", "Configuring tunnel endpoints to other OVS agents")
OVS_TUNNEL_SYNC_FAILED = _OVS.error("agent.ovs-tunnel-sync-failed", "Error while configuring tunnel endpoints: {!s}")
OVS_TUNNEL_UPDATE = _OVS.debug("agent.ovs-tunnel-update", "tunnel_update received")
OVS_TUNNEL_FAILED = _OVS.error("agent.ovs-tunnel-failed", "Failed to set-up {} tunnel port to {}")
OVS_CANARY_UNREACHABLE = _BR_INT.error("agent.ovs-canary-unreachable", "Failed to communicate with the switch: {!s}")

# --- Open vSwitch agent: the loop ----------------------------------------------------------------------------------

OVS_LOOP_STARTED = _OVS.info("agent.ovs-loop-started", "Agent rpc_loop - iteration:{} started")
OVS_LOOP_POLLING = _OVS.info(
    "agent.ovs-loop-polling", "Agent rpc_loop - iteration:{} - starting polling. Elapsed:{:.3f}"
)
OVS_LOOP_PORT_INFO = _OVS.info(
    "agent.ovs-loop-port-info", "Agent rpc_loop - iteration:{} - port information retrieved. Elapsed:{:.3f}"
)
OVS_LOOP_PROCESSED = _OVS.info(
    "agent.ovs-loop-processed", "Agent rpc_loop - iteration:{} - ports processed. Elapsed:{:.3f}"
)
OVS_LOOP_COMPLETED = _OVS.info(
    "agent.ovs-loop-completed",
    "Agent rpc_loop - iteration:{} completed. Processed ports statistics: {}. Elapsed:{:.3f}",
)
OVS_LOOP_LATE = _OVS.debug("agent.ovs-loop-late", "Loop iteration exceeded interval ({} vs. {})!")
OVS_LOOP_DEVICES = _OVS.debug("agent.ovs-loop-devices", "Starting to process devices in:{}")
OVS_PORTS_FAILED = _OVS.error("agent.ovs-ports-failed", "Error while processing VIF ports: {!s}")
OVS_OUT_OF_SYNC = _OVS.info("agent.ovs-out-of-sync", "Agent out of sync with plugin!")
OVS_FULL_SYNC = _OVS.info("agent.ovs-full-sync", "rpc_loop doing a full sync.")
OVS_CACHE_CLEARED = _OVS.warning(
    "agent.ovs-cache-cleared", "Clearing cache of registered ports, retries to resync were > {}"
)
OVS_PORTS_TREATED = _OVS.info(
    "agent.ovs-ports-treated",
    "process_network_ports - iteration:{} - treat_devices_added_or_updated completed. Skipped {} and no "
    "activated binding devices {} of {} devices currently available. Time elapsed: {:.3f}",
)
OVS_PORTS_SECURED = _OVS.info(
    "agent.ovs-ports-secured", "process_network_ports - iteration:{} - agent port security group processed in {:.3f}"
)
OVS_PORTS_GONE = _OVS.info(
    "agent.ovs-ports-gone", "process_network_ports - iteration:{} - treat_devices_removed completed in {:.3f}"
)

# --- Open vSwitch agent: ports -------------------------------------------------------------------------------------

OVS_PORT_PROCESSING = _OVS.debug("agent.ovs-port-processing", "Processing port: {}")
OVS_PORT_UPDATED = _OVS.info("agent.ovs-port-updated", "Port {} updated. Details: {}")
OVS_PORT_NOT_DEFINED = _OVS.warning("agent.ovs-port-not-defined", "Device {} not defined on plugin or binding failed")
OVS_PORT_NOT_ACTIVE = _OVS.debug("agent.ovs-port-not-active", "Device {} has no active binding in host")
OVS_PORT_NOT_READY = _OVS.debug("agent.ovs-port-not-ready", "Port {} not ready yet on the bridge")
OVS_PORT_NOT_ON_BRIDGE = _OVS.info(
    "agent.ovs-port-not-on-bridge",
    "Port {} was not found on the integration bridge and will therefore not be processed",
)
OVS_PORTS_REMOVED = _OVS.info("agent.ovs-ports-removed", "Ports {} removed")
OVS_PORTS_SKIPPED = _OVS.info("agent.ovs-ports-skipped", "Ports {} skipped, changing status to down")
OVS_PORT_UP = _OVS.debug("agent.ovs-port-up", "Setting status for {} to UP")
OVS_PORT_DOWN = _OVS.debug("agent.ovs-port-down", "Setting status for {} to DOWN")
OVS_PORTS_CONFIGURED = _OVS.info(
    "agent.ovs-ports-configured", "Configuration for devices up {} and devices down {} completed."
)
OVS_PORTS_CONFIGURE_FAILED = _OVS.error("agent.ovs-ports-configure-failed", "Configuration for devices {} failed!")
OVS_PORT_RETRIED = _OVS.warning("agent.ovs-port-retried", "Device {} failed for {} times and won't be retried anymore")
OVS_PORT_EXPECTED = _OVS.error("agent.ovs-port-expected", "Expected port {} not found")
OVS_VLAN_ASSIGNED = _OVS.info("agent.ovs-vlan-assigned", "Assigning {} as local vlan for net-id={}, seg-id={}")
OVS_VLAN_RECLAIMED = _OVS.info("agent.ovs-vlan-reclaimed", "Reclaiming vlan = {} from net-id = {}, seg-id = {}")
OVS_VLAN_LOST = _OVS.info(
    "agent.ovs-vlan-lost", "Port '{}' has lost its vlan tag '{}'! Current vlan tag on this port is '{}'."
)
OVS_NO_OFPORT = _OVS.error(
    "agent.ovs-no-ofport",
    "VIF port: {} has no ofport configured or is invalid, and might not be able to transmit. (ofport={})",
)
OVS_FLOWS_CLEANED = _OVS.info("agent.ovs-flows-cleaned", "Cleaning stale {} flows")
OFCTL_FAILED = _OVS_LIB.error("agent.ofctl-failed", "Unable to execute {}. Exception: {}: {!s}")
OFPORT_TIMEOUT = _OVS_LIB.error("agent.ofport-timeout", "Timed out retrieving ofport on port {}.: {!s}")
VIF_PORT_FAILED = _OVS_LIB.warning("agent.vif-port-failed", "Found failed openvswitch port: {}")
VIF_PORT_NOT_READY = _OVS_LIB.warning("agent.vif-port-not-ready", "Found not yet ready openvswitch port: {}")
PORT_NOT_PRESENT = _OVS_LIB.info("agent.port-not-present", "Port {} not present in bridge {}")
SWITCH_TIMEOUT = _OFSWITCH.error("agent.switch-timeout", "ofctl request {} timed out")
SWITCH_NO_DATAPATH = _OFSWITCH.error("agent.switch-no-datapath", "Switch connection timeout")
STALE_FLOW = _OFSWITCH.warning("agent.stale-flow", "Deleting flow with cookie 0x{:x}")
FIREWALL_INITIALIZED = _FIREWALL.info(
    "agent.firewall-initialized", "Initializing port {} that was already initialized."
)
FIREWALL_NO_TAG = _FIREWALL.info("agent.firewall-no-tag", "Tag was not found for port {}: {}.")
FIREWALL_NO_PORT = _FIREWALL.info("agent.firewall-no-port", "port {} does not exist in ovsdb: {}.")
SG_MEMBER_UPDATED = _SECURITY.info("agent.sg-member-updated", "Security group member updated {!r}")
SG_RULE_UPDATED = _SECURITY.info("agent.sg-rule-updated", "Security group rule updated {!r}")
SG_FILTERS_PREPARING = _SECURITY.info("agent.sg-filters-preparing", "Preparing filters for devices {}")
SG_FILTERS_REMOVED = _SECURITY.info("agent.sg-filters-removed", "Remove device filter for {!r}")
SG_REFRESH = _SECURITY.info("agent.sg-refresh", "Refresh firewall rules")
AGENT_DETAILS_FAILED = _AGENT_RPC.error("agent.agent-details-failed", "Failed to get details for device {}: {!s}")

# --- calls to the server -------------------------------------------------------------------------------------------

RPC_TIMEOUT = _LIB_RPC.error(
    "agent.rpc-timeout",
    "Timeout in RPC method {}. Waiting for {} seconds before next attempt. If the server is not down, consider "
    "increasing the rpc_response_timeout option as Neutron server(s) may be overloaded and unable to respond "
    "quickly enough.: {!s}",
)
RPC_TIMEOUT_INCREASED = _LIB_RPC.warning(
    "agent.rpc-timeout-increased",
    "Increasing timeout for {} calls to {} seconds. Restart the agent to restore it to the default value.: {!s}",
)
RPC_CAST_IGNORED = _LIB_RPC.debug("agent.rpc-cast-ignored", "Ignored exception during cast: {}")

# --- commands ------------------------------------------------------------------------------------------------------

COMMAND_FAILED = _UTILS.error("agent.command-failed", "Exit code: {}; Cmd: {}; Stdin: ; Stdout: ; Stderr: {}")
COMMAND_RUNNING = _UTILS.debug("agent.command-running", "Running command (rootwrap daemon): {}")
OVSDB_COMMAND = _OVSDB.debug("agent.ovsdb-command", "Running txn n={} command(idx={}): {}")
OVSDB_NO_CHANGE = _OVSDB.debug("agent.ovsdb-no-change", "Transaction caused no change")
OVSDB_ABORTED = _OVSDB.debug("agent.ovsdb-aborted", "Transaction aborted")
