"""Requests about what a project may have, and about the types of volumes there are."""

from __future__ import annotations

from twin.openstack.cinder.quota import QuotaEngine
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps

DEFAULT_TYPE = "__DEFAULT__"


class LimitsController(Flow):
    """cinder.api.v3.limits.LimitsController."""

    source = "cinder.api.v3.limits"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.quotas = QuotaEngine(service)

    def index(self, context: Context) -> Steps:
        """Limits and usages of the project."""
        quotas = yield from self.quotas.get_project_quotas(context, context.request.project)
        return {
            "maxTotalVolumes": quotas["volumes"]["limit"],
            "maxTotalSnapshots": quotas["snapshots"]["limit"],
            "maxTotalVolumeGigabytes": quotas["gigabytes"]["limit"],
            "totalVolumesUsed": quotas["volumes"]["in_use"],
            "totalSnapshotsUsed": quotas["snapshots"]["in_use"],
            "totalGigabytesUsed": quotas["gigabytes"]["in_use"],
        }


class VolumeTypesController(Flow):
    """cinder.api.v3.types.VolumeTypesController: there is the default type only."""

    source = "cinder.api.v3.types"

    def index(self, context: Context) -> Steps:
        """The types."""
        yield from self.sql(context, 3)
        return [{"id": self.world.streams["cinder/type"].uuid(DEFAULT_TYPE), "name": DEFAULT_TYPE, "is_public": True}]
