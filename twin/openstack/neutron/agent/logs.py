"""The log statements of neutron's agents: DHCP, L3, metadata and Open vSwitch.

Source: neutron 21.2 (Zed).
"""

from __future__ import annotations

from collections.abc import Iterable

from twin.telemetry.lines.oslo import Logger


def as_set(ids: Iterable[str]) -> str:
    """Ids as Python prints a set of them, in one order: a real set's is another in each process."""
    return f"{{{', '.join(map(repr, sorted(ids)))}}}"


_DHCP = Logger("neutron.agent.dhcp.agent")
_DNSMASQ = Logger("neutron.agent.linux.dhcp")
_PROCESSES = Logger("neutron.agent.linux.external_process")
_L3 = Logger("neutron.agent.l3.agent")
_ROUTER = Logger("neutron.agent.l3.router_info")
_METADATA = Logger("neutron.agent.metadata.agent")
_OVS = Logger("neutron.plugins.ml2.drivers.openvswitch.agent.ovs_neutron_agent")
_SECURITY = Logger("neutron.agent.securitygroups_rpc")
_AGENT_RPC = Logger("neutron.agent.rpc")
_LIB_RPC = Logger("neutron_lib.rpc")

# --- DHCP agent ----------------------------------------------------------------------------------------------------

DHCP_STARTED = _DHCP.info("agent.dhcp-started", "DHCP agent started")
DHCP_SYNCING = _DHCP.info("agent.dhcp-syncing", "Synchronizing state")
DHCP_SYNC_FETCHED = _DHCP.info("agent.dhcp-sync-fetched", "All active networks have been fetched through RPC.")
DHCP_SYNC_COMPLETE = _DHCP.info("agent.dhcp-sync-complete", "Synchronizing state complete")
DHCP_SYNC_FAILED = _DHCP.error("agent.dhcp-sync-failed", "Unable to sync network state.: {!s}")
DHCP_SYNC_FAILED_FOR = _DHCP.error(
    "agent.dhcp-sync-failed-for", "Unable to sync network state on deleted network {}: {!s}"
)
DHCP_DRIVER_FAILED = _DHCP.error("agent.dhcp-driver-failed", "Unable to {} dhcp for {}.: {!s}")
DHCP_CONFIGURING = _DHCP.info("agent.dhcp-configuring", "Starting network {} dhcp configuration")
DHCP_CONFIGURED = _DHCP.info("agent.dhcp-configured", "Finished network {} dhcp configuration")
DHCP_NETWORK_MAYBE_GONE = _DHCP.warning(
    "agent.dhcp-network-maybe-gone",
    "Network {} may have been deleted and its resources may have already been disposed.: {!s}",
)
DHCP_INFO_FAILED = _DHCP.error("agent.dhcp-info-failed", "Network {} info call failed.: {!s}")
DHCP_RELOAD = _DHCP.info("agent.dhcp-reload", "Trigger reload_allocations for port {} on network {}")
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
DNSMASQ_RELOADING = _DNSMASQ.debug("agent.dnsmasq-reloading", "Reloading allocations for network: {}")
PROCESS_DIED = _PROCESSES.error(
    "agent.process-died", "{} for {} with uuid {} not found. The process should not have died"
)
PROCESS_RESPAWNING = _PROCESSES.warning("agent.process-respawning", "Respawning {} for uuid {}")

# --- L3 agent ------------------------------------------------------------------------------------------------------

L3_STARTED = _L3.info("agent.l3-started", "L3 agent started")
L3_STOPPING = _L3.info("agent.l3-stopping", "Stopping L3 agent")
L3_SYNC_FAILED = _L3.error("agent.l3-sync-failed", "Failed synchronizing routers '{}' due to RPC error: {!s}")
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
L3_UPDATE_FAILED = _L3.error("agent.l3-update-failed", "Failed to process compatible router: {}: {!s}")
L3_INFO_FAILED = _L3.error("agent.l3-info-failed", "Failed to fetch router information for '{}': {!s}")
L3_DELETE_FAILED = _L3.error("agent.l3-delete-failed", "Error while deleting router {}: {!s}")
L3_RETRY_LIMIT = _L3.warning("agent.l3-retry-limit", "Hit retry limit with router update for {}, action {}")
L3_REVIVED = _L3.info("agent.l3-revived", "Agent has just been revived. Doing a full sync.")
L3_REPORT_FAILED = _L3.error("agent.l3-report-failed", "Failed reporting state!: {!s}")
L3_REPORT_RECOVERED = _L3.info("agent.l3-report-recovered", "Successfully reported state after a previous failure.")
ROUTER_PROCESSING = _ROUTER.debug("agent.router-processing", "Process updates, router {}")
ROUTER_FLOATING_IPS_FAILED = _ROUTER.error("agent.router-floating-ips-failed", "Failed to process floating IPs.: {!s}")

