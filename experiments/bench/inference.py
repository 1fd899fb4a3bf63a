"""`bench inference`: how fast the LLM twin is, how much memory it needs, what telemetry costs it.

Speeds are per CPU-second of one process. Vidur's figures, the anchors, are 4,750 engine steps/s and 175 to 240
requests/s, measured on a machine of this class, without faults and without telemetry.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from experiments.bench.rows import Row, at_least, at_most, per_cpu_second, skipped
from twin.inference.engine import Engine
from twin.inference.replica import Replica
from twin.scenario import Scenario
from twin.world import World

VIDUR_STEPS = 4_750.0
VIDUR_REQUESTS = (175.0, 240.0)
AZURE = Path("llm_traces") / "azure2023_conv.csv.gz"
AZURE_REQUESTS = 19_366
DAY = 86_400.0
BESIDE = ("experiments.bench.physics", "experiments.bench.telemetry_of_gpu")
"""Modules with rows of their own, each `rows(data) -> Iterator[Row]`, shown where they are there."""


def rows(quick: bool, data: Path | None = None, long: bool = False) -> Iterator[Row]:
    """The rows of the benchmark, as they are measured; `data` holds traces and profiles, `long` adds the 24 hours."""
    seconds = 1.0 if quick else 4.0
    yield from _steps(seconds)
    yield from _testbed(seconds)
    yield from _azure(data)
    yield from _fleet(quick)
    yield from _telemetry(3 if quick else 9)
    yield from _memory(quick, long)
    for name in BESIDE:
        if find_spec(name) is None:
            continue
        if data is None:
            yield skipped(name.rpartition(".")[2].replace("_", " "), "needs --data DIR")
        else:
            yield from import_module(name).rows(data)


def testbed(telemetry: str = "{scrape: 5s, profile: paper}", horizon: float = 405.0) -> Scenario:
    """One case of the testbed: four engines, 5 requests/s of 512 and 256 tokens, one GPU capped for a minute."""
    return Scenario.load("gpu-power-cap-testbed", [f"spec.telemetry={telemetry}", f"spec.horizon={horizon}s"])


def _scenario(cluster: dict[str, Any], workload: dict[str, Any], horizon: float) -> Scenario:
    spec = {"cluster": {"kind": "inference", **cluster}, "workload": workload, "horizon": f"{horizon}s"}
    spec |= {"slo": {"success": "99%"}, "control": {"warmup": "0s"}}
    head = {"apiVersion": "healtwin/v1", "kind": "Scenario", "metadata": {"name": "bench"}}
    return Scenario.parse(json.dumps({**head, "spec": spec}))


# --- engine steps ---------------------------------------------------------------------------------------------------

LOADS = {"decoding": (512, 2500), "512/256": (512, 256)}
"""Closed loops of so many users: prompt and output tokens. The first all but decodes; in the second a prompt is in
every tenth step or so."""


def _steps(seconds: float) -> Iterator[Row]:
    for skip_ahead, users_of, bar in ((False, (4, 32, 128), 60_000.0), (True, (4, 32, 128), 600_000.0)):
        mode = "skip-ahead" if skip_ahead else "per step"
        for load in LOADS:
            for users in users_of:
                speed = engine_steps(load, users, skip_ahead, seconds / 2)
                name = f"engine, {mode}: {users} running, {load}"
                anchor = f"Vidur: {VIDUR_STEPS:,.0f}; {speed / VIDUR_STEPS:.1f} x"
                if users == 32 and load == "decoding":
                    yield at_least(name, speed, "steps / CPU-s", bar, anchor)
                else:
                    yield Row(name, speed, "steps / CPU-s", anchor=anchor)


def engine_steps(load: str, users: int, skip_ahead: bool, seconds: float) -> float:
    """Steps per CPU-second of one engine with an 8B model on an 80 GB GPU, in its world, scraped and logging."""
    prompt, output = LOADS[load]
    cluster = {"preset": "small", "gpu": "a100-sxm-80gb", "replicas": 1, "spares": 0}
    workload = {"arrivals": {"concurrency": {"users": users}}, "prompt": prompt, "output": output}
    world = World(_scenario(cluster, workload, DAY), seed=1)
    replica = next(c for c in world.components.values() if isinstance(c, Replica))
    engine = replica.engine
    assert isinstance(engine, Engine)
    engine.skip_ahead = skip_ahead
    world.run(until=30.0)

    def stretch() -> float:
        began = engine.steps
        world.run(until=world.now + (300.0 if skip_ahead else 60.0))
        world.recorder.forget(before=world.now - 60.0)
        return float(engine.steps - began)

    return per_cpu_second(stretch, seconds)


# --- whole clusters -------------------------------------------------------------------------------------------------


def _lived(scenario: Scenario, seed: int = 1) -> World:
    world = World(scenario, seed=seed)
    world.run()
    return world


def _testbed(seconds: float) -> Iterator[Row]:
    case = testbed()
    speed = per_cpu_second(lambda: _lived(case).now, seconds)
    low, high = VIDUR_REQUESTS
    anchor = f"5 requests/s: {5 * speed:,.0f} requests / CPU-s; Vidur: {low:.0f} to {high:.0f}"
    yield at_least("testbed case, everything recorded", speed, "simulated s / CPU-s", 1000.0, anchor)


def _azure(data: Path | None) -> Iterator[Row]:
    name = f"Azure hour, {AZURE_REQUESTS:,} requests, 4 engines"
    trace = None if data is None else data / AZURE
    if trace is None or not trace.exists():
        yield skipped(name, "needs --data DIR" if trace is None else f"no {trace}")
        return
    cluster = {"preset": "small", "gpu": "a100-sxm-80gb", "replicas": 4, "engine": {"maxModelLen": 16384}}
    scenario = _scenario(cluster, {"trace": str(trace.resolve())}, 3700.0)
    began = time.process_time()
    world = _lived(scenario)
    took = time.process_time() - began
    served = sum(r.engine.generation_tokens for r in _replicas(world) if r.engine is not None)
    low, high = VIDUR_REQUESTS
    anchor = f"{AZURE_REQUESTS / took:,.0f} requests / CPU-s ({served:,} tokens); Vidur: {low:.0f} to {high:.0f}"
    yield at_most(name, took, "CPU-s", 6.0, anchor)


def _fleet(quick: bool) -> Iterator[Row]:
    cluster = {"preset": "small", "gpu": "a100-sxm-80gb", "replicas": 64, "spares": 0, "gpusPerNode": 4}
    workload = {"arrivals": {"poisson": "200/s"}, "prompt": 512, "output": 256}
    horizon = 60.0 if quick else 180.0
    world = World(_scenario(cluster, workload, horizon), seed=1)
    nodes = sum(c.kind == "node" for c in world.components.values()) - 1
    began = time.process_time()
    world.run()
    speed = horizon / (time.process_time() - began)
    anchor = f"{200 * speed:,.0f} requests / CPU-s; Vidur: {VIDUR_REQUESTS[0]:.0f} to {VIDUR_REQUESTS[1]:.0f}"
    yield at_least(f"64 GPUs, {nodes} nodes, 200 requests/s", speed, "simulated s / CPU-s", 20.0, anchor)


def _replicas(world: World) -> list[Replica]:
    return [c for c in world.components.values() if isinstance(c, Replica)]


def _telemetry(pairs: int) -> Iterator[Row]:
    """The same case with and without, in turns: the machine's mood hits both alike."""
    cases = {"off": testbed("off"), "recorded": testbed("{mode: recorded, profile: paper}")}
    took: dict[str, list[float]] = {mode: [] for mode in cases}
    for _ in range(pairs):
        for mode, case in cases.items():
            world = World(case, seed=1)
            began = time.process_time()
            world.run()
            took[mode].append(time.process_time() - began)
    ratio = median(on / off for on, off in zip(took["recorded"], took["off"], strict=True))
    anchor = f"off: {median(took['off']):.3f} CPU-s; medians of {pairs} turns"
    yield at_most("telemetry recorded, of off", ratio, "ratio", 1.15, anchor)


