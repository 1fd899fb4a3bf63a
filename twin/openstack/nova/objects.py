"""Nova's objects: how servers are read from and written to the database, directly or through nova-conductor."""

from __future__ import annotations

from typing import Any

from twin.openstack.migrations import Migration
from twin.openstack.nova.exception import (
    ComputeHostNotFound,
    InstanceNotFound,
    UnexpectedDeletingTaskStateError,
    UnexpectedTaskStateError,
)
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Steps
from twin.openstack.tables import Server

ANY: Any = object()
"""Whatever the task state is."""
READ, WRITE, CREATE, DESTROY = 2, 2, 20, 8
"""Statements of a read, a save, an insert and a delete of a server (assumed)."""


class Instances(Flow):
    """nova.objects.Instance for the services that reach the database themselves."""

    source = "nova.objects.instance"

    def get_by_uuid(self, context: Context, instance_uuid: str) -> Steps:
        """The row. Raises InstanceNotFound."""
        yield from self.sql(context, READ)
        server = self.site.tables.servers.get(instance_uuid)
        if server is None:
            raise InstanceNotFound(instance_id=instance_uuid)
        return server

    def create(self, context: Context, server: Server) -> Steps:
        """Insert the row."""
        yield from self.sql(context, CREATE, write=True)
        self.site.tables.add(server)

    def save(self, context: Context, server: Server, expected_task_state: Any = ANY, **changes: Any) -> Steps:
        """Write changes of columns. Raises InstanceNotFound, UnexpectedTaskStateError."""
        yield from self.sql(context, WRITE, write=True)
        self._write(server, expected_task_state, changes)

    def destroy(self, context: Context, server: Server) -> Steps:
        """Delete the row."""
        yield from self.sql(context, DESTROY, write=True)
        self.site.tables.remove(server)

    def get_by_host(self, context: Context, host: str) -> Steps:
        """The servers of a host."""
        yield from self.sql(context, READ)
        return self.site.tables.on(host)

    def get_compute_node(self, context: Context, host: str) -> Steps:
        """The row of a host."""
        yield from self.sql(context, READ)
        return self.site.tables.providers.get(host)

    def get_service(self, context: Context, name: str) -> Steps:
        """The row of a service. Raises ComputeHostNotFound."""
        yield from self.sql(context, READ)
        row = self.site.tables.services.get(name)
        if row is None:
            raise ComputeHostNotFound(host=name)
        return row

    def save_service(self, context: Context, name: str, disabled: bool, disabled_reason: str) -> Steps:
        """Write whether a service takes work, and why not."""
        yield from self.sql(context, WRITE, write=True)
        row = self.site.tables.services[name]
        row.disabled, row.disabled_reason = disabled, disabled_reason

    def add_fault(self, context: Context, server: Server, error: BaseException) -> Steps:
        """Keep an error's text for the user (`instance_faults`)."""
        yield from self.sql(context, WRITE, write=True)
        server.fault = str(error) or type(error).__name__

    # --- nova.objects.Migration -------------------------------------------------------------------------------

    def create_migration(self, context: Context, migration: Migration) -> Steps:
        """Insert a row of a move."""
        yield from self.sql(context, WRITE, write=True)
        self.site.tables.migrations.add(migration)

    def save_migration(self, context: Context, migration: Migration, **changes: Any) -> Steps:
        """Write changes of columns of a move."""
        yield from self.sql(context, WRITE, write=True)
        for column, value in changes.items():
            setattr(migration, column, value)

    def get_evacuations(self, context: Context, host: str) -> Steps:
        """The evacuations from a host that it has not cleaned up after."""
        yield from self.sql(context, READ)
        return self.site.tables.migrations.evacuated_from(host)

    def _write(self, server: Server, expected_task_state: Any, changes: dict[str, Any]) -> None:
        if server.uuid not in self.site.tables.servers:
            raise InstanceNotFound(instance_id=server.uuid)
        if expected_task_state is not ANY:
            expected = expected_task_state if isinstance(expected_task_state, tuple) else (expected_task_state,)
            if server.task_state not in expected:
                deleting = server.task_state == "deleting"
                kind = UnexpectedDeletingTaskStateError if deleting else UnexpectedTaskStateError
                raise kind(
                    instance_uuid=server.uuid,
                    expected={"task_state": list(expected)},
                    actual={"task_state": server.task_state},
                )
        self.site.tables.update(server, **changes)


class RemoteInstances(Instances):
    """nova.objects.Instance on a compute host: every call goes through nova-conductor."""

    def get_by_uuid(self, context: Context, instance_uuid: str) -> Steps:
        server = yield from self._remote(context, "get_by_uuid", instance_uuid=instance_uuid)
        return server

    def save(self, context: Context, server: Server, expected_task_state: Any = ANY, **changes: Any) -> Steps:
        yield from self._remote(context, "save", server=server, expected_task_state=expected_task_state, **changes)

    def destroy(self, context: Context, server: Server) -> Steps:
        yield from self._remote(context, "destroy", server=server)

    def get_by_host(self, context: Context, host: str) -> Steps:
        servers = yield from self._remote(context, "get_by_host", host=host)
        return servers

    def get_compute_node(self, context: Context, host: str) -> Steps:
        node = yield from self._remote(context, "get_compute_node", host=host)
        return node

    def get_service(self, context: Context, name: str) -> Steps:
        row = yield from self._remote(context, "get_service", name=name)
        return row

    def save_service(self, context: Context, name: str, disabled: bool, disabled_reason: str) -> Steps:
        yield from self._remote(context, "save_service", name=name, disabled=disabled, disabled_reason=disabled_reason)

    def add_fault(self, context: Context, server: Server, error: BaseException) -> Steps:
        yield from self._remote(context, "add_fault", server=server, error=error)

    def create_migration(self, context: Context, migration: Migration) -> Steps:
        yield from self._remote(context, "create_migration", migration=migration)

    def save_migration(self, context: Context, migration: Migration, **changes: Any) -> Steps:
        yield from self._remote(context, "save_migration", migration=migration, **changes)

    def get_evacuations(self, context: Context, host: str) -> Steps:
        evacuations = yield from self._remote(context, "get_evacuations", host=host)
        return evacuations

    def _remote(self, context: Context, method: str, **arguments: Any) -> Steps:
        result = yield from self.service.call(  # type: ignore[attr-defined]
            context, "conductor", "object_action", objmethod=method, arguments=arguments
        )
        return result
