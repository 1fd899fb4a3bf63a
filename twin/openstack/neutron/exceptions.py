"""What neutron's own code raises and expects, under the names of neutron_lib and neutron."""

from __future__ import annotations

from twin.openstack.oslo.exceptions import CloudError


class NeutronException(CloudError):
    """Base of neutron's exceptions. `kind` is also the type that the API tells the client."""

    module = "neutron_lib.exceptions"


class NotFound(NeutronException):
    """Nothing there by that id."""

    code = 404


class NetworkNotFound(NotFound):
    """Of a network."""

    text = "Network {net_id} could not be found."


class SubnetNotFound(NotFound):
    """Of a subnet."""

    text = "Subnet {subnet_id} could not be found."


class PortNotFound(NotFound):
    """Of a port."""

    text = "Port {port_id} could not be found."


class RouterNotFound(NotFound):
    """Of a router."""

    module = "neutron_lib.exceptions.l3"
    text = "Router {router_id} could not be found"


class FloatingIPNotFound(NotFound):
    """Of a floating IP."""

    module = "neutron_lib.exceptions.l3"
    text = "Floating IP {floatingip_id} could not be found"


class RouterInterfaceNotFoundForSubnet(NotFound):
    """A router has no interface there."""

    module = "neutron_lib.exceptions.l3"
    text = "Router {router_id} has no interface on subnet {subnet_id}"


class SecurityGroupNotFound(NotFound):
    """Of a security group."""

    module = "neutron.extensions.securitygroup"
    text = "Security group {id} does not exist"


class ExternalGatewayForFloatingIPNotFound(NotFound):
    """No router leads from the port's subnet to the external network."""

    module = "neutron_lib.exceptions.l3"
    text = (
        "External network {external_network_id} is not reachable from subnet {subnet_id}.  "
        "Therefore, cannot associate Port {port_id} with a Floating IP."
    )


class BadRequest(NeutronException):
    """What the client asks for cannot be."""

    code = 400
    text = "Bad {resource} request: {msg}."


class InvalidInput(NeutronException):
    """A value that cannot be."""

    code = 400
    text = "Invalid input for operation: {error_message}."


class Conflict(NeutronException):
    """It is in use, or there is no more of it."""

    code = 409


class NetworkInUse(Conflict):
    """A network with ports is not deleted."""

    text = "Unable to complete operation on network {net_id}. There are one or more ports still in use on the network."


class SubnetInUse(Conflict):
    """A subnet with ports is not deleted."""

    text = (
        "Unable to complete operation on subnet {subnet_id}: One or more ports have an IP allocation from this subnet."
    )


class PortInUse(Conflict):
    """A port belongs to somebody."""

    text = "Unable to complete operation on port {port_id} for network {net_id}. Port already has an attached device."


class ServicePortInUse(Conflict):
    """A port of a router is deleted by way of the router only."""

    text = "Port {port_id} cannot be deleted directly via the port API: {reason}."


class RouterInUse(Conflict):
    """A router with ports is not deleted."""

    module = "neutron_lib.exceptions.l3"
    text = "Router {router_id} still has ports"


class RouterInterfaceInUseByFloatingIP(Conflict):
    """An interface that floating IPs need is not removed."""

    module = "neutron_lib.exceptions.l3"
    text = (
        "Router interface for subnet {subnet_id} on router {router_id} cannot be deleted, "
        "as it is required by one or more floating IPs."
    )


class FloatingIPPortAlreadyAssociated(Conflict):
    """A port has one floating IP for an address."""

    module = "neutron_lib.exceptions.l3"
    text = (
        "Cannot associate floating IP {floating_ip_address} ({fip_id}) with port {port_id} using fixed IP {fixed_ip}, "
        "as that fixed IP already has a floating IP on external network {net_id}."
    )


class OverQuota(Conflict):
    """A project has all that it may."""

    text = "Quota exceeded for resources: {overs}."


class IpAddressGenerationFailure(Conflict):
    """A subnet has no address left."""

    text = "No more IP addresses available on network {net_id}."


class NoNetworkAvailable(Conflict):
    """No segmentation id is left."""

    text = "Unable to create the network. No tenant network is available for allocation."


class MechanismDriverError(NeutronException):
    """A mechanism driver failed."""

    module = "neutron.plugins.ml2.common.exceptions"
    text = "{method} failed."


class CallbackFailure(NeutronException):
    """Somebody who had asked to be called raised, before the thing was done."""

    module = "neutron_lib.callbacks.exceptions"
    text = "Callback {callback} failed with {error!r}"


class MappingNotFound(NeutronException):
    """The Open vSwitch agent has no local VLAN for a network."""

    module = "neutron.plugins.ml2.drivers.openvswitch.agent.vlanmanager"
    text = "Mapping for network {net_id} and segmentation id {seg_id} not found."


class VifIdNotFound(NeutronException):
    """The Open vSwitch agent has bound no such port."""

    module = "neutron.plugins.ml2.drivers.openvswitch.agent.vlanmanager"
    text = "VIF ID {vif_id} not found in any network managed by VLAN Manager"


class PortBindingNotFound(NotFound):
    """A port has no active binding."""

    text = "Binding for port {port_id} could not be found."


class SecurityGroupInUse(Conflict):
    """A port is in the group."""

    module = "neutron.extensions.securitygroup"
    text = "Security Group {id} {reason}."