# --- metadata agent ------------------------------------------------------------------------------------------------

METADATA_FAILED = _METADATA.error("agent.metadata-failed", "Unexpected error.: {!s}")
METADATA_REPORT_FAILED = _METADATA.error("agent.metadata-report-failed", "Failed reporting state!: {!s}")
METADATA_REPORT_RECOVERED = _METADATA.info(
    "agent.metadata-report-recovered", "Successfully reported state after a previous failure."
)
METADATA_ACCESS = Logger("eventlet.wsgi.server").info(
    "agent.metadata-access", '{},<local> "{} {} HTTP/1.1" status: {}  len: {} time: {:.7f}'
)

# --- Open vSwitch agent: start-up and the server -------------------------------------------------------------------

OVS_INITIALIZED = _OVS.info("agent.ovs-initialized", "Agent initialized successfully, now running... ")
OVS_REVIVED = _OVS.info("agent.ovs-revived", "Agent has just been revived. Doing a full sync.")
OVS_REPORT_FAILED = _OVS.error("agent.ovs-report-failed", "Failed reporting state!: {!s}")
OVS_REPORT_RECOVERED = _OVS.info("agent.ovs-report-recovered", "Successfully reported state after a previous failure.")
OVS_RESTARTED = _OVS.warning(
    "agent.ovs-restarted", "OVS is restarted. OVSNeutronAgent will reset bridges and recover ports."
)
OVS_SIGTERM = _OVS.info("agent.ovs-sigterm", "Agent caught SIGTERM, quitting daemon loop.")
OVS_TUNNEL_SYNC_FAILED = _OVS.error("agent.ovs-tunnel-sync-failed", "Error while configuring tunnel endpoints: {!s}")

# --- Open vSwitch agent: the loop ----------------------------------------------------------------------------------

OVS_LOOP_POLLING = _OVS.info(
    "agent.ovs-loop-polling", "Agent rpc_loop - iteration:{} - starting polling. Elapsed:{:.3f}"
)
OVS_LOOP_PORT_INFO = _OVS.info(
    "agent.ovs-loop-port-info", "Agent rpc_loop - iteration:{} - port information retrieved. Elapsed:{:.3f}"
)
OVS_LOOP_PROCESSED = _OVS.info(
    "agent.ovs-loop-processed", "Agent rpc_loop - iteration:{} - ports processed. Elapsed:{:.3f}"
)
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

OVS_PORT_UPDATED = _OVS.info("agent.ovs-port-updated", "Port {} updated. Details: {}")
OVS_PORT_NOT_DEFINED = _OVS.warning("agent.ovs-port-not-defined", "Device {} not defined on plugin or binding failed")
OVS_PORT_NOT_ON_BRIDGE = _OVS.info(
    "agent.ovs-port-not-on-bridge",
    "Port {} was not found on the integration bridge and will therefore not be processed",
)
OVS_PORTS_REMOVED = _OVS.info("agent.ovs-ports-removed", "Ports {} removed")
OVS_PORTS_SKIPPED = _OVS.info("agent.ovs-ports-skipped", "Ports {} skipped, changing status to down")
OVS_PORTS_CONFIGURED = _OVS.info(
    "agent.ovs-ports-configured", "Configuration for devices up {} and devices down {} completed."
)
OVS_PORTS_CONFIGURE_FAILED = _OVS.error("agent.ovs-ports-configure-failed", "Configuration for devices {} failed!")
OVS_VLAN_ASSIGNED = _OVS.info("agent.ovs-vlan-assigned", "Assigning {} as local vlan for net-id={}, seg-id={}")
OVS_NO_VLAN = _OVS.error("agent.ovs-no-vlan", "No local VLAN available for net-id={}")
OVS_VLAN_UNMANAGED = _OVS.info("agent.ovs-vlan-unmanaged", "net_uuid {} not managed by VLAN manager")
OVS_VLAN_RECLAIMED = _OVS.info("agent.ovs-vlan-reclaimed", "Reclaiming vlan = {} from net-id = {}, seg-id = {}")
OVS_FLOWS_CLEANED = _OVS.info("agent.ovs-flows-cleaned", "Cleaning stale {} flows")
SG_MEMBER_UPDATED = _SECURITY.info("agent.sg-member-updated", "Security group member updated {}")
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
