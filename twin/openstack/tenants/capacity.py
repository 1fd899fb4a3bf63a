"""Whether a cloud can carry what its tenants want, before it is built."""

from __future__ import annotations

from collections import Counter
from math import ceil
from typing import TYPE_CHECKING

from twin.mechanics import openstack as facts
from twin.mechanics.host import DISK_SIZE
from twin.mechanics.openstack import FLAVORS, Flavor
from twin.openstack.tenants.operations import MANY, larger
from twin.scenario.demand import placed
from twin.scenario.errors import Path, ScenarioError, nearest
from twin.scenario.schema import OpenStackCluster, Quotas, Spec
from twin.scenario.workload import Load

if TYPE_CHECKING:
    from twin.openstack.site import Site

MIB, GIB = 2.0**20, 2.0**30
USERS = 4
"""Users, each with a project, among whom server lives are shared out."""


def flavor(name: str, path: Path) -> Flavor:
    """The flavor of that name. Raises ScenarioError."""
    if name not in FLAVORS:
        raise ScenarioError(f"no flavor '{name}'{nearest(name, FLAVORS)}", path)
    return FLAVORS[name]


def per_host(size: Flavor, vcpus: int, memory: float) -> int:
    """How many servers of a flavor one host takes, as placement counts processors, memory (bytes) and disk.

    A server has at most as many processors as its host, whatever the overcommitment (placement's `max_unit`).
    """
    if size.vcpus > vcpus:
        return 0
    offered = (
        (vcpus * facts.CPU_ALLOCATION_RATIO, size.vcpus),
        (memory / MIB * facts.RAM_ALLOCATION_RATIO - facts.RESERVED_MEMORY_MB, size.memory_mb),
        (DISK_SIZE / GIB * facts.DISK_ALLOCATION_RATIO, size.disk_gb),
    )
    return max(0, min(int(offer / need) for offer, need in offered))


def check(spec: Spec, hosts: int, vcpus: int, memory: float) -> None:
    """Raise ScenarioError for a flavor that fits no host, more servers than hosts hold, a quota below the need."""
    workload, path = spec.workload, ("spec", "workload")
    for load, where in placed(spec):
        name = load.flavor or DEFAULT_FLAVORS[load.kind]
        size = flavor(name, (*where, "flavor"))
        if not per_host(size, vcpus, memory):
            raise ScenarioError(_too_large(size, vcpus, memory), (*where, "flavor") if load.flavor else where)
        if load.kind == "operations":
            _check_resize(size, hosts, vcpus, memory, (*where, "flavor") if load.flavor else where)
        _check_quotas(spec, needs(load, size), f"the {load.kind} load")
    if workload.tenants is not None:
        where = (*path, "tenants")
        size = flavor(workload.tenants.flavor, (*where, "flavor"))
        held = hosts * per_host(size, vcpus, memory)
        if held == 0:
            raise ScenarioError(_too_large(size, vcpus, memory), (*where, "flavor"))
        if workload.tenants.servers > held:
            raise ScenarioError(
                f"the {hosts} hosts hold {held} servers of {size.name}, not {workload.tenants.servers}: give more "
                "hosts (spec.cluster.computes), fewer servers or a smaller flavor",
                (*where, "servers"),
            )
        each = ceil(workload.tenants.servers / workload.tenants.projects)
        of_each = Counter(
            _servers(size, each) | {"networks": 1, "subnets": 1, "routers": 1, "ports": each + 2, "security_groups": 1}
        )
        _check_quotas(spec, of_each, "tenants")


def allow(site: Site, quotas: Quotas | None) -> None:
    """Let the services keep projects to the scenario's quotas."""
    for resource, limit in quotas or ():
        if limit is None:
            continue
        if resource in site.quotas:
            site.quotas[resource] = limit
        elif resource in site.volumes.quotas:
            site.volumes.quotas[resource] = limit
        else:
            name = resource.removesuffix("s").replace("floating_ip", "floatingip")
            site.neutron.tables.quotas[name] = limit