# --- memory ---------------------------------------------------------------------------------------------------------


def _memory(quick: bool, long: bool) -> Iterator[Row]:
    name = "24 simulated hours streamed to disk, peak memory"
    if quick:
        yield skipped(name, "needs --long")
        return
    short = _streamed(DAY / 12)
    told = f"2 h: {short['peak']:,.0f} MiB, {short['disk']:,.0f} MiB on disk, {short['cpu']:,.0f} CPU-s"
    if not long:
        yield at_most(name.replace("24 simulated", "2 simulated"), short["peak"], "MiB", 1024.0, "24 h: --long")
        return
    day = _streamed(DAY)
    anchor = f"{told}; 24 h: {day['disk']:,.0f} MiB on disk, {day['cpu']:,.0f} CPU-s"
    yield at_most(name, day["peak"], "MiB", 1024.0, anchor)
    yield at_most("24 simulated hours: peak memory, of 2 h's", day["peak"] / short["peak"], "ratio", 1.25, told)


def _streamed(horizon: float) -> dict[str, float]:
    """What `streamed` says in a process of its own, whose peak is nobody else's."""
    program = f"import json; from {__name__} import streamed; print(json.dumps(streamed({horizon})))"
    done = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def streamed(horizon: float) -> dict[str, float]:
    """Simulate the testbed for that long into a folder; peak memory and disk (MiB), CPU-seconds."""
    from experiments.simulate import simulate

    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        simulate(testbed(horizon=horizon), Path(folder) / "run", seed=1, track=False)
        cpu = time.process_time() - began
        disk = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    return {"peak": _peak(), "disk": disk / 2**20, "cpu": cpu}


def _peak() -> float:
    """MiB that this process has held at most. Linux hands ru_maxrss on from who started a process; VmHWM is its own."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    own = next((line.split()[1] for line in lines if line.startswith("VmHWM")), None)
    if own is not None:
        return float(own) / 1024.0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
