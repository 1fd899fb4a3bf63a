"""Kubernetes' klog format: ``I1121 10:02:11.123456    2103 kubelet.go:2445] message``."""

from __future__ import annotations

from twin.telemetry.lines.timestamps import moment
from twin.telemetry.records import LogRecord

KUBELET_PID = 2103


def line(record: LogRecord, epoch: float) -> str:
    """One line; args are (pid of the component, *fields): the line carries kubelet's own pid."""
    letter = record.template.level[0]
    stamp = f"{moment(epoch, record.time + record.skew):%m%d %H:%M:%S.%f}"
    message = record.template.text.format(*record.args[1:])
    return f"{letter}{stamp} {KUBELET_PID:>7} {record.template.origin}] {message}"
