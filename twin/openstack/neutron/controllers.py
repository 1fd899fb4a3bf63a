"""neutron.pecan_wsgi: the API layer over the plugins, with what happens before and after each request."""

from __future__ import annotations

from typing import Any

from twin.mechanics import neutron as facts
from twin.openstack.neutron import callbacks
from twin.openstack.neutron import exceptions as errors
from twin.openstack.neutron.callbacks import CallbacksManager
from twin.openstack.neutron.tables import NeutronTables, Row
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps

RESOURCES = ("network", "subnet", "port", "router", "floatingip", "security_group", "security_group_rule")


class QuotaEnforcementHook(Flow):
    """Before a creation: whether the project may have one more."""

    source = "neutron.pecan_wsgi.hooks.quota_enforcement"

    def __init__(self, service: Service, tables: NeutronTables) -> None:
        super().__init__(service)
        self.tables = tables

    def before(self, context: Context, resource: str, project: str, delta: int = 1) -> Steps:
        """Raises OverQuota."""
        yield from self.think(context, facts.QUOTA.python)
        self.make_reservation(context, project, resource, delta)

    def make_reservation(self, context: Context, project: str, resource: str, delta: int) -> None:
        """Count what there is against the limit."""
        limit = self.tables.quotas[resource]
        used = self.tables.usage.get((project, resource), 0)
        if used + delta > limit >= 0:
            raise errors.OverQuota(overs=[resource])


class NotifierHook(Flow):
    """After a request: whoever wants to know before the client has its answer."""

    source = "neutron.pecan_wsgi.hooks.notifier"

    def __init__(self, service: Service, registry: CallbacksManager) -> None:
        super().__init__(service)
        self.registry = registry

    def after(self, context: Context, action: str, resource: str, original: Row, data: Row) -> Steps:
        """Publish BEFORE_RESPONSE."""
        self.notify(context, f"{resource}.{action}.end")
        yield from self.registry.publish(
            context, resource, callbacks.BEFORE_RESPONSE, action=f"{action}_{resource}", original=original, data=data
        )


class CollectionsController(Flow):
    """`/v2.0/ports`: creation and lists."""

    source = "neutron.pecan_wsgi.controllers.resource"

    def __init__(self, service: Service, plugins: dict[str, Flow], quotas: QuotaEnforcementHook, after: NotifierHook):
        super().__init__(service)
        self.plugins = plugins
        self.quota_enforcement = quotas
        self.notifier_hook = after

    def create(self, context: Context, resource: str, data: Row) -> Steps:
        """POST: the new resource."""
        yield from self.quota_enforcement.before(context, resource, data["project_id"])
        result = yield from self.plugin_creator(context, resource, data)
        yield from self.notifier_hook.after(context, "create", resource, {}, result)
        return result

    def plugin_creator(self, context: Context, resource: str, data: Row) -> Steps:
        """`create_port` of the plugin."""
        creator = getattr(self.plugins[resource], f"create_{resource}")
        return (yield from creator(context, data))

    def get(self, context: Context, resource: str, filters: dict[str, Any]) -> Steps:
        """GET: a list."""
        return (yield from self.plugin_lister(context, resource, filters))

    def plugin_lister(self, context: Context, resource: str, filters: dict[str, Any]) -> Steps:
        """`get_ports` of the plugin."""
        lister = getattr(self.plugins[resource], f"get_{resource}s")
        return (yield from lister(context, filters))


class ItemController(Flow):
    """`/v2.0/ports/ID`: one resource."""

    source = "neutron.pecan_wsgi.controllers.resource"

    def __init__(self, service: Service, plugins: dict[str, Flow], tables: NeutronTables, after: NotifierHook) -> None:
        super().__init__(service)
        self.plugins = plugins
        self.tables = tables
        self.notifier_hook = after

    def get(self, context: Context, resource: str, item: str) -> Steps:
        """GET: the resource."""
        return (yield from self.plugin_shower(context, resource, item))

    def plugin_shower(self, context: Context, resource: str, item: str) -> Steps:
        """`get_port` of the plugin."""
        shower = getattr(self.plugins[resource], f"get_{resource}")
        return (yield from shower(context, item))

    def put(self, context: Context, resource: str, item: str, data: Row) -> Steps:
        """PUT: the resource as it then is."""
        original = self._original(resource, item)
        result = yield from self.plugin_updater(context, resource, item, data)
        yield from self.notifier_hook.after(context, "update", resource, original, result)
        return result

    def plugin_updater(self, context: Context, resource: str, item: str, data: Row) -> Steps:
        """`update_port` of the plugin."""
        updater = getattr(self.plugins[resource], f"update_{resource}")
        return (yield from updater(context, item, data))

    def delete(self, context: Context, resource: str, item: str) -> Steps:
        """DELETE."""
        original = self._original(resource, item)
        yield from self.plugin_deleter(context, resource, item)
        yield from self.notifier_hook.after(context, "delete", resource, original, original)

    def plugin_deleter(self, context: Context, resource: str, item: str) -> Steps:
        """`delete_port` of the plugin."""
        deleter = getattr(self.plugins[resource], f"delete_{resource}")
        return (yield from deleter(context, item))

    def _original(self, resource: str, item: str) -> Row:
        row = self.tables.ports.get(item) if resource == "port" else self.tables.floating_ips.get(item)
        return {} if row is None else row.show()
