"""heat-engine's own code: stacks that converge resource by resource, in the order of what needs what."""

from __future__ import annotations

from typing import Any

from twin.mechanics import heat as facts
from twin.openstack.heat import logs
from twin.openstack.heat.resources import RESOURCES, Resource
from twin.openstack.heat.tables import ResourceRow, Stack, StackTables
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import CloudError, HTTPFault
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import Steps

WORKER_TOPIC = "heat-engine-worker"


class Timeout(CloudError):  # noqa: N818 - heat's name
    """An action took longer than `stack_action_timeout`."""

    module = "heat.engine.scheduler"
    text = "Timed out"


class EngineService(Flow):
    """heat.engine.service.EngineService with the workers of convergence (heat.engine.worker)."""

    source = "heat.engine.service"

    def __init__(self, service: AmqpService) -> None:
        super().__init__(service)
        self.tables: StackTables = service.site.stacks
        self.rpc = service
        self.worker = CheckResource(service, self)

    # --- requests ------------------------------------------------------------------------------------------------

    def create_stack(self, context: Context, name: str, template: dict[str, Any] | None = None) -> Steps:
        """Write a stack and its resources, and let those begin that need nothing; the body."""
        if self.tables.find(name) is not None:
            raise HTTPFault(409, f"The Stack ({name}) already exists.")
        self.say(logs.CREATING, context, name)
        identity = self.world.streams["heat/stack"].uuid(context.trace.key, name)
        properties = dict(template) if isinstance(template, dict) else {}
        stack = Stack(identity, name, context.request.project, self.world.now, properties)
        for resource, (_, type, requires) in RESOURCES.items():
            stack.resources[resource] = ResourceRow(resource, type, requires)
            self.say(logs.RESOURCE_VALIDATING, context, self.described(stack, stack.resources[resource]))
        self.tables.stacks[identity] = stack
        yield from self.state_set(context, stack, "CREATE", "IN_PROGRESS", "Stack CREATE started")
        yield from self._trigger(context, stack, "CREATE")
        return stack.body()

    def show_stack(self, context: Context, name: str) -> Steps:
        """A stack's body."""
        return self._find(name).body()
        yield

    def list_stacks(self, context: Context) -> Steps:
        """The project's stacks."""
        project = context.request.project
        return [stack.body() for stack in self.tables.stacks.values() if stack.project == project]
        yield

    def delete_stack(self, context: Context, name: str) -> Steps:
        """Delete what there is, what others need last."""
        stack = self._find(name)
        self.say(logs.DELETING, context, stack.name)
        stack.created = self.world.now
        for row in stack.resources.values():
            if not row.id:
                row.action, row.status = "DELETE", "COMPLETE"
        yield from self.state_set(context, stack, "DELETE", "IN_PROGRESS", "Stack DELETE started")
        yield from self._trigger(context, stack, "DELETE")
        yield from self.mark_complete(context, stack, "DELETE")

    def _find(self, name: str) -> Stack:
        stack = self.tables.find(name)
        if stack is None:
            raise HTTPFault(404, f"The Stack ({name}) could not be found.")
        return stack

    # --- convergence ---------------------------------------------------------------------------------------------

    def _trigger(self, context: Context, stack: Stack, action: str) -> Steps:
        """Send the resources to the workers whose turn has come."""
        for row in stack.resources.values():
            if self._ready(stack, row, action):
                row.action, row.status = action, "IN_PROGRESS"
                yield from self.rpc.cast(
                    context, WORKER_TOPIC, "check_resource", stack_id=stack.id, resource=row.name, action=action
                )

    def _ready(self, stack: Stack, row: ResourceRow, action: str) -> bool:
        if row.action == action:
            return False
        if action == "CREATE":
            before = [stack.resources[name] for name in row.requires]
        else:
            before = [other for other in stack.resources.values() if row.name in other.requires]
        return all(other.action == action and other.status == "COMPLETE" for other in before)

    def resource_done(self, context: Context, stack: Stack, row: ResourceRow, action: str) -> Steps:
        """A resource is as it shall be: go on with those that waited for it."""
        row.status = "COMPLETE"
        if action == "DELETE":
            row.id = ""
        if stack.action != action or stack.status != "IN_PROGRESS":
            return
        yield from self._trigger(context, stack, action)
        yield from self.mark_complete(context, stack, action)

    def mark_complete(self, context: Context, stack: Stack, action: str) -> Steps:
        """The end of a traversal, once every resource is there or gone."""
        if any(row.action != action or row.status != "COMPLETE" for row in stack.resources.values()):
            return
        if stack.status != "IN_PROGRESS":
            return
        yield from self.state_set(context, stack, action, "COMPLETE", f"Stack {action} completed successfully")
        if action == "DELETE":
            self.tables.stacks.pop(stack.id, None)

    def mark_failed(self, context: Context, stack: Stack, row: ResourceRow, action: str, error: Exception) -> Steps:
        """A resource failed: so has the stack. What is being made goes on; nothing new begins; nothing is undone."""
        row.status = "FAILED"
        if stack.action != action or stack.status != "IN_PROGRESS":
            return
        kind = type(error).__name__ if not isinstance(error, CloudError) else error.kind.rpartition(".")[2]
        reason = f"Resource {action} failed: {kind}: resources.{row.name}: {error}"
        yield from self.state_set(context, stack, action, "FAILED", reason)

    def state_set(self, context: Context, stack: Stack, action: str, status: str, reason: str) -> Steps:
        """Write the state of a stack."""
        yield from self.sql(context, 4, write=True)
        stack.action, stack.status, stack.reason = action, status, reason
        self.say(logs.STACK_STATUS, context, action, status, stack.name, reason)
        self.notify(context, f"orchestration.stack.{action.lower()}", stack=stack.id, status=status)

    def reset_stack_status(self, context: Context) -> Steps:
        """After a start: the stacks that the engine was at work on when it died have failed."""
        for stack in list(self.tables.stacks.values()):
            if stack.status == "IN_PROGRESS":
                self.say(logs.ENGINE_WENT_DOWN, context, self.service.name, stack.id, stack.action)
                for row in stack.resources.values():
                    if row.status == "IN_PROGRESS":
                        row.status = "FAILED"
                reason = f"Engine went down during stack {stack.action}"
                yield from self.state_set(context, stack, stack.action, "FAILED", reason)

    def described(self, stack: Stack, row: ResourceRow) -> str:
        """A resource as heat prints it."""
        label = RESOURCES[row.name][0].label
        physical = f" [{row.id}]" if row.id else ""
        return f'{label} "{row.name}"{physical} Stack "{stack.name}" [{stack.id}]'


