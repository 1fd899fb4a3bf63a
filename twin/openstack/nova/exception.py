"""Nova's exceptions, by their real names; texts as nova/exception.py has them."""

from __future__ import annotations

from twin.openstack.oslo.exceptions import CloudError


class NovaException(CloudError):
    """The base of nova's own errors."""

    module = "nova.exception"
    text = "An unknown exception occurred."


class NotFound(NovaException):
    code = 404
    text = "Resource could not be found."


class InstanceNotFound(NotFound):
    text = "Instance {instance_id} could not be found."


class ImageNotFound(NotFound):
    text = "Image {image_id} could not be found."


class FlavorNotFound(NotFound):
    text = "Flavor {flavor_id} could not be found."


class NetworkNotFound(NotFound):
    text = "Network {network_id} could not be found."


class PortNotFound(NotFound):
    text = "Port id {port_id} could not be found."


class VolumeNotFound(NotFound):
    text = "Volume {volume_id} could not be found."


class VolumeAttachmentNotFound(NotFound):
    text = "Volume attachment {attachment_id} could not be found."


class ComputeHostNotFound(NotFound):
    text = "Compute host {host} could not be found."


class SecurityGroupNotFound(NotFound):
    text = "Security group {security_group_id} not found."


class KeypairNotFound(NotFound):
    text = "Keypair {name} not found for user {user_id}"


class Invalid(NovaException):
    code = 400
    text = "Bad Request - Invalid Parameters"


class ImageUnacceptable(Invalid):
    text = "Image {image_id} is unacceptable: {reason}"


class InvalidVolume(Invalid):
    text = "Invalid volume: {reason}"


class InvalidBDM(Invalid):
    text = "Block Device Mapping is Invalid."


class ImageNotActive(Invalid):
    text = "Image {image_id} is not active."


class InstanceNotReady(Invalid):
    code = 409
    text = "Instance {instance_id} is not ready"


class InstanceInvalidState(Invalid):
    code = 409
    text = "Instance {instance_uuid} in {attr} {state}. Cannot {method} while the instance is in this state."


class FlavorDiskSmallerThanImage(Invalid):
    text = (
        "Flavor's disk is too small for requested image. Flavor disk is {flavor_size} bytes, image is {image_size} "
        "bytes."
    )


class CannotResizeToSameFlavor(Invalid):
    text = "When resizing, instances must change flavor!"


class QuotaError(NovaException):
    code = 403
    text = "Quota exceeded: code={code}"


class TooManyInstances(QuotaError):
    text = "Quota exceeded for {overs}: Requested {req}, but already used {used} of {allowed} {overs}"


class NoMoreFixedIps(NovaException):
    text = "No fixed IP addresses available for network: {net}"


class PortLimitExceeded(QuotaError):
    text = "Maximum number of ports exceeded"


class KeyPairExists(NovaException):
    code = 409
    text = "Key pair '{key_name}' already exists."


class NoValidHost(NovaException):
    text = "No valid host was found. {reason}"


class MaxRetriesExceeded(NoValidHost):
    text = "Exceeded maximum number of retries. {reason}"


class ComputeResourcesUnavailable(NovaException):
    text = "Insufficient compute resources: {reason}."


class ComputeServiceUnavailable(NovaException):
    text = "Compute service of {host} is unavailable at this time."


class ComputeServiceInUse(NovaException):
    text = "Compute service of {host} is still in use."


class HypervisorUnavailable(NovaException):
    text = "Connection to the hypervisor is broken on host"


class GlanceConnectionFailed(NovaException):
    text = "Connection to glance host {server} failed: {reason}"


class RescheduledException(NovaException):
    text = "Build of instance {instance_uuid} was re-scheduled: {reason}"


class BuildAbortException(NovaException):
    text = "Build of instance {instance_uuid} aborted: {reason}"


class VirtualInterfaceCreateException(NovaException):
    text = "Virtual Interface creation failed"


class VirtualInterfacePlugException(NovaException):
    text = "Virtual interface plugin failed"


class PortBindingFailed(NovaException):
    text = "Binding failed for port {port_id}, please check neutron logs for more information."


class InterfaceAttachFailed(NovaException):
    text = "Failed to attach network adapter device to {instance_uuid}"


class UnexpectedTaskStateError(NovaException):
    text = "Conflict updating instance {instance_uuid}. Expected: {expected}. Actual: {actual}"


class UnexpectedDeletingTaskStateError(UnexpectedTaskStateError):
    """The instance is being deleted meanwhile."""


class MigrationPreCheckError(NovaException):
    code = 400
    text = "Migration pre-check error: {reason}"


class MigrationNotFoundByStatus(NotFound):
    text = "Migration not found for instance {instance_id} with status {status}."


class ServiceUnavailable(Invalid):
    code = 409
    text = "Service is unavailable at this time."


class MigrationError(NovaException):
    text = "Migration error: {reason}"


class InstanceFaultRollback(NovaException):
    text = "Instance rollback performed due to: {reason}"


class ResizeError(NovaException):
    text = "Resize error: {reason}"


class InstancePowerOffFailure(NovaException):
    text = "Failed to power off instance: {reason}"


class VolumeDeviceNotFound(NotFound):
    text = "Volume device not found at {device}."


class VolumeBDMNotFound(NotFound):
    text = "No volume Block Device Mapping with id {volume_id}."


class AllocationMoveFailed(NovaException):
    text = "Failed to move allocations for consumer {source_consumer} to new consumer {target_consumer}."


class ResourceProviderAllocationRetrievalFailed(NovaException):
    text = "Failed to retrieve allocations for resource provider {rp_uuid}: {error}"
