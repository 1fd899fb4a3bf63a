"""The filter scheduler: candidates from placement, filters, weights, a claim, and alternates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twin.mechanics import openstack as facts
from twin.mechanics.openstack import Flavor
from twin.openstack.nova import logs
from twin.openstack.nova.exception import NoValidHost
from twin.openstack.nova.report import SchedulerReportClient
from twin.openstack.nova.scheduler.host_manager import HostManager
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps

NO_HOSTS = "There are not enough hosts available."


@dataclass(frozen=True, slots=True)
class RequestSpec:
    """What a server asks for."""

    flavor: Flavor
    disk_gb: int
    ignore_hosts: tuple[str, ...] = ()
    requested_host: str | None = None

    def among(self, hosts: Sequence[str]) -> list[str]:
        """Those that it does not exclude by name."""
        wanted = self.requested_host
        return [host for host in hosts if host not in self.ignore_hosts and wanted in (None, host)]


class SchedulerManager(Flow):
    """nova.scheduler.manager.SchedulerManager with ComputeFilter, the weigher of build failures and that of RAM."""

    source = "nova.scheduler.manager"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.placement_client = SchedulerReportClient(service)
        self.host_manager = HostManager(service)

    def select_destinations(
        self,
        context: Context,
        request_spec: RequestSpec,
        instance_uuids: Sequence[str],
        return_alternates: bool = False,
    ) -> Steps:
        """For each server its host and up to two alternates. Raises NoValidHost."""
        self.say(logs.STARTING_TO_SCHEDULE, context, list(instance_uuids))
        yield from self.think(context, facts.RPC["select_destinations"].python)
        candidates = yield from self.placement_client.get_allocation_candidates(
            context, request_spec.flavor, request_spec.disk_gb
        )
        if not candidates:
            self.say(logs.NO_CANDIDATES, context)
            raise NoValidHost(reason="")
        yield from self.sql(context, facts.RPC["select_destinations"].statements)
        selections = yield from self._schedule(context, request_spec, instance_uuids, candidates, return_alternates)
        return selections

    def update_instance_info(self, context: Context, host_name: str, instance_uuid: str) -> Steps:
        """A compute host has one more server."""
        yield from self.think(context, facts.TRACKING)
        self.host_manager.update_instance_info(context, host_name, instance_uuid)

    def delete_instance_info(self, context: Context, host_name: str, instance_uuid: str) -> Steps:
        """A compute host has one less."""
        yield from self.think(context, facts.TRACKING)
        self.host_manager.delete_instance_info(context, host_name, instance_uuid)

    def sync_instance_info(self, context: Context, host_name: str, instance_uuids: Sequence[str]) -> Steps:
        """A compute host says what it has."""
        yield from self.think(context, facts.TRACKING)
        self.host_manager.sync_instance_info(context, host_name, instance_uuids)

    def _schedule(
        self,
        context: Context,
        spec: RequestSpec,
        instance_uuids: Sequence[str],
        candidates: list[str],
        return_alternates: bool,
    ) -> Steps:
        claimed: list[tuple[str, list[str]]] = []
        for uuid in instance_uuids:
            hosts = self._get_sorted_hosts(context, spec, candidates, uuid)
            chosen: str | None = None
            for host in hosts:
                if (yield from self._claim_resources(context, uuid, host, spec)):
                    chosen = host
                    break
            if chosen is None:
                self.say(logs.CLAIM_NOWHERE, context)
                break
            self.say(logs.SELECTED_HOST, context, chosen, instance=uuid)
            claimed.append((chosen, [host for host in hosts if host != chosen]))
        yield from self._ensure_sufficient_hosts(context, claimed, instance_uuids)
        most = facts.MAX_ATTEMPTS - 1 if return_alternates else 0
        return [[chosen, *others[:most]] for chosen, others in claimed]

    def _claim_resources(self, context: Context, uuid: str, host: str, spec: RequestSpec) -> Steps:
        claimed = yield from self.placement_client.claim_resources(context, uuid, host, spec.flavor)
        return claimed

    def _get_sorted_hosts(self, context: Context, spec: RequestSpec, candidates: list[str], uuid: str) -> list[str]:
        """The hosts that pass all filters, most free memory first, but behind all on which fewer builds have failed.

        BuildFailureWeigher's multiplier (1,000,000) lets no other weigher have a say where they differ.
        """
        hosts = self._get_filtered_hosts(context, spec, candidates)
        begun = spec.among(candidates)
        if begun and not hosts:
            results = [f"ComputeFilter: (start: {len(begun)}, end: 0)"]
            self.say(logs.ALL_FILTERED, context, uuid, results)
        tie = self.world.streams["scheduler/tie"]
        free, failed = self.site.tables.free, self.site.tables.failed_builds
        return sorted(hosts, key=lambda host: (failed.get(host, 0), -free(host)[1], tie.uniform(uuid, host)))

    def _get_filtered_hosts(self, context: Context, spec: RequestSpec, candidates: list[str]) -> list[str]:
        passed, wanted = spec.among(candidates), spec.requested_host
        if spec.ignore_hosts:
            self.say(logs.HOSTS_IGNORED, context, ", ".join(host for host in spec.ignore_hosts if host in candidates))
        if wanted is not None:
            self.say(logs.ONLY_REQUESTED_HOST if passed else logs.NO_REQUESTED_HOST, context, wanted, wanted)
        self.say(logs.STARTING_WITH, context, len(passed))
        passed = [host for host in passed if self._compute_filter(context, host)]
        self.say(logs.FILTER_RETURNED, context, "ComputeFilter", len(passed))
        if not passed:
            self.say(logs.NO_HOSTS_LEFT, context, "ComputeFilter")
        return passed

    def _compute_filter(self, context: Context, host: str) -> bool:
        """Whether the host's nova-compute is enabled and heard from."""
        tables = self.site.tables
        row = tables.services.get(self.site.computes[host].name)
        if row is None:
            self.say(logs.HOST_WITHOUT_SERVICE, context, host)
            return False
        if not row.disabled and row.up(self.world.now + self.service.clock_offset):
            return True
        memory, disk = int(tables.free(host)[1]), 1024 * int(tables.providers[host].disk_gb)
        load = self.site.computes[host].builds.busy
        facts_of_host = (host, host, memory, disk, load, tables.count_on(host))
        if row.disabled:
            self.say(logs.HOST_DISABLED, context, *facts_of_host, row.disabled_reason or None)
        else:
            self.say(logs.NOT_HEARD_FROM, context, *facts_of_host)
        return False

    def _ensure_sufficient_hosts(
        self, context: Context, claimed: Sequence[tuple[str, list[str]]], instance_uuids: Sequence[str]
    ) -> Steps:
        """Raises NoValidHost, with what was claimed given back, where not every server has a host."""
        if len(claimed) == len(instance_uuids):
            return
        self.say(logs.NOT_ENOUGH_HOSTS, context, len(claimed), len(instance_uuids))
        for (_, _others), uuid in zip(claimed, instance_uuids, strict=False):
            yield from self.placement_client.delete_allocation_for_instance(context, uuid)
        raise NoValidHost(reason=NO_HOSTS)
