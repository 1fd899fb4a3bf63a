"""An interpreter on disk: safetensors and JSON, listed with their hashes in a manifest.

interpreter.json             manifest: format, config, base and revision, types, vocabulary, report, hashes
templates.json               the template table
projector.safetensors        encoders, projector, soft prompt and heads
novelty.safetensors          the unknown score's class centroids and calibration
adapter/                     the LoRA adapter, as peft writes it
base/                        the base's weights, for `tiny` only
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import peft
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel, Qwen3Model

from llm.config import TINY, InterpreterConfig
from llm.interpreter import TrainedInterpreter
from llm.language import build_base, revision_of, tiny_config
from llm.modal.components import Sizes
from llm.network import Network
from llm.novelty import Novelty
from llm.templates import Templates
from llm.vocabulary import Vocabulary

FORMAT = "healtwin-interpreter/1"
MANIFEST = "interpreter.json"


class BundleError(ValueError):
    """A saved interpreter cannot be used; the message says which file and why."""


def save(interpreter: TrainedInterpreter, folder: Path) -> None:
    """Write an interpreter; files of an older one in the folder are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    network, files = interpreter.network, ["templates.json", "projector.safetensors", "novelty.safetensors"]
    _write_json(folder / "templates.json", interpreter.templates.to_json())
    own = {name: value.contiguous() for name, value in network.own_state().items()}
    save_file(own, folder / "projector.safetensors")
    save_arrays(interpreter.novelty.tensors(), folder / "novelty.safetensors")
    if isinstance(network.language.model, peft.PeftModel):
        network.language.model.save_pretrained(str(folder / "adapter"), save_embedding_layers=False)
        (folder / "adapter" / "README.md").unlink(missing_ok=True)
        files += ["adapter/adapter_config.json", "adapter/adapter_model.safetensors"]
    if interpreter.config.base == TINY:
        (folder / "base").mkdir(exist_ok=True)
        save_file(_base_state(network), folder / "base" / "model.safetensors")
        files.append("base/model.safetensors")
    language = network.language
    manifest = {
        "format": FORMAT,
        "base": {"id": interpreter.config.base, "revision": interpreter.revision, "width": language.width},
        "config": asdict(interpreter.config),
        "types": list(interpreter.fault_types),
        "vocabulary": interpreter.vocabulary.to_json(),
        "report": interpreter.report,
        "sha256": {name: _hash(folder / name) for name in files},
    }
    _write_json(folder / MANIFEST, manifest)


def load(folder: Path) -> TrainedInterpreter:
    """Read an interpreter back. Raises BundleError where a file is missing, altered or of another format."""
    manifest = _manifest(folder)
    try:
        config = InterpreterConfig(**manifest["config"])
        vocabulary = Vocabulary.from_json(manifest["vocabulary"])
        templates = Templates.from_json(json.loads((folder / "templates.json").read_text(encoding="utf-8")))
        types = tuple(str(name) for name in manifest["types"])
        novelty = Novelty.from_tensors(load_arrays(folder / "novelty.safetensors"))
        own = load_file(folder / "projector.safetensors")
        sizes = Sizes(len(vocabulary.kinds), len(vocabulary.metrics), len(vocabulary.rules), len(templates))
        network = _network(folder, config, manifest["base"], sizes, len(types))
        missing = network.load_state_dict(own, strict=False)
    except BundleError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError, OSError, SafetensorError) as error:
        raise BundleError(f"{folder}: cannot be read as an interpreter: {error}") from error
    lost = [name for name in missing.missing_keys if not name.startswith("language.model.")] + missing.unexpected_keys
    if lost:
        raise BundleError(f"{folder / 'projector.safetensors'}: does not fit the manifest, at {lost[0]}")
    return TrainedInterpreter(
        network, config, manifest["base"]["revision"], types, vocabulary, templates, novelty, manifest["report"]
    )


def _manifest(folder: Path) -> dict[str, Any]:
    """The manifest, after every file's hash was checked."""
    file = folder / MANIFEST
    if not file.is_file():
        raise BundleError(f"{folder} holds no interpreter: {MANIFEST} is missing. Train one, or name its folder")
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        found, hashes = manifest["format"], dict(manifest["sha256"])
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{file}: is no manifest of an interpreter: {error}") from error
    if found != FORMAT:
        raise BundleError(f"{file}: format {found!r}, this version reads {FORMAT!r}")
    for name, expected in hashes.items():
        part = folder / name
        if not part.resolve().is_relative_to(folder.resolve()):
            raise BundleError(f"{file}: names a file outside of the folder: {name}")
        if not part.is_file():
            raise BundleError(f"{part}: is missing; copy the whole folder again")
        if _hash(part) != expected:
            raise BundleError(f"{part}: was altered since it was saved (sha256 differs); copy the whole folder again")
    assert isinstance(manifest, dict)
    return manifest


def _network(folder: Path, config: InterpreterConfig, base: dict[str, Any], sizes: Sizes, types: int) -> Network:
    """The network with its base and adapter weights, without those of `projector.safetensors`."""
    with torch.random.fork_rng(devices=[]):
        if config.base == TINY:
            model: PreTrainedModel = Qwen3Model(tiny_config(config))
            model.load_state_dict(load_file(folder / "base" / "model.safetensors"))
        else:
            model = build_base(config)
            found = revision_of(model, config)
            if found != base["revision"]:
                trained = base["revision"]
                raise BundleError(f"base model {config.base!r} is not the one trained on: {found}, not {trained}")
        network = Network(model, sizes, types, config)
        if isinstance(network.language.model, peft.PeftModel):
            adapter = load_file(folder / "adapter" / "adapter_model.safetensors")
            expected = peft.get_peft_model_state_dict(network.language.model, save_embedding_layers=False)
            if {k: v.shape for k, v in adapter.items()} != {k: v.shape for k, v in expected.items()}:
                raise BundleError(f"{folder / 'adapter'}: does not fit the base model {config.base!r}")
            peft.set_peft_model_state_dict(network.language.model, adapter)
    return network


def _base_state(network: Network) -> dict[str, torch.Tensor]:
    """The base's weights by their own names, without the adapter's layers around them."""
    return {
        name.replace(".base_layer.", "."): value.contiguous()
        for name, value in network.language.base.state_dict().items()
        if "lora_" not in name
    }


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _write_json(file: Path, data: dict[str, Any]) -> None:
    file.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")
