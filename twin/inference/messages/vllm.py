"""vLLM's log statements (wording of vLLM 0.33; file, line and process names are illustrative)."""

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
    "Waiting: {} reqs, {}GPU KV cache usage: {:.1f}%, Prefix cache hit rate: {:.1f}%",
)
STATS_OF_ALL = _vllm("stats_of_all", Level.INFO, STATS.origin, "{} Engines Aggregated: " + STATS.text.split(": ", 1)[1])
"""The same of a server with several engine cores (--aggregate-engine-logging)."""
IO_ERROR = _vllm(
    "io_error",
    Level.ERROR,
    "EngineCore/core.py:842",
    "EngineCore failed to start. OSError: [Errno 5] Input/output error",
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
ENGINE_DIED = _vllm(
    "engine_died",
    Level.ERROR,
    "APIServer/core_client.py:610",
    "Engine core proc {} died unexpectedly, shutting down client.",
)
FATAL = _vllm("fatal", Level.ERROR, "EngineCore/core.py:866", "EngineCore encountered a fatal error.")
OUTPUT_HANDLER = _vllm("output_handler", Level.ERROR, "APIServer/async_llm.py:691", "AsyncLLM output_handler failed.")
REQUEST_FAILED = _vllm("request_failed", Level.INFO, "APIServer/async_llm.py:412", "Request {} failed (engine dead).")
SHUTDOWN = _vllm("shutdown", Level.INFO, "APIServer/launcher.py:110", "Shutting down FastAPI HTTP server.")
NO_BLOCK = _vllm(
    "no_block",
    Level.INFO,
    "EngineCore/shm_broadcast.py:542",
    "No available shared memory broadcast block found in {} seconds. This typically happens when some processes are "
    "hanging or doing some time-consuming work (e.g. compilation, weight/kv cache quantization).",
)
EXECUTE_TIMED_OUT = _vllm(
    "execute_timed_out", Level.ERROR, "EngineCore/core.py:866", "TimeoutError: RPC call to execute_model timed out."
)
NOT_ENOUGH_FREE = _vllm(
    "not_enough_free",
    Level.ERROR,
    "EngineCore/core.py:842",
    "EngineCore failed to start. ValueError: Free memory on device ({:.2f}/{:.2f} GiB) on startup is less than desired "
    "GPU memory utilization ({:.2f}, {:.2f} GiB). Decrease GPU memory utilization or reduce GPU memory used by other "
    "processes.",
)
KV_TOO_SMALL = _vllm(
    "kv_too_small",
    Level.ERROR,
    "EngineCore/core.py:842",
    "EngineCore failed to start. ValueError: To serve at least one request with the model's max seq len ({}), more KV "
    "cache is needed than is available. The estimated maximum model length is {}. Try increasing "
    "`gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine.",
)
