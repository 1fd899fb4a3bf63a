"""The start of a vLLM server in its pod: image, imports, weights, profile, warm-up, and what can go wrong in each."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from twin.inference.messages import hub, vllm
from twin.inference.store import IMAGE
from twin.mechanics.engine_step import (
    BLOCK_TOKENS,
    COMPILE_SECONDS,
    IMPORT_SECONDS,
    WARMUP_SECONDS,
)
from twin.mechanics.gpu_link import HOST_COPY_BYTES_PER_SECOND
from twin.mechanics.serving import IMAGE_BYTES
from twin.mechanics.vllm import LARGEST_UTILIZATION

if TYPE_CHECKING:
    from twin.inference.replica import Replica


def start_up(replica: Replica) -> Generator[Any, Any, bool]:
    """Import, find the GPU, load weights, profile and warm up; a new container compiles again."""
    if not (yield from _image_and_place(replica)):
        return False
    clock, host = replica.world.clock, replica.slowdown()
    yield clock.timeout(IMPORT_SECONDS * host)
    replica.log(vllm.INIT, replica.model.served_name, replica.settings.max_model_len)
    if replica.lost_a_gpu:
        replica.log(vllm.NO_GPU)
        return False
    if replica.store is not None:
        weights = replica.model.name, replica.model.weight_bytes
        if not (yield from replica.store.obtain(replica, replica.node, *weights)):
            return False
    utilization = replica.memory_utilization
    if utilization > LARGEST_UTILIZATION:
        total = replica.gpu.model.memory / 2**30
        replica.log(vllm.NOT_ENOUGH_FREE, LARGEST_UTILIZATION * total, total, utilization, utilization * total)
        return False
    share = replica.model.weight_bytes / replica.settings.tensor_parallel_size
    if replica.value("io_errors"):
        replica.log(vllm.IO_ERROR)
        return False
    reading = replica.node.read_seconds(replica.model.weight_bytes, replica.value("io_latency"))
    copying = share / (HOST_COPY_BYTES_PER_SECOND * min(gpu.pcie_share for gpu in replica.gpus))
    loading = (reading + copying) * host  # one tensor after the other: read, then copied
    replica.node.read(replica.model.weight_bytes, loading)
    yield clock.timeout(loading)
    if not replica.can_live():
        return _lost_gpu(replica)
    for gpu in replica.gpus:
        gpu.pcie_received += share
    replica.log(vllm.WEIGHTS, loading)
    replica.allocate()
    blocks = replica.blocks
    if blocks * BLOCK_TOKENS < replica.settings.max_model_len:
        replica.log(vllm.KV_TOO_SMALL, replica.settings.max_model_len, blocks * BLOCK_TOKENS)
        return False
    tokens = blocks * BLOCK_TOKENS
    limit = replica.settings.max_model_len
    replica.log(vllm.KV_CACHE, tokens, limit, tokens / limit)
    compilation = 0.0 if replica.compiled else COMPILE_SECONDS * host
    yield clock.timeout(WARMUP_SECONDS * host + compilation)
    if not replica.can_live():
        return _lost_gpu(replica)
    replica.compiled = True
    replica.log(vllm.INIT_TOOK, WARMUP_SECONDS * host + compilation, compilation)
    return True


def _image_and_place(replica: Replica) -> Generator[Any, Any, bool]:
    """The container's image is on the node, and Ray's head has an actor placed in it."""
    store, node = replica.store, replica.node
    if store is not None and not (yield from store.obtain(node, node, IMAGE, IMAGE_BYTES)):
        node.log(hub.IMAGE_PULL, 0, replica.name)
        return False
    if replica.router is not None:
        yield from replica.router.create_actor(replica)
    return True


def _lost_gpu(replica: Replica) -> bool:
    replica.log(vllm.CUDA_ERROR)
    replica.log(vllm.FATAL)
    return False
