"""A build on its compute host: claim, network, image, guest, the wait for the network, ACTIVE."""

from __future__ import annotations

from collections.abc import Sequence

from twin.mechanics import openstack as facts
from twin.openstack.nova import exception
from twin.openstack.nova.compute import logs
from twin.openstack.nova.compute.program import Program
from twin.openstack.nova.network import NetworkInfo
from twin.openstack.nova.virt import logs as virt_logs
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import CloudError
from twin.openstack.oslo.service import Steps
from twin.openstack.tables import Server

ROOT_DEVICE = "/dev/vda"
NO_NETWORK = "Failed to allocate the network(s), not rescheduling."
GONE = (exception.InstanceNotFound, exception.UnexpectedDeletingTaskStateError)
"""The server was deleted while it was built."""


class Building(Program):
    """The build methods of nova.compute.manager.ComputeManager."""

    def build_and_run_instance(
        self,
        context: Context,
        instance: Server,
        requested_networks: Sequence[str] = (),
        host_list: Sequence[str] | None = None,
    ) -> Steps:
        """Build a server here; at most `max_concurrent_builds` at a time."""
        with self.service.builds.slot() as slot:
            if slot.turn is not None:
                yield slot.turn
            try:
                active = yield from self._do_build_and_run_instance(context, instance, requested_networks, host_list)
            except Exception:
                self.rt.build_failed()
                raise
            if active:
                self.rt.build_succeeded()
            else:
                self.rt.build_failed()

    def _do_build_and_run_instance(
        self,
        context: Context,
        instance: Server,
        requested_networks: Sequence[str],
        host_list: Sequence[str] | None,
    ) -> Steps:
        """Whether it became ACTIVE; all else counts as a failure of the host's, whoever is to blame."""
        began = self.world.now
        self.say(logs.BUILD_STARTING, context, instance=instance.uuid)
        try:
            yield from self.objects.save(
                context, instance, expected_task_state=("scheduling", None), vm_state="building", task_state=None
            )
        except GONE:
            self.say(logs.DISAPPEARED, context, instance=instance.uuid)
            return False
        try:
            yield from self._build_and_run_instance(context, instance, requested_networks)
            self.say(logs.TOOK_BUILD, context, self.world.now - began, instance=instance.uuid)
            return True
        except exception.RescheduledException as error:
            yield from self._reschedule(context, instance, error, requested_networks, host_list)
        except GONE:
            self.say(logs.DISAPPEARED, context, instance=instance.uuid)
            self.rt.abort_instance_claim(context, instance)
        except exception.BuildAbortException as error:
            reason = str(error.fields["reason"])
            self.say(logs.BUILD_ABORTED, context, instance.uuid, reason, instance=instance.uuid)
            yield from self._give_up(context, instance, error)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.BUILD_UNEXPECTED, context, error, instance=instance.uuid)
            yield from self._give_up(context, instance, error)
        return False

    def _reschedule(
        self,
        context: Context,
        instance: Server,
        error: exception.RescheduledException,
        requested_networks: Sequence[str],
        host_list: Sequence[str] | None,
    ) -> Steps:
        """Give the build back to nova-conductor, which tries another host."""
        self.rt.abort_instance_claim(context, instance)
        self.say(logs.RESCHEDULED, context, instance.uuid, str(error.fields["reason"]), instance=instance.uuid)
        retry = {"host": self.host, "exc": str(error)}
        yield from self._cleanup_allocated_networks(context, instance)
        yield from self._delete_allocation_for_instance(context, instance)
        yield from self.objects.save(context, instance, host=None, task_state="scheduling")
        yield from self.compute_task_api.build_instances(
            context, [instance], retry, requested_networks=requested_networks, host_list=host_list
        )

    def _give_up(self, context: Context, instance: Server, error: Exception) -> Steps:
        self.rt.abort_instance_claim(context, instance)
        yield from self._cleanup_allocated_networks(context, instance)
        yield from self._cleanup_volumes(context, instance)
        yield from self.objects.add_fault(context, instance, error)
        self._nil_out_instance_obj_host_and_node(instance)
        yield from self._set_instance_obj_error_state(context, instance, clean_task_state=True)
        yield from self._delete_allocation_for_instance(context, instance)

    def _nil_out_instance_obj_host_and_node(self, instance: Server) -> None:
        """A server that failed to build is on no host."""
        self.site.tables.update(instance, host=None)

    def _delete_allocation_for_instance(self, context: Context, instance: Server) -> Steps:
        yield from self.reportclient.delete_allocation_for_instance(context, instance.uuid)

    def _build_and_run_instance(self, context: Context, instance: Server, requested_networks: Sequence[str]) -> Steps:
        """Raises RescheduledException (another host may do), BuildAbortException (none will)."""
        self.notify(context, "instance.create.start", instance=instance.uuid)
        try:
            yield from self.reportclient.get_allocations_for_consumer(context, instance.uuid)
            yield from self.rt.instance_claim(context, instance)
            network_info = yield from self._build_resources(context, instance, requested_networks)
            yield from self._spawn(context, instance, network_info)
        except GONE:
            raise
        except exception.ComputeResourcesUnavailable as error:
            raise exception.RescheduledException(instance_uuid=instance.uuid, reason=error) from error
        except exception.BuildAbortException:
            raise
        except exception.NoMoreFixedIps as error:
            self.say(logs.NO_MORE_FIXED_IPS, context, error, instance=instance.uuid)
            reason = f"Failed to allocate the network(s) with error {error}, not rescheduling."
            raise exception.BuildAbortException(instance_uuid=instance.uuid, reason=reason) from error
        except (exception.VirtualInterfaceCreateException, exception.PortBindingFailed) as error:
            self.exception(logs.NETWORK_FAILED, context, error, instance=instance.uuid)
            raise exception.BuildAbortException(instance_uuid=instance.uuid, reason=NO_NETWORK) from error
        except (exception.FlavorDiskSmallerThanImage, exception.ImageNotActive, exception.InvalidBDM) as error:
            raise exception.BuildAbortException(instance_uuid=instance.uuid, reason=error) from error
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.BUILD_AND_RUN_FAILED, context, error, instance=instance.uuid)
            raise exception.RescheduledException(instance_uuid=instance.uuid, reason=error) from error
        yield from self._finish_build(context, instance)

    def _finish_build(self, context: Context, instance: Server) -> Steps:
        """Write ACTIVE, if the server is still wanted."""
        try:
            yield from self.objects.save(
                context,
                instance,
                expected_task_state="spawning",
                vm_state="active",
                task_state=None,
                launched=self.world.now,
            )
        except GONE:
            yield from self._shutdown_instance(context, instance)
            raise
        yield from self._update_scheduler_instance_info(context, instance)
        yield from self.service.host_work(context, facts.BUILD.finish)
        self.notify(context, "instance.create.end", instance=instance.uuid)

    # --- resources --------------------------------------------------------------------------------------------

    def _build_resources(self, context: Context, instance: Server, requested_networks: Sequence[str]) -> Steps:
        """Interfaces and volumes. Raises BuildAbortException, or what the spawn may be rescheduled for."""
        try:
            self.say(logs.NETWORKS_STARTING, context, instance=instance.uuid)
            network_info = yield from self._build_networks_for_instance(context, instance, requested_networks)
            yield from self.service.host_work(context, facts.BUILD.prepare)
            yield from self.objects.save(context, instance, task_state="block_device_mapping")
            self.say(logs.DEVICES_STARTING, context, instance=instance.uuid)
            yield from self._prep_block_device(context, instance)
        except (*GONE, exception.NoMoreFixedIps):
            raise
        except (exception.InvalidBDM, exception.PortBindingFailed) as error:
            raise exception.BuildAbortException(instance_uuid=instance.uuid, reason=error) from error
        except Exception as error:
            self.unexpected(error)
            raise exception.BuildAbortException(instance_uuid=instance.uuid, reason=NO_NETWORK) from error
        return network_info

    def _build_networks_for_instance(
        self, context: Context, instance: Server, requested_networks: Sequence[str]
    ) -> Steps:
        """The server's ports; those it has from an attempt before are bound to this host."""
        if instance.ports:
            yield from self.network_api.setup_networks_on_host(context, instance, self.host)
            network_info = yield from self.network_api.get_instance_nw_info(context, instance)
            return network_info
        network_info = yield from self._allocate_network(context, instance, requested_networks)
        return network_info

    def _allocate_network(self, context: Context, instance: Server, requested_networks: Sequence[str]) -> Steps:
        yield from self.objects.save(context, instance, task_state="networking")
        self.say(logs.ALLOCATING_IN_BACKGROUND, context)
        network_info = yield from self._allocate_network_async(context, instance, requested_networks)
        return network_info

    def _allocate_network_async(self, context: Context, instance: Server, requested_networks: Sequence[str]) -> Steps:
        try:
            network_info = yield from self.network_api.allocate_for_instance(
                context, instance, requested_networks, bind_host_id=self.host
            )
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.NETWORK_SETUP_FAILED, context, error, 1, instance=instance.uuid)
            raise
        self.say(logs.NETWORK_INFO, context, [vif["id"] for vif in network_info], instance=instance.uuid)
        return network_info

    def _prep_block_device(self, context: Context, instance: Server) -> Steps:
        """Attach the volumes that the server boots with. Raises InvalidBDM."""
        for volume_id, attachment_id in list(instance.volumes.items()):
            self.say(virt_logs.BOOTING_FROM_VOLUME, context, volume_id, ROOT_DEVICE, instance=instance.uuid)
            try:
                connector = self.driver.get_volume_connector(instance)
                attachment = yield from self.volume_api.attachment_update(context, attachment_id, connector)
                connections = {**instance.connections, volume_id: attachment["connection_info"]}
                yield from self.objects.save(context, instance, connections=connections)
                yield from self.volume_api.attachment_complete(context, attachment_id)
            except Exception as error:
                self.unexpected(error)
                self.exception(logs.DEVICE_SETUP_FAILED, context, error, instance=instance.uuid)
                raise exception.InvalidBDM(str(error)) from error

    def _spawn(self, context: Context, instance: Server, network_info: NetworkInfo) -> Steps:
        try:
            yield from self.objects.save(
                context,
                instance,
                expected_task_state="block_device_mapping",
                vm_state="building",
                task_state="spawning",
            )
            self.say(logs.SPAWN_STARTING, context, instance=instance.uuid)
            began = self.world.now
            yield from self.driver.spawn(context, instance, network_info)
            self.say(logs.TOOK_SPAWN, context, self.world.now - began, instance=instance.uuid)
        except GONE:
            yield from self._shutdown_instance(context, instance)
            raise
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.SPAWN_FAILED, context, error, instance=instance.uuid)
            yield from self._clean_up_spawn(context, instance)
            raise

    def _clean_up_spawn(self, context: Context, instance: Server) -> Steps:
        """Remove what a failed spawn left. Raises BuildAbortException where that fails, too."""
        try:
            yield from self._shutdown_instance(context, instance)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.BUILD_CLEANUP_FAILED, context, error, error)
            raise exception.BuildAbortException(instance_uuid=instance.uuid, reason=error) from error

    # --- clean-up ---------------------------------------------------------------------------------------------

    def _cleanup_allocated_networks(self, context: Context, instance: Server) -> Steps:
        try:
            yield from self._deallocate_network(context, instance)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.DEALLOCATE_FAILED, context, error, instance=instance.uuid)

    def _cleanup_volumes(self, context: Context, instance: Server) -> Steps:
        for volume_id, attachment_id in list(instance.volumes.items()):
            try:
                yield from self.volume_api.attachment_delete(context, attachment_id)
                del instance.volumes[volume_id]
            except CloudError as error:
                self.say(logs.VOLUME_ERROR_IGNORED, context, volume_id, error, "", instance=instance.uuid)

    def _deallocate_network(self, context: Context, instance: Server) -> Steps:
        self.say(logs.DEALLOCATING, context, instance=instance.uuid)
        began = self.world.now
        yield from self.network_api.deallocate_for_instance(context, instance)
        yield from self.service.host_work(context, facts.DESTROY.deallocate)
        self.say(logs.TOOK_DEALLOCATE, None, self.world.now - began, instance=instance.uuid)

    def _shutdown_instance(self, context: Context, instance: Server) -> Steps:
        """Take a guest down and let go of its volumes."""
        began = self.world.now
        self.say(logs.TERMINATING, context, instance=instance.uuid)
        network_info = self._network_info(instance)
        if not network_info:
            network_info = yield from self.network_api.get_instance_nw_info(context, instance)
        self.say(logs.DESTROY_STARTING, context, instance=instance.uuid)
        yield from self.driver.destroy(context, instance, network_info)
        yield from self.service.host_work(context, facts.DESTROY.finish)
        self.say(logs.TOOK_DESTROY, context, self.world.now - began, instance=instance.uuid)
        began, volumes = self.world.now, list(instance.volumes.items())
        for volume_id, attachment_id in volumes:
            try:
                yield from self.volume_api.attachment_delete(context, attachment_id)
            except Exception as error:
                self.unexpected(error)
                self.exception(logs.VOLUME_ERROR_IGNORED, context, error, volume_id, error, instance=instance.uuid)
        if volumes:
            self.say(logs.TOOK_DETACH, context, self.world.now - began, len(volumes), instance=instance.uuid)
        instance.connections = {}
