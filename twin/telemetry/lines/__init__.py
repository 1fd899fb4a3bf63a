"""Log lines as the real services print them: one module per format, one entry per dialect."""

from __future__ import annotations

from collections.abc import Callable

from twin.telemetry.lines import haproxy, kernel, klog, libvirt, mysql, nginx, oslo, rabbitmq, ray, serve, vllm
from twin.telemetry.records import LogLine, LogRecord

DIALECTS: dict[str, Callable[[LogRecord, float], str]] = {
    "vllm": vllm.line,
    "ray": ray.line,
    "serve": serve.line,
    "nginx-access": nginx.access_line,
    "nginx-error": nginx.error_line,
    "klog": klog.line,
    "kernel": kernel.line,
    "oslo": oslo.line,
    "mysql": mysql.line,
    "rabbitmq": rabbitmq.line,
    "libvirt": libvirt.line,
    "libvirt-qemu": libvirt.qemu_line,
    "haproxy": haproxy.line,
    "haproxy-access": haproxy.access_line,
}
"""Dialect of a template -> (record, Unix time of simulated second zero) -> the line."""

OLDER: dict[tuple[str, str], Callable[[LogRecord, float], str]] = {
    ("vllm-0.8.5", "vllm"): vllm.line_085,
    ("loghub2017", "oslo"): oslo.line_2017,
}
"""Where a scenario's dialect prints otherwise: (scenario's, template's) -> the same."""


def render(record: LogRecord, epoch: float, dialect: str = "") -> LogLine:
    """The line that a log statement printed, in the scenario's dialect."""
    spoken = record.template.dialect
    text = OLDER.get((dialect, spoken), DIALECTS[spoken])(record, epoch)
    return LogLine(record.time, record.component, record.template.level.value, text)
