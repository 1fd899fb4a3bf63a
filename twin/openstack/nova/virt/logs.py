"""The log statements of nova's libvirt driver and its image cache."""

from __future__ import annotations

from twin.telemetry.lines.oslo import statement
from twin.telemetry.records import Level

INFO, WARNING = Level.INFO, Level.WARNING

_LIBVIRT = "nova.virt.libvirt.driver"
_CACHE = "nova.virt.libvirt.imagecache"
LOADING_DRIVER = statement(
    "compute.loading", INFO, "nova.virt.driver", "Loading compute driver 'libvirt.LibvirtDriver'"
)
LIBVIRT_CONNECTED = statement("compute.libvirt", INFO, _LIBVIRT, "Connection event '1' reason 'None'")
CREATING_IMAGE = statement("build.image", INFO, _LIBVIRT, "Creating image")
SPAWNED = statement("build.spawned", INFO, _LIBVIRT, "Instance spawned successfully.")
VIF_TIMEOUT = statement(
    "build.vif-timeout",
    WARNING,
    _LIBVIRT,
    "Timeout waiting for [('network-vif-plugged', '{}')] for instance with vm_state building and task_state spawning. "
    "Event states are: network-vif-plugged: timed out after {:.2f} seconds: eventlet.timeout.Timeout: 300 seconds",
)
DESTROYED = statement("delete.destroyed", INFO, _LIBVIRT, "Instance destroyed successfully.")
DELETING_FILES = statement("delete.files", INFO, _LIBVIRT, "Deleting instance files /var/lib/nova/instances/{}_del")
DELETED_FILES = statement("delete.done", INFO, _LIBVIRT, "Deletion of /var/lib/nova/instances/{}_del complete")
IMAGE_CHECKING = statement("cache.checking", INFO, _CACHE, "image {} at ({}): checking")
IMAGE_IN_USE = statement(
    "cache.in-use",
    INFO,
    _CACHE,
    "image {} at ({}): in use: on this node {} local, 0 on other nodes sharing this instance storage",
)
IMAGE_UNKNOWN = statement("cache.unknown", WARNING, _CACHE, "Unknown base file: {}")
IMAGE_ACTIVE = statement("cache.active", INFO, _CACHE, "Active base files: {}")
IMAGE_REMOVABLE = statement("cache.removable", INFO, _CACHE, "Removable base files: {}")
IMAGE_YOUNG = statement("cache.young", INFO, _CACHE, "Base or swap file too young to remove: {}")
