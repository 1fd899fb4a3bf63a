"""The log lines of a run as bodies of Loki's push API, a request a line: `push.jsonl`.

    while IFS= read -r body; do
        curl -sS -H 'Content-Type: application/json' -d "$body" http://localhost:3100/loki/api/v1/push
    done < push.jsonl

A stream has the labels `service_name` (component), `job` (its kind), `host` and `level`; times are Unix nanoseconds.
Format: https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs.
"""

from __future__ import annotations

import json
from pathlib import Path

from twin.telemetry.export.clock import UnixClock
from twin.telemetry.export.machines import machines
from twin.telemetry.folder import TelemetryFolder

FILE = "push.jsonl"
BATCH = 1000
"""Lines of a request: far below the 4 MB that Loki takes at once."""


def write(folder: TelemetryFolder, out: Path) -> None:
    """Write `out`/push.jsonl. Raises FolderError where the folder cannot be read."""
    out.mkdir(parents=True, exist_ok=True)
    clock = UnixClock(folder.manifest["epoch"])
    hosts = machines(folder.topology)
    kinds = {node.name: node.kind for node in folder.topology.components}
    with (out / FILE).open("w", encoding="utf-8", newline="") as file:
        streams: dict[tuple[str, str], list[tuple[str, str]]] = {}

        def send() -> None:
            body = [
                {
                    "stream": {
                        "service_name": component,
                        "job": kinds.get(component, ""),
                        "host": hosts.get(component, ""),
                        "level": level.lower(),
                    },
                    "values": values,
                }
                for (component, level), values in streams.items()
            ]
            file.write(json.dumps({"streams": body}) + "\n")
            streams.clear()

        for number, line in enumerate(folder.each_line(), 1):
            values = streams.setdefault((line.component, line.level), [])
            values.append((str(clock.nanoseconds(line.time)), line.text))
            if number % BATCH == 0:
                send()
        if streams:
            send()