def needs(load: Load, size: Flavor) -> Counter[str]:
    """What one project has at the same time under a load, by resource as `Quotas` names it; a mean where it varies."""
    if load.kind == "operations":
        resized = larger(size) or size
        return Counter(_servers(size, 1 + MANY)) + Counter(_servers(resized, 1)) + Counter(TESTS_NEED[load.kind])
    if load.kind != "lifecycle":
        return Counter(_servers(size, 1)) + Counter(TESTS_NEED[load.kind])
    arrivals, lifetime = load.arrivals, load.lifetime or 0.0
    assert arrivals is not None
    if arrivals.concurrency is not None:
        kept = load.client.keep if load.client is not None and load.client.keep is not None else 1
        alive = arrivals.concurrency.users * kept / USERS
    else:
        alive = (arrivals.constant or arrivals.poisson or 0.0) * lifetime / USERS
    return Counter(_servers(size, max(1, int(alive))) | {"ports": max(1, int(alive))})


def _check_resize(size: Flavor, hosts: int, vcpus: int, memory: float, path: Path) -> None:
    """A resize goes to the next larger flavor, and to another host (`allow_resize_to_same_host` is off)."""
    resized = larger(size)
    if resized is None:
        raise ScenarioError(f"{size.name} is the largest flavor: the operations load resizes its server", path)
    if not per_host(resized, vcpus, memory):
        raise ScenarioError(_too_large(resized, vcpus, memory), path)
    if hosts < 2:
        raise ScenarioError("the operations load resizes its server to another host: give two (computes)", path)


def _servers(size: Flavor, number: int) -> dict[str, int]:
    return {"instances": number, "cores": number * size.vcpus, "ram": number * size.memory_mb}


def _check_quotas(spec: Spec, needed: Counter[str], who: str) -> None:
    assert isinstance(spec.cluster, OpenStackCluster)
    quotas = spec.cluster.quotas
    if quotas is None:
        return
    for resource, number in needed.items():
        limit = getattr(quotas, resource)
        if limit is not None and 0 <= limit < number:
            key = type(quotas).model_fields[resource].alias or resource
            raise ScenarioError(
                f"{who} needs {number} in each project, the quota is {limit}: allow {number} or more, or ask for less",
                ("spec", "cluster", "quotas", key),
            )


def _too_large(size: Flavor, vcpus: int, memory: float) -> str:
    return (
        f"{size.name} ({size.vcpus} processors, {size.memory_mb} MB) fits no host ({vcpus} processors, "
        f"{memory / MIB:.0f} MB): choose a smaller flavor, or give hosts more (hostVcpus, hostMemory)"
    )


DEFAULT_FLAVORS = {"lifecycle": "m1.small", "deployment": "m1.tiny", "network": "m1.tiny", "storage": "m1.tiny",
                   "operations": "m1.tiny"}  # fmt: skip
"""What a load's servers are where the scenario does not say."""

TESTS_NEED: dict[str, dict[str, int]] = {
    "deployment": {"volumes": 1, "gigabytes": 1, "networks": 1, "subnets": 1, "ports": 3, "routers": 1,
                   "floating_ips": 1, "security_groups": 2},
    "network": {"networks": 2, "subnets": 2, "ports": 7, "routers": 1, "floating_ips": 1, "security_groups": 2},
    "operations": {"volumes": 1, "gigabytes": 1, "networks": 2, "subnets": 2, "ports": 7, "security_groups": 2},
    "storage": {"volumes": 2, "snapshots": 1, "gigabytes": 4, "networks": 1, "subnets": 1, "ports": 2,
                "security_groups": 2},
}  # fmt: skip
"""What a tester has at the same time beside its server: ports are the servers', DHCP's and the router's; groups are its
own and the project's default."""
