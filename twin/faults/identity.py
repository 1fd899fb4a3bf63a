"""Faults of identity: tokens that keystone does not recognise, certificates that nobody accepts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from twin.components import Component
from twin.faults.kind import FaultKind
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.openstack.oslo.wsgi import ApiService
from twin.quantities import Ratio
from twin.scenario.model import Model


class TokenFailure(Model):
    """A rotation of keystone's fernet keys did not reach all of its processes: a share of them has other keys, and what
    the ones encrypt the others do not recognise. The last revision has one set of keys for all (`configuration`)."""

    share: Annotated[Ratio, Field(gt=0, lt=1)] = Field(0.5, description="of keystone's processes, with other keys")
    layer: Literal["configuration", "credentials"] = "configuration"


class CertificateExpired(Model):
    """The certificate of an API has expired. Clients look at the one of the load balancer where there is one, else at
    the service's own. A new certificate cures; a new process reads the old one again."""


def _keystone(component: Component) -> Component | None:
    return component if component.kind == "keystone" else None


def _end_of_tls(component: Component) -> Component | None:
    """What shows the certificate to clients of the component."""
    if component.kind == "haproxy":
        return component
    if not isinstance(component, ApiService):
        return None
    return component if component.backend is None else component.backend.proxy


KINDS: dict[str, dict[str, FaultKind]] = {
    "IdentityChaos": {
        "tokenFailure": FaultKind(
            "identity",
            "keystone",
            TokenFailure,
            _keystone,
            lambda p, cause, _: (Condition(Layer(p.layer), "fernet_mismatch", p.share, cause),),
        ),
        "certificateExpired": FaultKind(
            "identity",
            "an API service or haproxy",
            CertificateExpired,
            _end_of_tls,
            lambda _, cause, __: (Condition(Layer.CREDENTIALS, "certificate_expired", 1.0, cause),),
        ),
    },
}
