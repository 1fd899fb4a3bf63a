"""XIDs in `twin.mechanics` are those that the driver of the SimPy twin reports."""

from __future__ import annotations

import re

import pytest

from twin.inference.gpu import Gpu
from twin.mechanics.conditions import Condition
from twin.mechanics.gpu_xid import XIDS
from twin.mechanics.layers import Layer
from twin.scenario import Scenario
from twin.world import World


@pytest.mark.parametrize("parameter", [name for name in XIDS if name != "nvlink_down"])  # this card has no such link
def test_the_driver_reports_the_xids_of_the_catalogue(parameter: str) -> None:
    world = World(Scenario.load("inference-healthy"), 0)
    world.run(until=5.0)
    gpu = world.components["gpu-0"]
    assert isinstance(gpu, Gpu)
    gpu.impose(Condition(Layer.GPU, parameter, 20.0, "test"))
    world.run(until=12.0)
    assert gpu.driver.last_xid == XIDS[parameter][-1]
    xids = [re.search(r"Xid \([^)]*\): (\d+)", line.text) for line in world.log_lines(0.0, 12.0)]
    numbers = [int(found[1]) for found in xids if found is not None]
    assert set(XIDS[parameter]) <= set(numbers)
