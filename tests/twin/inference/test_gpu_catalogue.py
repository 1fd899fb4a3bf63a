"""The least that cures each GPU fault, beside what NVIDIA's XID catalogue tells operators to do at once.

Ours follows from the layers of the fault's conditions and from `RESETS` alone. NVIDIA's column stands in this file and
nowhere in the product (source: gpud's catalogue, generated from NVIDIA's of 2025-10-29).
"""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace

import pytest

import twin
from twin.faults.gpu import KINDS
from twin.mechanics.layers import RESETS, Layer, Part
from twin.scenario import hardware
from twin.scenario.schema import Model

LADDER = (
    ("noop", None),
    ("restart", Part.DEVICE),
    ("recreate", Part.DEVICE),
    ("restore-power-limit", Part.TARGET),
    ("reset-gpu", Part.TARGET),
    ("reboot", Part.RESIDENTS),
    ("power-cycle", Part.RESIDENTS),
    ("replace", Part.TARGET),
)
"""Actions, the least invasive first, and the part of each that a GPU is, seen from the action's target."""

ACTION_OF = {"IGNORE": "noop", "RESTART_APP": "restart", "RESET_GPU": "reset-gpu", "RESTART_BM": "reboot"}

IMMEDIATE = {
    13: "RESTART_APP",
    31: "RESTART_APP",
    43: "IGNORE",
    45: "WORKFLOW_XID_45",
    48: "WORKFLOW_XID_48",
    63: "IGNORE",
    64: "RESET_GPU",
    74: "WORKFLOW_NVLINK_ERR",
    79: "RESTART_BM",
    92: "IGNORE",
    94: "RESTART_APP",
    95: "RESET_GPU",
    109: "RESET_GPU",
    119: "RESET_GPU",
    120: "RESET_GPU",
}
"""NVIDIA's immediate action by XID."""

FAULT_OF = {
    13: "illegalInstruction",
    31: "illegalAddress",
    43: "softwareException",
    45: "contextRemoved",
    48: "doubleBitError",
    63: "rowRemap",
    64: "rowRemapFailure",
    74: "nvlinkDown",
    79: "fallOffBus",
    92: "correctableErrors",
    94: "containedError",
    95: "uncontainedError",
    109: "contextSwitchTimeout",
    119: "gspTimeout",
    120: "gspCrash",
}

DEVIATIONS = {
    43: ("restart", "NVIDIA has nothing to do: the process is dead; here its supervisor's restart is what renews it"),
    45: ("restart", "NVIDIA's workflow looks for the error before it; alone it ends with the process, as here"),
    48: (
        "reset-gpu",
        "NVIDIA's workflow asks whether a row waits for its spare; one does, and a reset activates it",
    ),
    63: ("reset-gpu", "NVIDIA lets the reset wait: the row is off line; here, too, the work goes on until then"),
    64: (
        "replace",
        "NVIDIA resets, then calls support: a reset brings no spare rows, so the row strikes again",
    ),
    74: ("reset-gpu", "NVIDIA's workflow looks at registers first; a link that trains again needs a reset"),
    92: (
        "replace",
        "NVIDIA ignores it, then calls support: nothing is lost; only another board has other cells",
    ),
}
"""Where ours is not NVIDIA's: the action, and why."""

WITHOUT_XID = {
    "powerCap": "restore-power-limit",
    "powerBrake": "power-cycle",
    "thermalThrottle": "replace",
    "hbmBandwidthLoss": "replace",
    "pcieWidthLow": "reboot",
    "nvlinkDegraded": "replace",
    "silentDataCorruption": "replace",
}
"""The least that cures what no XID tells of."""


def least_invasive(layers: set[Layer]) -> str:
    """The first action of the ladder that renews all of the layers on a GPU."""
    for action, part in LADDER:
        renewed = {layer for reset in RESETS[action] if reset.part is part for layer in reset.layers}
        if layers <= renewed:
            return action
    raise AssertionError(f"nothing renews {layers}")


ANY_GPU = SimpleNamespace(name="gpu-0", model=hardware.gpu("a10g"))


def layers_of(action: str) -> set[Layer]:
    """The layers that a fault with default parameters sits on."""
    kind = KINDS["GPUChaos"][action]
    given = {"powerLimit": "100W"} if action == "powerCap" else {}
    parameters: Model = kind.parameters.model_validate(given)
    return {condition.layer for condition in kind.conditions(parameters, "fault", ANY_GPU)}


@pytest.mark.parametrize("xid", sorted(set(IMMEDIATE) - set(DEVIATIONS)))
def test_the_least_that_cures_is_what_nvidia_says(xid):
    assert least_invasive(layers_of(FAULT_OF[xid])) == ACTION_OF[IMMEDIATE[xid]]


@pytest.mark.parametrize("xid", sorted(DEVIATIONS))
def test_where_it_is_not_the_deviation_is_known(xid):
    ours, reason = DEVIATIONS[xid]
    assert least_invasive(layers_of(FAULT_OF[xid])) == ours
    assert ACTION_OF.get(IMMEDIATE[xid]) != ours
    assert reason


@pytest.mark.parametrize(("action", "expected"), WITHOUT_XID.items())
def test_the_least_that_cures_what_no_xid_tells_of(action, expected):
    assert least_invasive(layers_of(action)) == expected


def test_the_documentation_names_the_least_cure_of_every_fault():
    page = Path(__file__).parents[3] / "docs" / "gpus.md"
    cells = [[cell.strip() for cell in line.split("|")] for line in page.read_text().splitlines() if "| `" in line]
    documented = {row[1].strip("`"): row[4] for row in cells}
    assert documented == {action: least_invasive(layers_of(action)) for action in KINDS["GPUChaos"]}


def test_every_gpu_fault_is_compared():
    assert set(FAULT_OF.values()) | set(WITHOUT_XID) == set(KINDS["GPUChaos"])
    assert set(FAULT_OF) == set(IMMEDIATE)


@pytest.mark.parametrize(("layer", "expected"), [("bus", "reboot"), ("power", "power-cycle"), ("board", "replace")])
def test_how_deep_a_lost_gpu_sits_decides_what_brings_it_back(layer, expected):
    kind = KINDS["GPUChaos"]["fallOffBus"]
    conditions = kind.conditions(kind.parameters.model_validate({"layer": layer}), "fault", None)
    assert least_invasive({condition.layer for condition in conditions}) == expected


def test_no_code_of_the_twin_knows_the_column():
    """Words of NVIDIA's column may be explained in documentation; no value of the program is one of them."""
    words = set(IMMEDIATE.values()) - {"IGNORE"}
    for path in Path(twin.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text())
        prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
                assert not any(word in node.value for word in words), f"{path}:{node.lineno}"
