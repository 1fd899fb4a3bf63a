"""Software faults: a release in which one call of Nova's, Neutron's or Cinder's program is wrong."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from twin.components import Component
from twin.faults.kind import FaultKind
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.openstack.mutation import operators
from twin.openstack.mutation.mutants import runs_site
from twin.openstack.oslo.service import Service
from twin.scenario.errors import ScenarioError
from twin.scenario.schema import Model


class Mutate(Model):
    """One call goes wrong, as in the fault injections of Cotroneo et al. (ESEC/FSE 2019): it throws an exception, its
    value is wrong, it is left out, one of its parameters is wrong or missing. It sits in what was rolled out
    (`configuration`: the last revision is free of it) or in the running program alone (`process`)."""

    site: str = Field(description="a call site; `healtwin scenario sites` prints them all")
    mutation: Literal["throwException", "wrongReturnValue", "missingCall", "wrongParameter", "missingParameter"]
    argument: str | int | None = Field(
        None, description="of wrongParameter and missingParameter: its name, or its position from 1"
    )
    layer: Literal["configuration", "process"] = "configuration"


def _service(component: Component) -> Component | None:
    return component if isinstance(component, Service) and component.flows else None


def _conditions(parameters: Mutate, cause: str, component: Component) -> tuple[Condition, ...]:
    mutation = operators.mutation(parameters.site, parameters.mutation, parameters.argument)
    world = component.world
    running = [
        service.name
        for service in world.components.values()
        if isinstance(service, Service) and any(runs_site(flow, mutation.site) for flow in service.flows)
    ]
    if component.name not in running:
        who = f"it runs in {_some(running)}" if running else "no component of this cluster runs it"
        raise ScenarioError(f"'{component.name}' does not run {mutation.site.id}: {who}", ("selector",))
    return (Condition(Layer(parameters.layer), "mutation", 1.0, cause, code=mutation.text),)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


KINDS: dict[str, dict[str, FaultKind]] = {
    "MutationChaos": {
        "": FaultKind("mutation", "a service of Nova, Neutron or Cinder", Mutate, _service, _conditions),
    },
}
