"""Parameters that follow from shapes, against what the publishers state."""

from __future__ import annotations

import pytest

from twin.scenario import hardware

PUBLISHED = {
    "llama-2-7b": 6_738_415_616,
    "llama-2-70b": 68_976_648_192,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "mistral-7b": 7_248_023_552,
    "mixtral-8x7b": 46_702_792_704,
    "qwen-2.5-7b": 7_615_616_512,
    "qwen3-4b": 4_022_468_096,
    "qwen3-8b": 8_190_735_360,
    "qwen3-14b": 14_768_307_200,
    "qwen3-32b": 32_762_123_264,
    "qwen3-30b-a3b": 30_532_122_624,
    "falcon-h1-7b": 7_590_000_000,  # the model card rounds
}
"""The totals that the files of weights hold (Hugging Face: "model size" of the safetensors)."""


@pytest.mark.parametrize("name", sorted(hardware.shipped("Model")))
def test_the_shape_gives_the_published_number_of_parameters(name):
    assert hardware.model(name).parameters == pytest.approx(
        PUBLISHED[name], rel=1e-3 if name.startswith("falcon") else 1e-9
    )


def test_of_a_mixture_of_experts_only_some_are_active():
    model = hardware.model("qwen3-30b-a3b")
    assert model.active_parameters + model.vocabulary * model.hidden == pytest.approx(3.35e9, rel=0.01)
    assert hardware.model("llama-3.2-1b").active_parameters == hardware.model("llama-3.2-1b").parameters


@pytest.mark.parametrize(
    ("name", "kib"), [("llama-3.1-8b", 128), ("llama-2-7b", 512), ("qwen3-32b", 256), ("falcon-h1-7b", 44)]
)
def test_keys_and_values_of_a_token(name, kib):
    assert hardware.model(name).kv_bytes_per_token == kib * 1024
