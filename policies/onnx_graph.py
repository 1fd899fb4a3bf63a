"""The network as an ONNX graph: masks and normalisation inside, any number of components and any batch."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from policies.bundle import session
from policies.network import ENTITY_AXES, NetworkConfig, PolicyNetwork

OUTPUTS: tuple[str, ...] = ("category", "target", "parameter", "value")
"""Log-probabilities [B, C], [B, C, N], [B, C, N, P], normalised within each level, and the value [B]."""

TOLERANCE = 1e-4
"""Largest difference allowed between the graph and the network: absolute below 1, relative above."""


class _Graph(nn.Module):
    """The network with its inputs by position."""

    def __init__(self, network: PolicyNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Observation parts in the order of `NetworkConfig.inputs` -> `OUTPUTS`."""
        distribution, value = self.network(dict(zip(self.network.config.inputs, inputs, strict=True)))
        return distribution.category, distribution.target, distribution.parameter, value


def write_graph(network: PolicyNetwork, path: Path) -> float:
    """Export `network` to `path` and check it; returns the largest difference that was seen.

    Raises ValueError where graph and network differ by more than `TOLERANCE` for any tried batch and size.
    """
    names = network.config.inputs
    example = random_inputs(network.config, batch=2, components=3, seed=0)
    batch, components = torch.export.Dim("batch", min=1), torch.export.Dim("components", min=2)
    shapes = tuple({0: batch, **{axis + 1: components for axis in ENTITY_AXES.get(name, ())}} for name in names)
    network.eval()
    with _quiet():
        torch.onnx.export(
            _Graph(network),
            tuple(torch.from_numpy(example[name]) for name in names),
            path,
            dynamo=True,
            verbose=False,
            external_data=False,
            input_names=list(names),
            output_names=list(OUTPUTS),
            dynamic_shapes={"inputs": shapes},
        )
    _without_origins(path)
    difference = largest_difference(network, path)
    if difference > TOLERANCE:
        raise ValueError(f"{path} differs from the network by {difference:.2e}; at most {TOLERANCE:g} is allowed")
    return difference


def _without_origins(path: Path) -> None:
    """Take out what the exporter notes about where each node came from: stack traces with this machine's paths."""
    import onnx

    model = onnx.load(path)
    del model.metadata_props[:]
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.initializer, model.graph):
        del part.metadata_props[:]
    onnx.save(model, path)


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter reports its progress on a terminal that belongs to whoever called, and torchvision's absence."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def largest_difference(network: PolicyNetwork, path: Path) -> float:
    """Largest difference of any output over several batch sizes and numbers of components."""
    graph, largest = session(path), 0.0
    for seed, (batch, components) in enumerate(((1, 16), (3, 5), (1, 2), (2, 64), (1, 256))):
        inputs = random_inputs(network.config, batch, components, seed)
        with torch.inference_mode():
            expected = _Graph(network)(*(torch.from_numpy(inputs[name]) for name in network.config.inputs))
        for ours, theirs in zip(graph.run(list(OUTPUTS), inputs), expected, strict=True):
            theirs = theirs.numpy()
            largest = max(largest, float(np.max(np.abs(ours - theirs) / np.maximum(1.0, np.abs(theirs)))))
    return largest


def random_inputs(config: NetworkConfig, batch: int, components: int, seed: int) -> dict[str, NDArray[Any]]:
    """Observations of the right shapes and types with values of all magnitudes, a part of the components padding."""
    rng = np.random.default_rng(seed)
    b, n, f, c, p = batch, components, config.features, config.categories, config.parameters
    kind = rng.integers(1, config.kinds, (b, n))
    kind[:, max(1, n - n // 4) :] = 0
    there = kind > 0
    adjacent = rng.random((b, n, n)) < 0.2
    parameter = (rng.random((b, c, n, p)) < 0.5) & there[:, None, :, None]
    parameter[:, 0] = False
    parameter[:, 0, 0, 0] = True
    target = parameter.any(-1)
    roots = rng.random((b, n)) * there
    everything = {
        "features": (rng.normal(size=(b, n, f)) * 10.0 ** rng.integers(-3, 10, (b, n, f))).astype(np.float32),
        "present": (there[:, :, None] & (rng.random((b, n, f)) < 0.5)).astype(np.int8),
        "age": rng.uniform(0, 600, (b, n, f)).astype(np.float32),
        "kind": kind.astype(np.int64),
        "adjacent": (adjacent | adjacent.transpose(0, 2, 1)).astype(np.int8),
        "busy": (there & (rng.random((b, n)) < 0.2)).astype(np.int8),
        "lines": rng.poisson(2.0, (b, n, config.levels)).astype(np.float32),
        "alarms": rng.poisson(0.2, (b, n, config.severities)).astype(np.float32),
        "mask_category": target.any(-1).astype(np.int8),
        "mask_target": target.astype(np.int8),
        "mask_parameter": parameter.astype(np.int8),
        "diagnosis_state": rng.normal(size=(b, config.state)).astype(np.float32),
        "diagnosis_types": rng.dirichlet(np.ones(max(1, config.types)), b).astype(np.float32),
        "diagnosis_roots": (roots / np.maximum(roots.sum(-1, keepdims=True), 1e-9)).astype(np.float32),
        "diagnosis_unknown": rng.random((b, 1)).astype(np.float32),
    }
    return {name: everything[name] for name in config.inputs}
