"""Nova's client of cinder: volumes and their attachments (API 3.44 and later)."""

from __future__ import annotations

from twin.openstack.nova.client_logs import (
    ATTACHMENT_COMPLETE_FAILED,
    ATTACHMENT_CREATE_FAILED,
    ATTACHMENT_DELETE_FAILED,
    ATTACHMENT_GONE,
    ATTACHMENT_SHOW_FAILED,
    ATTACHMENT_UPDATE_FAILED,
)
from twin.openstack.nova.exception import InvalidVolume, VolumeAttachmentNotFound, VolumeNotFound
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import HttpError
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Steps


class VolumeAPI(Flow):
    """nova.volume.cinder.API."""

    source = "nova.volume.cinder"

    def get(self, context: Context, volume_id: str) -> Steps:
        """The volume. Raises VolumeNotFound, HttpError."""
        try:
            volume = yield from self.service.clients.request(
                context, "cinder-api", "volumes.show", "GET", f"/v3/volumes/{volume_id}", volume_id=volume_id
            )
        except HttpError as error:
            if error.status == 404:
                raise VolumeNotFound(volume_id=volume_id) from error
            raise
        return volume

    def check_attached(self, context: Context, volume: dict[str, object]) -> None:
        """Raises InvalidVolume where the volume is not in use."""
        if volume["status"] != "in-use":
            raise InvalidVolume(
                reason=f"volume {volume['id']} status must be 'in-use'. Currently in '{volume['status']}' status"
            )

    def begin_detaching(self, context: Context, volume_id: str) -> Steps:
        """Mark a volume as detaching. Raises InvalidVolume where it is not in use."""
        try:
            yield from self._action(context, volume_id, "volumes.begin_detaching")
        except HttpError as error:
            if error.status == 400:
                raise InvalidVolume(reason=str(error)) from error
            raise

    def roll_detaching(self, context: Context, volume_id: str) -> Steps:
        """Take that mark back: the volume stays attached."""
        yield from self._action(context, volume_id, "volumes.roll_detaching")

    def _action(self, context: Context, volume_id: str, operation: str) -> Steps:
        uri = f"/v3/volumes/{volume_id}/action"
        yield from self.service.clients.request(context, "cinder-api", operation, "POST", uri, volume_id=volume_id)

    def attachment_create(
        self, context: Context, volume_id: str, instance_id: str, connector: dict[str, str] | None = None
    ) -> Steps:
        """Reserve a volume for a server. Raises InvalidVolume where it is not available."""
        try:
            attachment = yield from self.service.clients.request(
                context,
                "cinder-api",
                "attachments.create",
                "POST",
                "/v3/attachments",
                volume_id=volume_id,
                instance_uuid=instance_id,
                connector=connector,
            )
        except HttpError as error:
            if error.status == 404:
                raise VolumeNotFound(volume_id=volume_id) from error
            if error.status == 400:
                raise InvalidVolume(reason=str(error)) from error
            self.exception(ATTACHMENT_CREATE_FAILED, context, error, volume_id, error, error.status)
            raise
        return attachment

    def attachment_get(self, context: Context, attachment_id: str) -> Steps:
        """The attachment with its `connection_info`."""
        uri = f"/v3/attachments/{attachment_id}"
        try:
            attachment = yield from self.service.clients.request(
                context, "cinder-api", "attachments.show", "GET", uri, attachment_id=attachment_id
            )
        except HttpError as error:
            self.exception(ATTACHMENT_SHOW_FAILED, context, error, attachment_id, error, error.status)
            if error.status == 404:
                raise VolumeAttachmentNotFound(attachment_id=attachment_id) from error
            raise
        return attachment

    def attachment_update(self, context: Context, attachment_id: str, connector: dict[str, str]) -> Steps:
        """Tell cinder the host; the connection's properties."""
        try:
            attachment = yield from self.service.clients.request(
                context,
                "cinder-api",
                "attachments.update",
                "PUT",
                f"/v3/attachments/{attachment_id}",
                attachment_id=attachment_id,
                connector=connector,
            )
        except HttpError as error:
            self.exception(ATTACHMENT_UPDATE_FAILED, context, error, attachment_id, error, error.status)
            raise
        return attachment

    def attachment_complete(self, context: Context, attachment_id: str) -> Steps:
        """The volume is in use."""
        uri = f"/v3/attachments/{attachment_id}/action"
        try:
            yield from self.service.clients.request(
                context, "cinder-api", "attachments.complete", "POST", uri, attachment_id=attachment_id
            )
        except HttpError as error:
            self.exception(ATTACHMENT_COMPLETE_FAILED, context, error, attachment_id, error, error.status)
            raise

    def attachment_delete(self, context: Context, attachment_id: str) -> Steps:
        """Give a volume back; where cinder does not know the attachment there is nothing to give."""
        uri = f"/v3/attachments/{attachment_id}"
        try:
            yield from self.service.clients.request(
                context, "cinder-api", "attachments.delete", "DELETE", uri, attachment_id=attachment_id
            )
        except HttpError as error:
            if error.status == 404:
                self.say(ATTACHMENT_GONE, context, attachment_id, error)
                return
            self.exception(ATTACHMENT_DELETE_FAILED, context, error, attachment_id, error, error.status)
            raise

    def delete(self, context: Context, volume_id: str) -> Steps:
        """Delete a volume."""
        uri = f"/v3/volumes/{volume_id}"
        yield from self.service.clients.request(
            context, "cinder-api", "volumes.delete", "DELETE", uri, volume_id=volume_id
        )
