"""Evidence: which lines, alarms and metrics a diagnosis rests on.

Occlusion (Zeiler and Fergus 2014, arXiv 1311.2901): the most unusual items of each modality are taken out one at a
time (a line or alarm removed, a metric set to what its kind usually shows) and the network is asked again. An item
weighs as much as the margin of the named type and root cause falls without it. This explains the network, not the
cluster; two items that say the same hide each other.
"""

from __future__ import annotations

import torch
from torch import Tensor

from llm.batch import Batch, Gates, collate
from llm.diagnosis import Evidence
from llm.features import WindowFeatures
from llm.lines import LineReader
from llm.network import Network, Output
from twin.telemetry.window import Window

LOGS, METRICS, ALARMS = 4, 4, 2
"""How many items of each modality are tried."""
GONE = 10.0
"""How many standard deviations a metric that is no longer answered counts as."""
LONGEST = 300
"""Characters of a quoted line."""


def attribute(
    window: Window,
    features: WindowFeatures,
    batch: Batch,
    output: Output,
    network: Network,
    reader: LineReader,
    metrics: tuple[str, ...],
    most: int,
) -> tuple[Evidence, ...]:
    """The `most` items that carry the diagnosis most, their weights as shares of what all tried items carry.

    `batch` and `output` are of the one window; `metrics` names the metric columns.
    """
    logs = _top(_rarity(batch, network), LOGS)
    series = _top(_deviation(batch, output, network), METRICS)
    alarms = list(range(min(ALARMS, len(batch.alarm_row))))
    items = [("log", i) for i in logs] + [("metric", i) for i in series] + [("alarm", i) for i in alarms]
    if not items:
        return ()
    gates = Gates(
        torch.ones(len(items), len(batch.log_row)),
        torch.ones(len(items), batch.present.numel()),
        torch.ones(len(items), len(batch.alarm_row)),
    )
    for copy, (modality, place) in enumerate(items):
        {"log": gates.logs, "metric": gates.metrics, "alarm": gates.alarms}[modality][copy, place] = 0.0
    shape = (len(items), *batch.present.shape[1:])
    copies = collate([features] * len(items), batch.present.shape[2]).gated(
        Gates(gates.logs.flatten(), gates.metrics.view(shape), gates.alarms.flatten())
    )
    without: Output = network(copies)
    named, blamed = int(output.types[0].argmax()), int(output.roots[0].argmax())
    lost = _margin(output.types, named) - _margin(without.types, named)
    if named != 0:  # a healthy window has no root cause to explain
        lost = lost + _margin(output.roots, blamed) - _margin(without.roots, blamed)
    lost = lost.nan_to_num(0.0, 0.0, 0.0).clamp(min=0.0)
    if not float(lost.sum()) > 0.0:
        return ()
    weights, order = (lost / lost.sum()).topk(min(most, len(items)))
    found: list[Evidence] = []
    for weight, i in zip(weights.tolist(), order.tolist(), strict=True):
        if weight > 0.0:
            component, text = _describe(window, batch, items[i], reader, metrics)
            found.append(Evidence(component, text, weight))
    return tuple(found)


def _rarity(batch: Batch, network: Network) -> Tensor:
    """[L] how rare each log row's template was in training, from 0 for one in every window."""
    if network.encoder.logs is None:
        return torch.zeros(0)
    return -torch.log(network.encoder.logs.usual[batch.log_template].clamp(min=1e-4))


def _deviation(batch: Batch, output: Output, network: Network) -> Tensor:
    """[N * M] standard deviations from what is usual; a metric that is no longer answered counts as far out."""
    if network.encoder.metrics is None:
        return torch.zeros(0)
    gone = network.encoder.metrics.gone(batch, batch.kinds * network.encoder.known_kinds[batch.kinds])
    return torch.maximum(output.scores.abs(), GONE * gone).flatten()


def _top(values: Tensor, most: int) -> list[int]:
    chosen = values.topk(min(most, len(values)))
    return [int(i) for value, i in zip(chosen.values, chosen.indices, strict=True) if float(value) > 0.0]


def _margin(logits: Tensor, chosen: int) -> Tensor:
    """[B] by how much a choice leads over all others together; unlike a probability it does not saturate."""
    others = torch.cat([logits[:, :chosen], logits[:, chosen + 1 :]], dim=1)
    return logits[:, chosen] - others.logsumexp(dim=1)


def _describe(
    window: Window, batch: Batch, item: tuple[str, int], reader: LineReader, metrics: tuple[str, ...]
) -> tuple[str, str]:
    """The component and the text of an item."""
    modality, place = item
    components = window.topology.components
    if modality == "log":
        component = components[int(batch.log_row[place])].name
        return component, _printable(_newest_line(window, component, int(batch.log_template[place]), reader))
    if modality == "metric":
        row, column = divmod(place, len(metrics))
        return components[row].name, _metric(window, row, metrics[column])
    alarm = [alarm for alarm in window.alarms if alarm.component in window.topology.index][place]
    return alarm.component, _printable(f"alarm {alarm.rule} ({alarm.severity})")


def _newest_line(window: Window, component: str, template: int, reader: LineReader) -> str:
    for line in reversed(window.logs):
        if line.component == component and reader.event(line).message == template:
            return line.text[: 2 * LONGEST]
    return ""


def _metric(window: Window, component: int, name: str) -> str:
    if name not in window.features or not window.metrics.shape[2]:
        return f"{name} absent"
    values = window.metrics[component, window.features.index(name)]
    first, last = (f"{values[i]:.6g}" if values[i] == values[i] else "absent" for i in (0, -1))
    return f"{name} {last}" if first == last else f"{name} {first} -> {last}"


def _printable(text: str) -> str:
    """Untrusted text without control characters, at most `LONGEST` long."""
    return "".join(c if c.isprintable() else " " for c in text[:LONGEST])
