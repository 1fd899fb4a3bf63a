"""The trained interpreter: it learns, repeats, survives its files and says what it does not know."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import Qwen3Config, Qwen3Model

from llm.batch import collate
from llm.config import InterpreterConfig
from llm.dataset import Corpus, LabelledWindow
from llm.interpreter import TrainedInterpreter
from llm.storage import BundleError
from llm.training import split, train
from twin.telemetry.records import LogLine
from twin.telemetry.window import Window

Make = Callable[..., Window]
UNKNOWN = frozenset({"leak"})
SMALL = InterpreterConfig(hidden_size=32, modal_size=32, layers=1, batch=16, learning_rate=4e-3)


@pytest.fixture(scope="module")
def trained(corpus: Corpus) -> TrainedInterpreter:
    return train(corpus, SMALL, seed=1, steps=150, unknown_types=UNKNOWN)


@pytest.fixture
def bundle(trained: TrainedInterpreter, tmp_path: Path) -> Path:
    trained.save(tmp_path / "interpreter")
    return tmp_path / "interpreter"


def test_it_learns_types_and_root_causes_of_windows_it_has_not_seen(
    trained: TrainedInterpreter, make_window: Make
) -> None:
    assert trained.fault_types == ("none", "crash", "power", "xid")
    for fault, cause in (("power", "gpu-1"), ("xid", "gpu-1"), ("crash", "engine-1")):
        diagnosis = trained.interpret(make_window(seed=500, fault=fault, victim=1))
        assert max(diagnosis.fault_types, key=lambda name: diagnosis.fault_types[name]) == fault
        assert max(diagnosis.root_causes, key=lambda name: diagnosis.root_causes[name]) == cause
    assert trained.report["type_accuracy"] > 0.8  # chance is 0.25
    assert trained.report["root_cause_at_1"] > 0.8  # chance is 1/11
    assert trained.report["held_out_windows"] == 20
    assert trained.report["unknown_windows"] == 6


def test_a_diagnosis_is_a_distribution_over_types_and_components(
    trained: TrainedInterpreter, make_window: Make
) -> None:
    diagnosis = trained.interpret(make_window(seed=3))
    assert diagnosis.state.shape == (trained.state_size,)
    assert diagnosis.state.dtype == np.float32
    assert np.abs(diagnosis.state).max() <= 1.0
    assert sum(diagnosis.fault_types.values()) == pytest.approx(1.0)
    assert sum(diagnosis.root_causes.values()) == pytest.approx(1.0)
    assert list(diagnosis.root_causes) == [n.name for n in make_window().topology.components]
    assert 0.0 <= diagnosis.unknown <= 1.0


def test_an_unknown_fault_scores_higher_than_known_windows(trained: TrainedInterpreter, make_window: Make) -> None:
    known = [trained.interpret(make_window(seed=600 + i)).unknown for i in range(4)]
    unknown = [trained.interpret(make_window(seed=600 + i, fault="leak")).unknown for i in range(4)]
    assert np.median(unknown) > max(0.5, np.median(known))
    assert trained.report["unknown_auroc"] > 0.8


def test_evidence_names_what_the_diagnosis_rests_on(trained: TrainedInterpreter, make_window: Make) -> None:
    evidence = trained.interpret(make_window(seed=700, fault="crash", victim=2)).evidence
    assert 0 < len(evidence) <= SMALL.evidence
    assert sum(item.weight for item in evidence) <= 1.0 + 1e-6
    assert "EngineCore encountered a fatal error" in evidence[0].text
    assert evidence[0].component == "engine-2"


def test_it_serves_topologies_kinds_and_names_it_was_not_trained_on(
    trained: TrainedInterpreter, make_window: Make
) -> None:
    larger = trained.interpret(make_window(seed=8, fault="power", victim=5, replicas=7))
    assert len(larger.root_causes) == 23
    assert max(larger.root_causes, key=lambda name: larger.root_causes[name]) == "gpu-5"
    other = make_window(seed=8, kinds={"nginx": "haproxy"}, features=("another_metric", "gpu_power"))
    assert trained.interpret(other).unknown > 0.0


def test_untrusted_text_does_no_harm(trained: TrainedInterpreter, make_window: Make) -> None:
    texts = ["\x00\x1b[31m" * 100, "A" * 5_000_000, "", "<*> <79> {0} %s", "\ud800"]
    lines = [LogLine(50.0 + i, "router", "NOISE", text) for i, text in enumerate(texts)]
    diagnosis = trained.interpret(make_window(extra_lines=lines))
    assert all(item.text.isprintable() and len(item.text) <= 300 for item in diagnosis.evidence)


def test_the_adapter_changes_the_output(trained: TrainedInterpreter, make_window: Make) -> None:
    batch = collate([trained.featurize(make_window(seed=1, fault="power"))], len(trained.vocabulary.metrics))
    with torch.no_grad():
        adapted = trained.network(batch)
        with trained.network.language.without_adapter():
            bare = trained.network(batch)
    assert (adapted.types - bare.types).abs().max() > 1e-3


def test_labels_train_the_adapter_and_leave_the_base_alone(corpus: Corpus) -> None:
    config = replace(SMALL, warm_up=0.5)
    seen: list[str] = []
    result = train(corpus, config, seed=1, steps=6, on_step=lambda step, losses: seen.append(next(iter(losses))))
    assert seen == ["warm_up"] * 3 + ["type"] * 3
    base = result.network.language.base_parameters()
    assert base and not any(parameter.requires_grad for parameter in base)


def test_padding_and_order_of_other_windows_do_not_matter(trained: TrainedInterpreter, make_window: Make) -> None:
    windows = [trained.featurize(make_window(seed=i, fault="xid", replicas=2 + i)) for i in range(3)]
    together = trained.states(windows)
    for window, state in zip(windows, together, strict=True):
        np.testing.assert_allclose(trained.states([window])[0], state, atol=2e-5)


def test_the_same_seed_and_steps_give_the_same_interpreter(corpus: Corpus, make_window: Make) -> None:
    window = make_window(seed=5, fault="xid")
    first, again, other = (
        train(corpus, SMALL, seed=seed, steps=4, unknown_types=UNKNOWN).interpret(window) for seed in (3, 3, 4)
    )
    assert first.state.tobytes() == again.state.tobytes()
    assert first.unknown == again.unknown
    assert first.state.tobytes() != other.state.tobytes()


def test_training_stops_on_its_clock_and_says_so(corpus: Corpus) -> None:
    losses: list[dict[str, float]] = []
    interpreter = train(
        corpus, SMALL, seed=1, seconds=0.5, steps=10**6, on_step=lambda step, found: losses.append(found)
    )
    assert interpreter.report["stopped_by"] == "clock"
    assert 0.5 <= interpreter.report["seconds"] < 3.0
    assert interpreter.report["steps"] == len(losses) > 0
    assert train(corpus, SMALL, seed=1, steps=2).report["stopped_by"] == "steps"


def test_training_without_an_end_or_without_faults_is_refused(corpus: Corpus, make_window: Make) -> None:
    with pytest.raises(ValueError, match="seconds, steps or both"):
        train(corpus, SMALL, seed=1)
    healthy = Corpus()
    healthy.add(LabelledWindow(make_window(), "none", ()))
    with pytest.raises(ValueError, match="2 types or more"):
        train(healthy, SMALL, seed=1, steps=1)


@pytest.mark.parametrize("part", ["logs", "metrics", "alarms", "neighbours", "echo"])
def test_each_part_can_be_switched_off(corpus: Corpus, make_window: Make, tmp_path: Path, part: str) -> None:
    interpreter = train(corpus, replace(SMALL, **{part: False}), seed=1, steps=2)  # type: ignore[arg-type]
    interpreter.save(tmp_path)
    window = make_window(fault="xid")
    again = TrainedInterpreter.load(tmp_path)
    assert again.interpret(window).state.tobytes() == interpreter.interpret(window).state.tobytes()


def test_prompt_and_adapter_can_be_switched_off(corpus: Corpus, make_window: Make, tmp_path: Path) -> None:
    interpreter = train(corpus, replace(SMALL, lora_rank=0, prompt_tokens=0, warm_up=0.0), seed=1, steps=2)
    interpreter.save(tmp_path)
    assert not (tmp_path / "adapter").exists()
    assert TrainedInterpreter.load(tmp_path).interpret(make_window()).fault_types.keys() == set(interpreter.fault_types)


def test_held_out_runs_are_never_split(make_window: Make) -> None:
    corpus = Corpus()
    for run in range(6):
        for fault, causes in (("none", ()), ("power", ("gpu-0",))):
            corpus.add(LabelledWindow(make_window(seed=run, fault=fault), fault, causes, run=f"run {run}"))
    held_out = split(corpus.examples, 0.34, np.random.default_rng(0))
    out = {e.run for e, kept in zip(corpus.examples, held_out, strict=True) if kept}
    assert len(out) == 2
    assert all(kept == (e.run in out) for e, kept in zip(corpus.examples, held_out, strict=True))


def test_a_saved_interpreter_says_the_same(trained: TrainedInterpreter, bundle: Path, make_window: Make) -> None:
    again = TrainedInterpreter.load(bundle)
    for fault in ("none", "xid", "leak"):
        before, after = (which.interpret(make_window(seed=9, fault=fault)) for which in (trained, again))
        assert before.state.tobytes() == after.state.tobytes()
        assert (before.fault_types, before.root_causes) == (after.fault_types, after.root_causes)
        assert (before.unknown, before.evidence) == (after.unknown, after.evidence)
    assert again.report == trained.report


def test_a_bundle_holds_safetensors_and_json_only(bundle: Path) -> None:
    files = sorted(str(p.relative_to(bundle)) for p in bundle.rglob("*") if p.is_file())
    assert files == [
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "base/model.safetensors",
        "interpreter.json",
        "novelty.safetensors",
        "projector.safetensors",
        "templates.json",
    ]
    manifest = json.loads((bundle / "interpreter.json").read_text())
    assert set(manifest["sha256"]) == set(files) - {"interpreter.json"}
    assert manifest["base"]["id"] == "tiny"
    assert all("lora_" in name for name in load_file(bundle / "adapter" / "adapter_model.safetensors"))


@pytest.mark.parametrize("name", ["projector.safetensors", "templates.json", "adapter/adapter_model.safetensors"])
def test_an_altered_or_missing_file_is_refused_by_name(bundle: Path, name: str) -> None:
    content = bytearray((bundle / name).read_bytes())
    content[-2] ^= 1
    (bundle / name).write_bytes(bytes(content))
    with pytest.raises(BundleError, match=rf"{name}: was altered"):
        TrainedInterpreter.load(bundle)
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=rf"{name}: is missing"):
        TrainedInterpreter.load(bundle)


def test_a_folder_without_a_manifest_or_of_another_format_is_refused(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="holds no interpreter"):
        TrainedInterpreter.load(tmp_path)
    manifest = json.loads((bundle / "interpreter.json").read_text())
    for change, message in (
        ({"format": "healtwin-interpreter/9"}, "format"),
        ({"sha256": {"../secret": ""}}, "outside of the folder"),
        ({"config": {"no_such": 1}}, "cannot be read as an interpreter"),
    ):
        (bundle / "interpreter.json").write_text(json.dumps(manifest | change))
        with pytest.raises(BundleError, match=message):
            TrainedInterpreter.load(bundle)


def test_a_local_base_model_is_used_frozen_and_checked(corpus: Corpus, make_window: Make, tmp_path: Path) -> None:
    def save_base(seed: int) -> None:
        torch.manual_seed(seed)
        settings = Qwen3Config(
            vocab_size=16, hidden_size=48, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4,
            num_key_value_heads=2, head_dim=12,
        )  # fmt: skip
        shutil.rmtree(tmp_path / "base", ignore_errors=True)
        Qwen3Model(settings).save_pretrained(tmp_path / "base")

    save_base(0)
    weights = load_file(tmp_path / "base" / "model.safetensors")
    config = replace(SMALL, base=str(tmp_path / "base"))
    interpreter = train(corpus, config, seed=1, steps=10)
    assert interpreter.network.language.width == 48
    after = interpreter.network.language.base.state_dict()
    assert torch.equal(weights["layers.0.mlp.up_proj.weight"], after["layers.0.mlp.up_proj.base_layer.weight"])
    interpreter.save(tmp_path / "out")
    assert not (tmp_path / "out" / "base").exists()
    again = TrainedInterpreter.load(tmp_path / "out")
    window = make_window(fault="power")
    assert again.interpret(window).state.tobytes() == interpreter.interpret(window).state.tobytes()
    save_base(1)
    with pytest.raises(BundleError, match="is not the one trained on"):
        TrainedInterpreter.load(tmp_path / "out")


def test_a_base_that_cannot_be_loaded_is_named(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot load the base model"):
        train(corpus, replace(SMALL, base=str(tmp_path)), seed=1, steps=1)


@pytest.mark.parametrize("change", [{"hidden_size": 30}, {"warm_up": 1.0}, {"held_out": 0.0}, {"lora_rank": -1}])
def test_settings_out_of_range_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must be|is a share"):
        replace(SMALL, **change)  # type: ignore[arg-type]


def test_falling_silent_differs_from_never_having_had_a_metric(corpus: Corpus, make_window: Make) -> None:
    interpreter = train(corpus, SMALL, seed=1, steps=1)
    encoder, names = interpreter.network.encoder.metrics, interpreter.vocabulary.metrics
    assert encoder is not None
    window = make_window(fault="xid", victim=1)
    gpus = [window.topology.index[f"gpu-{i}"] for i in range(3)]
    window.metrics[gpus[0]] = np.nan  # answered nothing all along
    window.metrics[gpus[2], window.features.index("gpu_power")] = np.nan  # never had this one
    batch = collate([interpreter.featurize(window)], len(names))
    gone = encoder.gone(batch, batch.kinds)[0, gpus, names["gpu_power"]]
    assert gone.tolist() == [1.0, 1.0, 0.0]


def test_importing_the_package_loads_no_heavy_library() -> None:
    code = "import llm.diagnosis, llm.dataset, sys; print(sorted({'torch', 'transformers', 'peft'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