class CheckResource(Flow):
    """heat.engine.check_resource.CheckResource: one resource of one stack, by one worker."""

    source = "heat.engine.check_resource"

    def __init__(self, service: AmqpService, engine: EngineService) -> None:
        super().__init__(service)
        self.engine = engine
        self.plugins: dict[str, Resource] = {name: entry[0](service) for name, entry in RESOURCES.items()}

    def check(self, context: Context, stack_id: str, resource: str, action: str) -> Steps:
        """Make or delete it, and tell the engine what came of it."""
        yield from self.service.work(context, facts.CHECK)
        stack = self.engine.tables.stacks.get(stack_id)
        if stack is None:
            return
        row = stack.resources[resource]
        plugin = self.plugins[resource]
        try:
            yield from self._do_action(context, plugin, stack, row, action)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.RESOURCE_FAILED, context, error, action, self.engine.described(stack, row))
            yield from self.engine.mark_failed(context, stack, row, action, error)
            return
        yield from self.engine.resource_done(context, stack, row, action)

    def _do_action(self, context: Context, plugin: Resource, stack: Stack, row: ResourceRow, action: str) -> Steps:
        deadline = stack.created + facts.STACK_ACTION_TIMEOUT
        if action == "CREATE":
            self.say(logs.RESOURCE_CREATING, context, self.engine.described(stack, row))
            row.id = yield from plugin.handle_create(context, stack)
            yield from self._poll(context, plugin.check_create_complete, row, deadline)
        elif row.id:
            self.say(logs.RESOURCE_DELETING, context, self.engine.described(stack, row))
            yield from plugin.handle_delete(context, stack, row)
            yield from self._poll(context, plugin.check_delete_complete, row, deadline)

    def _poll(self, context: Context, check: Any, row: ResourceRow, deadline: float) -> Steps:
        while not (yield from check(context, row)):
            if self.world.now > deadline:
                raise Timeout()
            yield self.clock.timeout(facts.POLL)
