"""One case of root-cause analysis, in the layout that RCAEval and the study of arXiv 2603.02057 read.

    data.csv                time (Unix seconds) and <service>_<metric>, a row a scrape; empty where absent
    inject_time.txt         Unix seconds
    logs.csv                time, timestamp (ns), container_name, message
    traces.csv              a span a row, as the study has them from its collector
    logts.csv               log lines of each service, per 5 s
    tracets_lat.csv         spans of each <service>_<operation> that were answered with 2xx, per 5 s
    tracets_err.csv         the same, those that were not
    mpg.csv                 source, destination: who called whom, and which machine (`:10250`) a service is on
    latency_merged_90.csv   time and <source>_<destination>: 90th percentile of the durations, ms
    truth.json              the ground truth; repeated in no other file

Sources: phamquiluan/RCAEval (main.py), exalsius/rca-llm (export_rca_data.py) and the study's fork of RCAEval
(mcd01/RCAEval, `prepare_llm_ref_stack_dataset`). Unlike the study's, absent values of data.csv stay empty (the tools
fill them), its columns with names and addresses of pods are left out (they are dropped before every analysis),
durations are not doubled by adding two answers to the same query, and 5 s without any line or span are zeros.
"""

from __future__ import annotations

import json
from pathlib import Path

from twin.telemetry.export.rcaeval.events import Spans, write_logs
from twin.telemetry.export.rcaeval.metrics import write_metrics
from twin.telemetry.export.rcaeval.services import services_of
from twin.telemetry.export.rcaeval.table import Order, new
from twin.telemetry.export.rcaeval.truth import read_truth
from twin.telemetry.folder import TelemetryFolder
from twin.telemetry.records import Profile


def write(folder: TelemetryFolder, out: Path) -> None:
    """One case with the columns of the run's own profile. Raises FolderError where no fault was injected."""
    write_case(folder, out, folder.manifest["profile"])


def write_case(folder: TelemetryFolder, out: Path, profile: Profile = "paper", shuffle_seed: int | None = None) -> None:
    """Write one case into `out`; with a seed, the columns of every table are in an order of their own.

    Memory does not depend on the length of the run. Raises FolderError where no fault was injected.
    """
    services = services_of(folder.topology)
    truth = read_truth(folder, services)
    out.mkdir(parents=True, exist_ok=True)
    order = Order(shuffle_seed)
    (out / "inject_time.txt").write_text(f"{truth.inject_time}\n", encoding="utf-8")
    (out / "truth.json").write_text(json.dumps(truth.told, indent=1) + "\n", encoding="utf-8")
    write_logs(folder, services, out, order)
    with new(out / "traces.csv") as file:
        spans = Spans(folder, services, file)
        write_metrics(folder, services, spans, out, profile, order)
    spans.write_counts(out, order)
