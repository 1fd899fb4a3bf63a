"""What the inference cluster's programs print: one template a log statement.

Wording as the programs print it (vLLM 0.33, Ray Serve 2.60, kubelet, nginx); file, line and process names are
illustrative where the sources differ between builds.
"""

from __future__ import annotations

from twin.telemetry.records import Level, LogTemplate


def _vllm(id: str, level: Level, origin: str, text: str) -> LogTemplate:
    return LogTemplate(f"vllm.{id}", "vllm", level, origin, text)


INIT = _vllm(
    "init",
    Level.INFO,
    "EngineCore/core.py:112",
    "Initializing a V1 LLM engine (v0.33.0) with config: model='{}', max_seq_len={}",
)
WEIGHTS = _vllm("weights", Level.INFO, "EngineCore/default_loader.py:314", "Loading weights took {:.2f} seconds")
KV_CACHE = _vllm(
    "kv_cache",
    Level.INFO,
    "EngineCore/kv_cache_utils.py:1147",
    "GPU KV cache size: {:,} tokens, Maximum concurrency for {:,} tokens per request: {:.2f}x",
)
INIT_TOOK = _vllm(
    "init_took",
    Level.INFO,
    "EngineCore/core.py:301",
    "init engine (profile, create kv cache, warmup model) took {:.2f} s (compilation: {:.2f} s)",
)
STATS = _vllm(
    "stats",
    Level.INFO,
    "APIServer/loggers.py:335",
    "Engine 000: Avg prompt throughput: {:.1f} tokens/s, Avg generation throughput: {:.1f} tokens/s, Running: {} reqs, "
    "Waiting: {} reqs, {}GPU KV cache usage: {:.1f}%",
)
NO_GPU = _vllm(
    "no_gpu",
    Level.ERROR,
    "EngineCore/core.py:842",
    "EngineCore failed to start. RuntimeError: No CUDA GPUs are available",
)
CUDA_ERROR = _vllm(
    "cuda_error",
    Level.ERROR,
    "EngineCore/core.py:866",
    "torch.AcceleratorError: CUDA error: unspecified launch failure",
)
WORKER_DIED = _vllm(
    "worker_died",
    Level.ERROR,
    "EngineCore/multiproc_executor.py:231",
    "Worker proc {} died unexpectedly (exit code: {}), shutting down executor.",
)
FATAL = _vllm("fatal", Level.ERROR, "EngineCore/core.py:866", "EngineCore encountered a fatal error.")
OUTPUT_HANDLER = _vllm("output_handler", Level.ERROR, "APIServer/async_llm.py:691", "AsyncLLM output_handler failed.")
REQUEST_FAILED = _vllm("request_failed", Level.INFO, "APIServer/async_llm.py:412", "Request {} failed (engine dead).")
SHUTDOWN = _vllm("shutdown", Level.INFO, "APIServer/launcher.py:110", "Shutting down FastAPI HTTP server.")
BACK_OFF = LogTemplate(
    "kubelet.backoff",
    "klog",
    Level.ERROR,
    "pod_workers.go:1301",
    '"Error syncing pod, skipping" err="failed to \\"StartContainer\\" for \\"ray-worker\\" with CrashLoopBackOff: '
    '\\"back-off {}s restarting failed container=ray-worker pod={}\\"" pod="ray/{}"',
)
CONTAINER_DIED = LogTemplate(
    "kubelet.died",
    "klog",
    Level.INFO,
    "kubelet.go:2453",
    '"SyncLoop (PLEG): event for pod" pod="ray/{}" event={{"ID":"{}","Type":"ContainerDied","Data":"{}"}}',
)


def _serve(id: str, level: Level, text: str) -> LogTemplate:
    return LogTemplate(f"serve.{id}", "serve", level, "controller", text)


ACTOR_CRASHED = _serve(
    "crashed",
    Level.WARNING,
    "Actor for Replica(id='{}', deployment='VLLMDeployment', app='llm') crashed, marking it unhealthy immediately.",
)
ADDING = _serve("adding", Level.INFO, "Adding 1 replica to Deployment(name='VLLMDeployment', app='llm').")
STOPPING = _serve("stopping", Level.INFO, "Replica(id='{}', deployment='VLLMDeployment', app='llm') is stopped.")
UPSCALING = _serve(
    "upscaling", Level.INFO, "Upscaling Deployment(name='VLLMDeployment', app='llm') from {} to {} replicas."
)
STARTED = _serve(
    "started", Level.INFO, "Replica(id='{}', deployment='VLLMDeployment', app='llm') started successfully."
)
MIGRATING = _serve(
    "migrating",
    Level.INFO,
    "Migrating Replica(id='{}', deployment='VLLMDeployment', app='llm') from draining node '{}'.",
)
NO_REPLICA = LogTemplate(
    "serve.no_replica",
    "serve",
    Level.WARNING,
    "proxy",
    "No replicas are currently available for deployment VLLMDeployment; {} requests wait.",
)

ACCESS = LogTemplate("nginx.access", "nginx-access", Level.INFO, "access", "")
REFUSED = LogTemplate(
    "nginx.refused",
    "nginx-error",
    Level.ERROR,
    "error",
    "connect() failed (111: Connection refused) while connecting to upstream",
)
CLOSED = LogTemplate(
    "nginx.closed",
    "nginx-error",
    Level.ERROR,
    "error",
    "upstream prematurely closed connection while reading {} upstream",
)
TIMED_OUT = LogTemplate(
    "nginx.timed_out",
    "nginx-error",
    Level.ERROR,
    "error",
    "upstream timed out (110: Connection timed out) while reading response header from upstream",
)
