"""oslo.privsep under nova-compute: daemons that do root's work, one for each set of rights, started at first use."""

from __future__ import annotations

from twin.openstack.nova.virt import logs
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.service import Service

SYS_ADMIN, VIF_PLUG = "nova.privsep.sys_admin_pctxt", "vif_plug_ovs.privsep.vif_plug"
CAPABILITIES = {
    SYS_ADMIN: "CAP_CHOWN|CAP_DAC_OVERRIDE|CAP_DAC_READ_SEARCH|CAP_FOWNER|CAP_NET_ADMIN|CAP_SYS_ADMIN",
    VIF_PLUG: "CAP_NET_ADMIN",
}
"""Rights of each context (a recorded devstack)."""


class Privsep:
    """The daemons of one process. Those of a cloud that runs since long were started before the beginning."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._running: set[str] = set()

    def forget(self) -> None:
        """The process is new."""
        self._running = set(CAPABILITIES) if self.service.world.now == 0 else set()

    def enter(self, context: Context, name: str) -> None:
        """Work with the rights of a context, whose daemon is started unless it runs."""
        if name in self._running:
            return
        self._running.add(name)
        service = self.service
        key = (service.name, service.pid, name)
        folder = service.world.streams["privsep/socket"].hexadecimal(8, *key)
        config = ["--config-file", "/etc/nova/nova.conf"]
        privileges = ["--privsep_context", name, "--privsep_sock_path", f"/tmp/tmp{folder}/privsep.sock"]
        helper = ["sudo", "nova-rootwrap", "/etc/nova/rootwrap.conf", "privsep-helper", *config, *privileges]
        service.say(logs.PRIVSEP_RUNNING, context, helper)
        service.say(logs.PRIVSEP_SPAWNED, context)
        service.say(logs.PRIVSEP_STARTING, None)
        service.say(logs.PRIVSEP_UID, None, 0, 0)
        service.say(logs.PRIVSEP_CAPABILITIES, None, CAPABILITIES[name])
        service.say(logs.PRIVSEP_PID, None, service.world.streams["privsep/pid"].integer(1000, 32000, *key))
