"""Windows of a small made-up inference cluster, with faults that show in logs, metrics or both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
import torch

from llm.dataset import Corpus, LabelledWindow
from twin.telemetry.records import Alarm, LogLine
from twin.telemetry.window import Node, Topology, Window

FEATURES = ("gpu_power", "gpu_clock", "node_free", "vllm:ttft_seconds_sum", "vllm:ttft_seconds_count", "requests_total")


def topology(replicas: int = 3) -> Topology:
    nodes = [Node("gateway", "nginx", None), Node("router", "serve", None)]
    edges = [("gateway", "router")]
    for i in range(replicas):
        nodes += [Node(f"node-{i}", "node", None), Node(f"gpu-{i}", "gpu", f"node-{i}")]
        nodes.append(Node(f"engine-{i}", "engine", f"gpu-{i}"))
        edges.append(("router", f"engine-{i}"))
    return Topology("inference", tuple(nodes), tuple(edges))


def window(
    *,
    seed: int = 0,
    fault: str = "none",
    victim: int = 0,
    replicas: int = 3,
    features: Sequence[str] = FEATURES,
    extra_lines: Sequence[LogLine] = (),
    kinds: Mapping[str, str] | None = None,
) -> Window:
    """One minute with a scrape every 5 s. Faults: power (metrics), xid (logs, alarm, absence), crash (logs), leak."""
    draws = np.random.default_rng(seed)
    shape = topology(replicas)
    if kinds:
        changed = tuple(Node(n.name, kinds.get(n.kind, n.kind), n.place) for n in shape.components)
        shape = Topology(shape.cluster, changed, shape.edges)
    times = np.arange(5.0, 61.0, 5.0)
    values = {name: np.full((len(shape.components), len(times)), np.nan) for name in FEATURES}
    lines: list[LogLine] = []
    alarms: list[Alarm] = []
    for i in range(replicas):
        gpu, engine, node = shape.index[f"gpu-{i}"], shape.index[f"engine-{i}"], shape.index[f"node-{i}"]
        hit = fault if i == victim else "none"
        values["gpu_power"][gpu] = (150 if hit == "power" else 280) + draws.normal(0, 8, len(times))
        values["gpu_clock"][gpu] = (800 if hit == "power" else 1400) + draws.normal(0, 30, len(times))
        values["node_free"][node] = (1e9 if hit == "leak" else 40e9) * draws.uniform(0.9, 1.1, len(times))
        count = np.cumsum(draws.poisson(8, len(times)))
        values["vllm:ttft_seconds_count"][engine] = count
        values["vllm:ttft_seconds_sum"][engine] = count * 0.2
        for t in np.arange(10.0, 60.0, 10.0):
            numbers = f"{draws.uniform(900, 1500):.1f} tokens/s, Running: {draws.integers(5, 40)} reqs"
            text = f"(APIServer pid={200 + i}) INFO 01-01 00:00:{int(t):02d} [loggers.py:335] Engine 000: {numbers}"
            lines.append(LogLine(float(t), f"engine-{i}", "INFO", text))
        if hit == "xid":
            values["gpu_power"][gpu, 6:] = np.nan
            values["gpu_clock"][gpu, 6:] = np.nan
            text = "NVRM: Xid (PCI:0000:05:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus."
            lines.append(LogLine(31.0, f"node-{i}", "ERROR", f"Jan  1 00:00:31 node-{i} kernel: [86431.000000] {text}"))
            alarms.append(Alarm(36.0, f"gpu-{i}", "TargetDown", "critical", None))
        if hit == "crash":
            text = f"(EngineCore pid={212 + i}) ERROR 01-01 00:00:40 [core.py:9] EngineCore encountered a fatal error."
            lines.append(LogLine(40.0, f"engine-{i}", "ERROR", text))
    requests = draws.poisson(5, 60).cumsum()
    values["requests_total"][0] = requests[np.arange(4, 60, 5)]
    for t in range(0, 60, 2):
        status = 502 if fault in ("crash", "xid") and t > 42 else 200
        request = f'"POST /v1/chat/completions HTTP/1.1" {status} {draws.integers(500, 900)} "-" "x" "-" 1.2'
        lines.append(LogLine(t + 0.5, "gateway", "INFO", f"10.0.0.{t} - - [01/Jan/2026:00:00:{t:02d} +0000] {request}"))
    lines += extra_lines
    lines.sort(key=lambda line: line.time)
    metrics = np.stack([values.get(name, np.full_like(values["gpu_power"], np.nan)) for name in features], axis=1)
    counted = Counter((line.component, line.level) for line in lines)
    return Window(
        0.0, 60.0, 1767225600.0, shape, tuple(features), times, metrics.astype(np.float32), tuple(alarms),
        lambda: lines, lambda since: counted, lambda: (),
    )  # fmt: skip


def labelled(seed: int, fault: str) -> LabelledWindow:
    victim = seed % 3
    part = {"power": "gpu", "xid": "gpu", "crash": "engine", "leak": "node"}
    causes = (f"{part[fault]}-{victim}",) if fault != "none" else ()
    return LabelledWindow(window(seed=seed, fault=fault, victim=victim), fault, causes)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def make_window() -> Callable[..., Window]:
    return window


@pytest.fixture
def make_labelled() -> Callable[[int, str], LabelledWindow]:
    return labelled


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """Four known situations and one (`leak`) that is kept as unknown."""
    corpus = Corpus()
    for seed in range(24):
        for fault in ("none", "power", "xid", "crash"):
            corpus.add(labelled(seed, fault))
    for seed in range(6):
        corpus.add(labelled(seed, "leak"))
    return corpus
