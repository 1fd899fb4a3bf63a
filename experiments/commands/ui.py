"""`healtwin ui`: MLflow's own interface on the store that the runs are in."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer


def command(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = 5000,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Open MLflow's UI on the local store (or on MLFLOW_TRACKING_URI)."""
    from experiments import store, tracking

    uri = store.tracking_uri()
    if not uri.startswith("sqlite:"):
        print(f"the tracking server is {uri}: open it in a browser")
        return
    tracking.client()
    print(f"MLflow UI of {uri} on http://{host}:{port} (Ctrl-C ends it)", flush=True)
    arguments = ["ui", "--backend-store-uri", uri, "--host", host, "--port", str(port), "--workers", "1"]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    os.execve(sys.executable, [sys.executable, "-m", "mlflow", *arguments], environment)
