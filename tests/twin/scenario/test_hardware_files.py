"""GPUs and models from files: what ships, one's own, and what a wrong file is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin.scenario import Scenario, ScenarioError, hardware
from twin.world import World

GPU = """\
apiVersion: healtwin/v1
kind: GPU
metadata: {name: mine, title: My GPU}
spec:
  source: a guess
  productName: Mine
  memory: 48GB
  bandwidth: {value: 900GB/s, source: its box}
  compute: 150TFLOPS
  multiprocessors: 84
  powerLimit: 300W
  idlePower: 20W
  clock: 1.8GHz
  minClock: 210MHz
  memoryEfficiency: 80%
  computeEfficiency: 0.7
  attention: flash-attention-2
  link: {bandwidth: 32GB/s, latency: 15us}
"""
MODEL = (hardware.shipped("Model")["llama-3.1-8b"]).read_text(encoding="utf-8")
SCENARIO = """\
apiVersion: healtwin/v1
kind: Scenario
metadata: {name: mine}
spec:
  cluster: {kind: inference, preset: small, gpu: GPU}
  workload: {arrivals: {poisson: 1/s}, prompt: 100, output: 20}
  slo: {success: 99%}
  horizon: 70s
"""


@pytest.mark.parametrize("name", sorted(hardware.shipped("GPU")))
def test_every_constant_of_a_shipped_gpu_has_its_source(name):
    entry = hardware.gpu_entry(name)
    assert entry.item.name == name
    assert set(entry.sources) == set(entry.values)
    assert all(len(source) > 6 for source in entry.sources.values())
    assert 0.4 < entry.item.memory_efficiency <= 1.0


@pytest.mark.parametrize("name", sorted(hardware.shipped("Model")))
def test_every_shipped_model_names_the_file_its_shape_is_from(name):
    entry = hardware.model_entry(name)
    assert entry.item.name == name
    assert all("config.json of" in source for source in entry.sources.values())
    assert entry.item.served_name in entry.sources["layers"]


def test_a_gpu_of_ones_own_lies_beside_the_scenario_by_path_or_by_name(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text(GPU, encoding="utf-8")
    for written in ("./mine.yaml", "mine.yaml", "mine"):
        file = tmp_path / "scenario.yaml"
        file.write_text(SCENARIO.replace("GPU", written), encoding="utf-8")
        resolved = Scenario.load(file).resolve()
        world = World(resolved, seed=1)
        gpu = world.components["gpu-0"].model  # type: ignore[attr-defined]
        assert (gpu.model_name, gpu.memory, gpu.bandwidth, gpu.clock) == ("Mine", 48e9, 900e9, 1800.0)
        assert gpu.link.latency == pytest.approx(15e-6)
    assert hardware.gpu_entry(str(tmp_path / "mine.yaml")).sources["bandwidth"] == "its box"
    assert hardware.gpu_entry(str(tmp_path / "mine.yaml")).sources["memory"] == "a guess"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("memory: 48GB", "memory: 48", "a size needs a unit"),
        ("memory: 48GB", "memori: 48GB", "did you mean 'memory'?"),
        ("  multiprocessors: 84\n", "", "missing key 'multiprocessors'"),
        ("  source: a guess\n", "", "'productName' has no source"),
        ("source: its box", "sauce: its box", "did you mean 'source'?"),
        ("0.7", "1.7", "less than or equal to 1"),
        ("150TFLOPS", "150TOPS", "a throughput needs a unit of FLOPS"),
        ("minClock: 210MHz", "minClock: 2100MHz", "minClock is above clock"),
        ("flash-attention-2", "flash-attention-4", "did you mean 'flash-attention-"),
        ("latency: 15us", "latenzy: 15us", "did you mean 'latency'?"),
        ("kind: GPU", "kind: Model", "expected kind: GPU, got 'Model'"),
        ("metadata: {name: mine, title: My GPU}", "metadata: {title: My GPU}", "missing key 'name'"),
    ],
)
def test_a_wrong_gpu_file_is_told_where_and_what(tmp_path: Path, old: str, new: str, says: str):
    assert old in GPU
    file = tmp_path / "mine.yaml"
    file.write_text(GPU.replace(old, new), encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        hardware.gpu(str(file))
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"{file}:")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("keyValueHeads: 8", "keyValueHeads: 7", "cannot share 7 key-value heads evenly"),
        ("layers: 32", "layers: 0", "greater than or equal to 1"),
        ("layers: 32", "layers: 32\n  experts: {number: 4, perToken: 8, intermediateSize: 64}", "8 of 4 experts"),
    ],
)
def test_a_wrong_model_file_is_told_where_and_what(tmp_path: Path, old: str, new: str, says: str):
    file = tmp_path / "mine.yaml"
    file.write_text(MODEL.replace(old, new), encoding="utf-8")
    with pytest.raises(ScenarioError, match=says) as caught:
        hardware.model(str(file))
    assert str(caught.value).startswith(f"{file}:")


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("spec.cluster.gpu=h100", "spec.cluster.gpu: no GPU 'h100' (did you mean 'h100-sxm'?)"),
        ("spec.cluster.gpu=a100", "did you mean 'a100-sxm-40gb' or 'a100-sxm-80gb'?"),
        ("spec.cluster.model=llama-3.1-9b", "no Model 'llama-3.1-9b' (did you mean 'llama-3.1-8b'?)"),
        ("spec.cluster.gpu=./nowhere.yaml", "no such file"),
    ],
)
def test_an_unknown_name_lists_the_nearest(override: str, says: str):
    with pytest.raises(ScenarioError) as caught:
        Scenario.load("inference-healthy", [override]).resolve()
    assert says in str(caught.value)


def test_the_files_in_the_documentation_are_read(tmp_path: Path):
    document = Path(__file__).resolve().parents[3] / "docs" / "hardware.md"
    blocks = [b.partition("```")[0] for b in document.read_text(encoding="utf-8").split("```yaml\n")[1:]]
    read = {}
    for block in blocks[1:]:
        file = tmp_path / "file.yaml"
        file.write_text(block, encoding="utf-8")
        kind = hardware.kind_of(file)
        read[kind] = hardware.gpu(str(file)) if kind == "GPU" else hardware.model(str(file))
        file.unlink()
    assert read["GPU"].multiprocessors == 142
    assert read["Model"].parameters == hardware.model("qwen3-30b-a3b").parameters


def test_heads_that_gpus_cannot_share_are_refused():
    overrides = ["spec.cluster.model=falcon-h1-7b", "spec.cluster.engine={tensorParallelSize: 8}"]
    with pytest.raises(ScenarioError, match="12 attention heads cannot be shared evenly by 8 GPUs") as caught:
        World(Scenario.load("inference-healthy", overrides).resolve(), seed=0)
    assert caught.value.path[-1] == "tensorParallelSize"


def test_a_model_that_does_not_fit_is_told_the_sum():
    scenario = Scenario.load("inference-healthy", ["spec.cluster.gpu=l4", "spec.cluster.model=qwen3-32b"])
    with pytest.raises(ScenarioError) as caught:
        World(scenario.resolve(), seed=0)
    message = str(caught.value)
    assert "spec.cluster.model: qwen3-32b does not fit l4: of 22.2 GB (0.92 x 24.1 GB)" in message
    assert "weights take 65.5 GB" in message and "0 KV blocks" in message
