"""The machine that carries the control plane: its node controller, and what kube-state-metrics says of the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twin.inference.kubelet import Kubelet, Worker
from twin.inference.messages import kubelet as messages
from twin.mechanics.supervision import LEASE_GRACE, NODE_MONITOR, TAINT_EVICTION, crash_loop_delay
from twin.node import Node
from twin.node_exporter import METRICS
from twin.process import State
from twin.telemetry.records import counter, gauge

if TYPE_CHECKING:
    from twin.inference.replica import Replica


class ControlPlane(Worker):
    """A node with the API server and its controllers. Metrics of kube-state-metrics carry the pod or node as label."""

    def begin(self, kubelets: Sequence[Kubelet], pods: Sequence[Replica]) -> None:
        """Watch these kubelets' leases. Called once, when the cluster is complete."""
        self.kubelets = tuple(kubelets)
        self._pods = tuple(pods)
        self._not_ready: dict[str, float] = {}
        self._deleted: set[str] = set()
        self.metrics = (
            *METRICS,
            *(gauge(_condition(k, "Ready"), "bool", None) for k in kubelets),
            *(gauge(_condition(k, "DiskPressure"), "bool", None) for k in kubelets),
            *(gauge(_condition(k, "MemoryPressure"), "bool", None) for k in kubelets),
            *(gauge(f'kube_pod_status_ready{{pod="{p.name}",condition="true"}}', "bool", None) for p in pods),
            *(counter(f'kube_pod_container_status_restarts_total{{pod="{p.name}"}}', "restarts", None) for p in pods),
            *(gauge(_waiting(p), "bool", None) for p in pods),
        )
        for kubelet in kubelets:
            kubelet.begin()
        self.world.clock.at(self.world.now + NODE_MONITOR, self._monitor)

    def ready(self, node: Node) -> bool:
        """Whether the API server has the node as Ready."""
        return node.name not in self._not_ready

    def _monitor(self, _: object) -> None:
        if self.up:
            for kubelet in self.kubelets:
                self._judge(kubelet)
        self.world.clock.at(self.world.now + NODE_MONITOR, self._monitor)

    def _judge(self, kubelet: Kubelet) -> None:
        name, now = kubelet.node.name, self.world.now
        if now - kubelet.renewed <= LEASE_GRACE:
            if self._not_ready.pop(name, None) is not None:
                self.log(messages.NODE_STATUS, 0, "NodeReady", name)
                self._remove_deleted(kubelet)
        elif name not in self._not_ready:
            self._not_ready[name] = now
            self.log(messages.NODE_STATUS, 0, "NodeNotReady", name)
        elif now - self._not_ready[name] >= TAINT_EVICTION:
            for pod in kubelet.pods():
                if pod.state is not State.ABSENT and pod.name not in self._deleted:
                    self._deleted.add(pod.name)
                    self.log(messages.TAINT_EVICTION, 0, pod.name)
                    self._start_another()

    def _start_another(self) -> None:
        """Ray's operator makes a new pod; the scheduler finds it a free GPU on a ready node, or not."""
        for pod in self._pods:
            free = pod.state is State.ABSENT and pod.name not in self.world.in_flight
            if free and pod.node.up and self.ready(pod.node):
                pod.start()
                return

    def _remove_deleted(self, kubelet: Kubelet) -> None:
        """A node that is back learns which of its pods were deleted meanwhile: their containers are stopped."""
        for pod in kubelet.pods():
            if pod.name in self._deleted:
                self._deleted.discard(pod.name)
                pod.stop("scale-in")
                pod.state = State.ABSENT

    def sample(self) -> Sequence[float]:
        by_node = {kubelet.node: kubelet for kubelet in self.kubelets}
        pods = self._pods
        return (
            *super().sample(),
            *(float(self.ready(k.node)) for k in self.kubelets),
            *(float(k.disk_pressure) for k in self.kubelets),
            *(float(k.memory_pressure) for k in self.kubelets),
            *(float(self.ready(p.node) and by_node[p.node].ready(p)) for p in pods),
            *(float(sum(k.restarts.get(p.name, 0) for k in self.kubelets)) for p in pods),
            *(float(p.state is State.STOPPED and crash_loop_delay(p.deaths) > 0) for p in pods),
        )


def _condition(kubelet: Kubelet, condition: str) -> str:
    return f'kube_node_status_condition{{node="{kubelet.node.name}",condition="{condition}",status="true"}}'


def _waiting(pod: Replica) -> str:
    return f'kube_pod_container_status_waiting_reason{{pod="{pod.name}",reason="CrashLoopBackOff"}}'
