"""Faults of storage: the backend behind cinder-volume, and the images behind glance-api."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twin.components import Component
from twin.faults.kind import FaultKind
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.quantities import Ratio
from twin.scenario.model import Model


class BackendSlow(Model):
    """Everything that a storage backend does takes `factor` times as long: it rebuilds or scrubs its data."""

    factor: Annotated[Ratio, Field(gt=1.0)]


class BackendFull(Model):
    """Foreign data takes the room of a storage pool. It is there until somebody deletes it."""

    fill: Annotated[Ratio, Field(gt=0, le=1)] = Field(1.0, description="share of the free room that it takes")


class TargetDown(Model):
    """A storage backend takes no connection: its target's portal does not answer. A new process does."""


class ImageCorrupt(Model):
    """The image store's data is not what its checksum says: every download fails at its end."""


class ImageStoreDown(Model):
    """glance-api does not reach its store: the mount in its container is gone."""


def _backend(component: Component) -> Component | None:
    return component if component.kind == "volume-backend" else None


def _glance(component: Component) -> Component | None:
    return component if component.kind == "glance-api" and Layer.DATA in component.layers else None


_BACKEND, _IMAGES = "a volume-backend", "glance-api"

KINDS: dict[str, dict[str, FaultKind]] = {
    "StorageChaos": {
        "backendSlow": FaultKind(
            "storage",
            _BACKEND,
            BackendSlow,
            _backend,
            lambda p, cause, _: (Condition(Layer.PROCESS, "service_time", p.factor, cause),),
        ),
        "backendFull": FaultKind(
            "storage",
            _BACKEND,
            BackendFull,
            _backend,
            lambda p, cause, _: (Condition(Layer.DATA, "backend_taken", p.fill, cause),),
        ),
        "targetDown": FaultKind(
            "storage",
            _BACKEND,
            TargetDown,
            _backend,
            lambda _, cause, __: (Condition(Layer.PROCESS, "target_down", 1.0, cause),),
        ),
        "imageCorrupt": FaultKind(
            "storage",
            _IMAGES,
            ImageCorrupt,
            _glance,
            lambda _, cause, __: (Condition(Layer.DATA, "image_corrupt", 1.0, cause),),
        ),
        "storeDown": FaultKind(
            "storage",
            _IMAGES,
            ImageStoreDown,
            _glance,
            lambda _, cause, __: (Condition(Layer.CONTAINER, "store_refuses", 1.0, cause),),
        ),
    },
}
