"""What huggingface_hub and transformers print in a program whose download fails (their warnings and errors)."""

from __future__ import annotations

from twin.telemetry.records import Level, LogTemplate

NO_NAME = "NameResolutionError: Failed to resolve 'model-store' ([Errno -3] Temporary failure in name resolution)"
TIMED_OUT = "ConnectTimeout: timed out"
REFUSED = "ConnectionError: [Errno 111] Connection refused"
BROKEN = "ChunkedEncodingError: Connection broken: IncompleteRead"
NOT_FOUND = "EntryNotFoundError: 404 Client Error"
"""Why a download failed."""


def _hub(id: str, level: Level, origin: str, text: str) -> LogTemplate:
    return LogTemplate(f"hub.{id}", "vllm", level, origin, text)


FAILED = _hub(
    "failed", Level.WARNING, "EngineCore/_http.py:311", "'({})' thrown while requesting GET http://model-store:9000/"
)
RETRYING = _hub("retrying", Level.WARNING, "EngineCore/_http.py:330", "Retrying in {:.0f}s [Retry {}/{}].")
IMAGE_PULL = LogTemplate(
    "kubelet.image_pull",
    "klog",
    Level.ERROR,
    "pod_workers.go:1301",
    '"Error syncing pod, skipping" err="failed to \\"StartContainer\\" for \\"ray-worker\\" with ErrImagePull: '
    '\\"failed to pull and unpack image\\"" pod="ray/{}"',
)
GAVE_UP = _hub(
    "gave_up",
    Level.ERROR,
    "EngineCore/core.py:842",
    "EngineCore failed to start. OSError: We couldn't connect to 'http://model-store:9000' to load the files, and "
    "couldn't find them in the cached files.",
)
