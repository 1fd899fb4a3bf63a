"""neutron.db.securitygroups_db: security groups, their rules, and which groups a port is in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twin.mechanics import neutron as facts
from twin.openstack.neutron import callbacks
from twin.openstack.neutron import exceptions as errors
from twin.openstack.neutron.callbacks import CallbacksManager
from twin.openstack.neutron.tables import NeutronTables, Port, Row, SecurityGroup
from twin.openstack.oslo.context import Context, fresh_id
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps

DEFAULT_SG = "default"


class SecurityGroupDbMixin(Flow):
    """Security groups of projects. The group `default` is made when a project first needs it."""

    source = "neutron.db.securitygroups_db"

    def __init__(self, service: Service, tables: NeutronTables, registry: CallbacksManager) -> None:
        super().__init__(service)
        self.tables = tables
        self.registry = registry

    def _generate(self, context: Context, kind: str) -> str:
        """A fresh uuid."""
        return fresh_id(self.world, context, kind)

    # --- groups --------------------------------------------------------------------------------------------------

    def create_security_group(self, context: Context, security_group: Row, default_sg: bool = False) -> Steps:
        """Insert a group with the rules that every group has."""
        if not default_sg:
            yield from self._ensure_default_security_group(context, security_group["project_id"])
        work = facts.API["create_security_group"]
        yield from self.think(context, work.python)
        yield from self.sql(context, work.statements, write=True)
        group = SecurityGroup(
            self._generate(context, "security-group"), security_group["name"], security_group["project_id"]
        )
        group.rules.append(self._make_rule(group, "egress", None, None, None))
        if default_sg:
            group.rules.append(self._make_rule(group, "ingress", None, None, group.id))
            self.tables.default_groups[group.project_id] = group.id
        self.tables.security_groups[group.id] = group
        self.tables.count(group.project_id, "security_group", 1)
        result = group.show()
        yield from self.registry.publish(context, "security_group", callbacks.AFTER_CREATE, security_group=result)
        return result

    def _ensure_default_security_group(self, context: Context, tenant_id: str) -> Steps:
        """The id of a project's default group."""
        existing = self._get_default_sg_id(context, tenant_id)
        if existing is not None:
            return existing
        group = yield from self.create_security_group(
            context, {"name": DEFAULT_SG, "project_id": tenant_id}, default_sg=True
        )
        return group["id"]

    def _get_default_sg_id(self, context: Context, tenant_id: str) -> str | None:
        return self.tables.default_groups.get(tenant_id)

    def _get_security_group(self, context: Context, id: str) -> SecurityGroup:
        group = self.tables.security_groups.get(id)
        if group is None:
            raise errors.SecurityGroupNotFound(id=id)
        return group

    def get_security_group(self, context: Context, id: str) -> Steps:
        """Raises SecurityGroupNotFound."""
        yield from self.service.work(context, facts.API["show"])
        return self._get_security_group(context, id).show()

    def delete_security_group(self, context: Context, id: str) -> Steps:
        """Raises SecurityGroupInUse."""
        work = facts.API["delete_security_group"]
        yield from self.think(context, work.python)
        group = self._get_security_group(context, id)
        self._ensure_not_in_use(context, id)
        yield from self.sql(context, work.statements, write=True)
        if self.tables.security_groups.pop(id, None) is not None:
            self.tables.count(group.project_id, "security_group", -1)
            yield from self.registry.publish(
                context, "security_group", callbacks.AFTER_DELETE, security_group=group.show()
            )

    def _ensure_not_in_use(self, context: Context, id: str) -> None:
        if any(id in port.security_groups for port in self.tables.ports.values()):
            raise errors.SecurityGroupInUse(id=id, reason="in use")

    def get_security_groups(self, context: Context, filters: Mapping[str, Any]) -> Steps:
        """Groups with these attributes; of the project that asks, unless an id is named."""
        yield from self.service.work(context, facts.API["index"])
        if isinstance(filters.get("id"), list):
            known = self.tables.security_groups
            return [known[group].show() for group in filters["id"] if group in known]
        if "id" in filters:
            found = self.tables.security_groups.get(filters["id"])
            return [] if found is None else [found.show()]
        return [
            group.show()
            for group in self.tables.security_groups.values()
            if group.project_id == context.request.project
            and all(getattr(group, name) == value for name, value in filters.items())
        ]

    # --- rules ---------------------------------------------------------------------------------------------------

    def create_security_group_rule(self, context: Context, security_group_rule: Row) -> Steps:
        """Let packets in. Raises SecurityGroupNotFound."""
        work = facts.API["create_security_group_rule"]
        yield from self.think(context, work.python)
        group = self._get_security_group(context, security_group_rule["security_group_id"])
        rule = self._make_rule(
            group, "ingress", security_group_rule["protocol"], security_group_rule["port_range_min"], None
        )
        yield from self.sql(context, work.statements, write=True)
        group.rules.append(rule)
        yield from self.registry.publish(
            context, "security_group_rule", callbacks.AFTER_CREATE, security_group_rule=rule
        )
        return rule

    def _make_rule(
        self, group: SecurityGroup, direction: str, protocol: str | None, port: int | None, remote: str | None
    ) -> Row:
        return {
            "id": self.world.streams["openstack/security-group-rule"].uuid(
                group.id, direction, protocol or "", port or 0, remote or "", len(group.rules)
            ),
            "security_group_id": group.id,
            "project_id": group.project_id,
            "direction": direction,
            "protocol": protocol,
            "port_range_min": port,
            "port_range_max": port,
            "remote_group_id": remote,
        }

    # --- ports ---------------------------------------------------------------------------------------------------

    def _get_security_groups_on_port(self, context: Context, port: Row) -> list[str]:
        """The groups that a request names. Raises SecurityGroupNotFound."""
        groups = port.get("security_groups")
        if not groups:
            return []
        for group in groups:
            self._get_security_group(context, group)
        return list(groups)

    def _process_port_create_security_group(self, context: Context, port: Port, security_group_ids: list[str]) -> None:
        for security_group_id in security_group_ids:
            self._create_port_security_group_binding(context, port, security_group_id)

    def _create_port_security_group_binding(self, context: Context, port: Port, security_group_id: str) -> None:
        port.security_groups.append(security_group_id)

    def _ensure_default_security_group_on_port(self, context: Context, port: Row) -> Steps:
        """A port of a tenant that names no group is in the default one."""
        if port["device_owner"].startswith("network:"):
            return
        default_group_id = yield from self._ensure_default_security_group(context, port["project_id"])
        if not port.get("security_groups"):
            port["security_groups"] = [default_group_id]
