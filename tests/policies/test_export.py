"""Bundles: the graph is the network, the gate is kept, and nothing that was changed is run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from policies.actor import NetworkPolicy
from policies.bundle import BundleError, BundlePolicy, open_bundle
from policies.export import ExportRefused, export
from policies.gate import GateVerdict
from policies.network import NetworkConfig, PolicyNetwork
from policies.onnx_graph import TOLERANCE, largest_difference, random_inputs, write_graph
from policies.statistics import Interval

FAILED = GateVerdict(
    False, ("mean +3.0 [-1.0, +7.0]; the interval must be below 0",), 30, 30, Interval(3, -1, 7, 30), 0, 0
)
PASSED = GateVerdict(True, (), 30, 30, Interval(-3, -4, -2, 30), 1, 2)


def test_onnx_equals_torch_for_any_batch_and_size_with_a_diagnosis(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = PolicyNetwork(NetworkConfig(12, 5, 5, 2, 7, 2, state=4, types=3, width=16, layers=2))
    difference = write_graph(network, tmp_path / "p.onnx")  # tries (batch, N) of 1x16, 3x5, 1x2, 2x64 and 1x256
    assert difference <= TOLERANCE
    assert [p.name for p in tmp_path.iterdir()] == ["p.onnx"]  # one file, no external data
    graph = (tmp_path / "p.onnx").read_bytes()
    assert b".py" not in graph and str(Path(__file__).parents[2]).encode() not in graph  # no paths of this machine
    with torch.no_grad():
        network.category.bias[0] += 0.01
    assert largest_difference(network, tmp_path / "p.onnx") > TOLERANCE


def test_a_bundle_acts_as_the_network_does(policy: NetworkPolicy, bundle_folder: Path) -> None:
    deployed = BundlePolicy(open_bundle(bundle_folder))
    observations = random_inputs(policy.network.config, 8, 64, seed=3)
    for mode in ("argmax", "sample"):
        policy.mode = deployed.mode = mode  # type: ignore[assignment]
        policy.reset(4), deployed.reset(4)
        for i in range(8):
            observation = {name: values[i] for name, values in observations.items()}
            np.testing.assert_array_equal(policy.act(observation), deployed.act(observation))
    policy.mode = "argmax"


def test_the_description_says_all_that_deployment_needs(bundle_folder: Path) -> None:
    manifest = json.loads((bundle_folder / "policy.json").read_text())
    assert manifest["validated"] is True and manifest["gate_attempts"] == 2
    assert manifest["validation"]["difference"]["high"] == -2
    assert manifest["actions"]["categories"][0] == "noop"
    assert set(manifest["sha256"]) == {"policy.onnx", "interpreter/adapter/adapter.safetensors"}
    assert manifest["hashes"] == {"scenarios/a.yaml": "00"} and manifest["metadata"] == {"run": "r1"}
    assert {"python", "torch", "onnxruntime"} <= manifest["versions"].keys()
    assert manifest["decision"] == "argmax" and manifest["outputs"] == ["category", "target", "parameter", "value"]


def test_a_changed_or_missing_file_is_not_run(bundle_folder: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(bundle_folder, copy)
    file = copy / "interpreter" / "adapter" / "adapter.safetensors"
    file.write_bytes(b"other")
    with pytest.raises(BundleError, match=r"adapter\.safetensors.*sha256"):
        open_bundle(copy)
    file.unlink()
    with pytest.raises(BundleError, match="not a complete bundle"):
        open_bundle(copy)
    with pytest.raises(BundleError, match=r"policy\.json"):
        open_bundle(tmp_path)


def test_what_fails_the_gate_is_refused_with_its_numbers(policy: NetworkPolicy, tmp_path: Path) -> None:
    with pytest.raises(ExportRefused, match=r"\+3\.0 \[-1\.0, \+7\.0\]"):
        export(policy, tmp_path / "bundle", verdict=FAILED, gate_attempts=1)
    with pytest.raises(ExportRefused, match="not validated"):
        export(policy, tmp_path / "bundle", verdict=None, gate_attempts=0)
    assert not (tmp_path / "bundle").exists()


def test_unvalidated_is_written_and_marked(
    policy: NetworkPolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("policies.export.write_graph", lambda network, path: path.write_bytes(b"graph") * 0.0)
    bundle = export(policy, tmp_path / "bundle", verdict=FAILED, gate_attempts=3, unvalidated=True)
    assert not bundle.validated
    assert bundle.manifest["unvalidated_because"] == list(FAILED.failures)
    assert bundle.manifest["gate_attempts"] == 3 and bundle.interpreter is None


def test_neither_a_full_folder_nor_a_pickle_is_taken(policy: NetworkPolicy, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BundleError, match="not empty"):
        export(policy, tmp_path, verdict=PASSED, gate_attempts=1)
    (tmp_path / "interpreter").mkdir()
    (tmp_path / "interpreter" / "model.bin").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"model\.bin"):
        export(policy, tmp_path / "b", verdict=PASSED, gate_attempts=1, interpreter=tmp_path / "interpreter")


def test_a_file_that_was_put_into_a_bundle_is_not_read(bundle_folder: Path, tmp_path: Path) -> None:
    changed = tmp_path / "bundle"
    shutil.copytree(bundle_folder, changed)
    (changed / "interpreter" / "extra.json").write_text("{}")
    with pytest.raises(BundleError, match=r"extra\.json was not exported with the bundle"):
        open_bundle(changed)


@pytest.mark.parametrize("key", ["interpreter", "inputs", "decision"])
def test_a_description_that_lacks_a_part_is_said_to(bundle_folder: Path, tmp_path: Path, key: str) -> None:
    changed = tmp_path / "bundle"
    shutil.copytree(bundle_folder, changed)
    manifest = json.loads((changed / "policy.json").read_text())
    del manifest[key]
    (changed / "policy.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=f"lacks {key}"):
        open_bundle(changed)


def test_a_graph_without_a_hash_is_not_run(bundle_folder: Path, tmp_path: Path) -> None:
    changed = tmp_path / "bundle"
    shutil.copytree(bundle_folder, changed)
    manifest = json.loads((changed / "policy.json").read_text())
    del manifest["sha256"]["policy.onnx"]
    (changed / "policy.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"policy\.onnx was not exported"):
        open_bundle(changed)
