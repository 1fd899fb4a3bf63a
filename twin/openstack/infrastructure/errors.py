"""What libvirt, qemu-img, lvcreate and iscsiadm say when they fail, as the services' own code meets it."""

from __future__ import annotations

from twin.openstack.oslo.exceptions import CloudError

VIR_ERR_INTERNAL_ERROR = 1
VIR_ERR_OPERATION_FAILED = 9
VIR_ERR_XML_ERROR = 27
VIR_ERR_SYSTEM_ERROR = 38
VIR_ERR_RPC = 39
VIR_ERR_NO_DOMAIN = 42
VIR_ERR_OPERATION_INVALID = 55
VIR_ERR_OPERATION_TIMEOUT = 68
VIR_ERR_OPERATION_ABORTED = 78
VIR_ERR_DEVICE_MISSING = 99
"""libvirt's error numbers (virerror.h), as nova compares them."""

REMOTE = (VIR_ERR_SYSTEM_ERROR, VIR_ERR_INTERNAL_ERROR)


class LibvirtError(CloudError):
    """A libvirt call failed (libvirt.libvirtError). `error_code` is libvirt's number.

    `broken` where the connection to the daemon is the reason: nova makes HypervisorUnavailable of these, "Connection to
    the hypervisor is broken on host".
    """

    module = "libvirt"

    def __init__(self, message: str, error_code: int, broken: bool = False) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.broken = broken

    @property
    def kind(self) -> str:
        return "libvirt.libvirtError"


def refused() -> LibvirtError:
    """Nobody listens on libvirt's socket."""
    socket = "/var/run/libvirt/libvirt-sock"
    return LibvirtError(f"Failed to connect socket to '{socket}': Connection refused", VIR_ERR_SYSTEM_ERROR, True)


def reset() -> LibvirtError:
    """The daemon went away during a call."""
    return LibvirtError("Cannot recv data: Connection reset by peer", VIR_ERR_SYSTEM_ERROR, True)


def no_domain(uuid: str, name: str = "") -> LibvirtError:
    """There is no such domain."""
    which = f" ({name})" if name else ""
    return LibvirtError(f"Domain not found: no domain with matching uuid '{uuid}'{which}", VIR_ERR_NO_DOMAIN)


def not_running() -> LibvirtError:
    """The call needs a running domain."""
    return LibvirtError("Requested operation is not valid: domain is not running", VIR_ERR_OPERATION_INVALID)


def gone() -> LibvirtError:
    """The domain's qemu ended while a call waited for it."""
    return LibvirtError("operation failed: domain is no longer running", VIR_ERR_OPERATION_FAILED)


def locked(holder: str) -> LibvirtError:
    """Another call on the domain does not end."""
    text = f"Timed out during operation: cannot acquire state change lock (held by monitor={holder})"
    return LibvirtError(text, VIR_ERR_OPERATION_TIMEOUT)


def no_such_file(path: str) -> LibvirtError:
    """The file of a domain's disk is not there."""
    text = f"Cannot access storage file '{path}' (as uid:64055, gid:109): No such file or directory"
    return LibvirtError(text, VIR_ERR_SYSTEM_ERROR)


def invalid(element: str, value: object) -> LibvirtError:
    """A definition with a value that no domain can have."""
    text = f"XML error: Invalid value '{value}' for element or attribute './{element}[1]'"
    return LibvirtError(text, VIR_ERR_XML_ERROR)


class NoSpaceLeft(CloudError):  # noqa: N818 - it stands for Python's OSError
    """OSError with errno 28: no room on the device."""

    errno = 28

    def __init__(self, path: str) -> None:
        super().__init__(f"[Errno 28] No space left on device: '{path}'")

    @property
    def kind(self) -> str:
        return "OSError"


class ProcessExecutionError(CloudError):
    """A command failed (oslo_concurrency.processutils)."""

    module = "oslo_concurrency.processutils"

    def __init__(self, command: str, exit_code: int, stderr: str, stdout: str = "") -> None:
        super().__init__(
            "Unexpected error while running command.\n"
            f"Command: {command}\nExit code: {exit_code}\nStdout: {stdout!r}\nStderr: {stderr!r}"
        )
        self.command = command
        self.exit_code = exit_code
        self.stdout = stdout
        self.stderr = stderr


class VolumeDeviceNotFound(CloudError):  # noqa: N818 - os_brick's name
    """A connected volume shows no device (os_brick)."""

    module = "os_brick.exception"
    text = "Volume device not found at {device}."


class RbdError(CloudError):
    """A call to Ceph's librbd failed; `name` is the class it is known by (ImageNotFound, OSError …)."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name

    @property
    def kind(self) -> str:
        return f"rbd.{self.name}"
