"""Requests about attachments: what nova asks for a server's volume."""

from __future__ import annotations

from typing import Any

from twin.openstack.cinder import exception, logs
from twin.openstack.cinder.db import Database
from twin.openstack.cinder.tables import Attachment
from twin.openstack.cinder.volume.api import API
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import HTTPFault
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps


class AttachmentsController(Flow):
    """cinder.api.v3.attachments.AttachmentsController."""

    source = "cinder.api.v3.attachments"

    def __init__(self, service: Service, volume_api: API) -> None:
        super().__init__(service)
        self.volume_api = volume_api
        self.db = Database(service)

    def show(self, context: Context, attachment_id: str) -> Steps:
        """An attachment's body."""
        attachment = yield from self.db.volume_attachment_get(context, attachment_id)
        return self._detail(attachment)

    def create(
        self,
        context: Context,
        volume_id: str,
        instance_uuid: str | None,
        connector: dict[str, Any] | None = None,
    ) -> Steps:
        """Reserve a volume for a server; with a connector, connect it."""
        volume_ref = yield from self.db.volume_get(context, volume_id)
        try:
            attachment_ref = yield from self.volume_api.attachment_create(
                context, volume_ref, instance_uuid, connector=connector
            )
        except exception.InvalidVolume:
            raise
        except exception.CinderException as ex:
            err_msg = f"Unable to create attachment for volume ({ex.msg})."
            self.exception(logs.ATTACHMENT_REFUSED, context, ex, ex.msg)
            raise HTTPFault(500, err_msg) from ex
        except Exception as error:
            self.unexpected(error)
            err_msg = "Unable to create attachment for volume."
            self.exception(logs.ATTACHMENT_CREATE_FAILED, context, error)
            raise HTTPFault(500, err_msg) from error
        return self._detail(attachment_ref)

    def update(self, context: Context, attachment_id: str, connector: dict[str, Any]) -> Steps:
        """Connect a reserved volume to the host that a connector describes."""
        attachment_ref = yield from self.db.volume_attachment_get(context, attachment_id)
        try:
            attachment_ref = yield from self.volume_api.attachment_update(context, attachment_ref, connector)
        except exception.CinderException as ex:
            err_msg = f"Unable to update attachment.({ex.msg})."
            self.exception(logs.ATTACHMENT_UPDATE_REFUSED, context, ex, ex.msg)
            raise HTTPFault(500, err_msg) from ex
        except Exception as error:
            self.unexpected(error)
            err_msg = "Unable to update the attachment."
            self.exception(logs.ATTACHMENT_UPDATE_FAILED, context, error)
            raise HTTPFault(500, err_msg) from error
        return self._detail(attachment_ref)

    def delete(self, context: Context, attachment_id: str) -> Steps:
        """Disconnect, and forget the attachment; those that the volume has left."""
        attachment = yield from self.db.volume_attachment_get(context, attachment_id)
        attachments = yield from self.volume_api.attachment_delete(context, attachment)
        return [{"id": left} for left in attachments]

    def complete(self, context: Context, attachment_id: str) -> Steps:
        """The server has the volume: in-use."""
        attachment_ref = yield from self.db.volume_attachment_get(context, attachment_id)
        volume_ref = yield from self.db.volume_get(context, attachment_ref.volume_id)
        yield from self.db.volume_attachment_update(context, attachment_ref.id, {"attach_status": "attached"})
        yield from self.db.volume_update(context, volume_ref.id, {"status": "in-use", "attach_status": "attached"})
        self.notify(context, "volume.attach.end", volume_id=volume_ref.id)

    def _detail(self, attachment: Attachment) -> dict[str, Any]:
        return {
            "id": attachment.id,
            "status": attachment.attach_status,
            "instance": attachment.instance_uuid,
            "volume_id": attachment.volume_id,
            "attach_mode": attachment.attach_mode,
            "connection_info": attachment.connection_info or {},
        }
