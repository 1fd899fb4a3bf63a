"""The five honesty rules, by name."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np

import twin.mechanics
from twin.actions import Action
from twin.telemetry.folder import read, write
from twin.telemetry.records import LogLine
from twin.telemetry.window import Window
from twin.world import World


def digest(world: World, folder: Path) -> str:
    """One hash over every byte of a run's folder."""
    return hashlib.sha256(json.dumps(write(world, folder), sort_keys=True).encode()).hexdigest()


def test_determinism_across_processes_and_hash_seeds(tmp_path, inference_scenario, fault):
    scenario = inference_scenario(fault("GPUChaos", "fallOffBus"))
    world = World(scenario, seed=5)
    world.run(120)
    expected = digest(world, tmp_path / "here")
    document = tmp_path / "scenario.json"
    document.write_text(scenario.model_dump_json(by_alias=True, exclude_none=True))
    program = (
        "import sys, json, hashlib, pathlib\n"
        "from twin.scenario import Scenario\nfrom twin.world import World\nfrom twin.telemetry.folder import write\n"
        "w = World(Scenario.load(sys.argv[1]), seed=5); w.run(120)\n"
        "print(hashlib.sha256(json.dumps(write(w, pathlib.Path(sys.argv[2])), sort_keys=True).encode()).hexdigest())"
    )
    source = tmp_path / "here" / "scenario.yaml"
    for hash_seed in ("0", "4711"):
        out = subprocess.run(
            [sys.executable, "-c", program, str(source), str(tmp_path / hash_seed)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert out.stdout.strip() == expected


def test_another_seed_is_another_past(inference_scenario):
    worlds = [World(inference_scenario(), seed=s) for s in (1, 2)]
    for world in worlds:
        world.run(60)
    assert worlds[0].observe(60) != worlds[1].observe(60)


def test_the_past_does_not_depend_on_the_observer(inference_scenario):
    watched, alone = World(inference_scenario(), seed=1), World(inference_scenario(), seed=1)
    for time in range(10, 130, 10):
        watched.run(time)
        list(watched.observe(30).logs)
    alone.run(120)
    assert watched.observe(60) == alone.observe(60)


def test_an_action_changes_no_unrelated_draw(inference_scenario):
    """Arrivals and lengths are the same luck under every policy."""

    def requests(act):
        world = World(inference_scenario(), seed=1)
        seen = []
        submit = world.cluster.gateway.submit
        world.cluster.gateway.submit = lambda r: (seen.append((r.arrived, r.prompt, r.output)), submit(r))
        if act:
            world.run(50)
            world.apply(Action("reboot", "node-1"))
        world.run(200)
        return seen

    assert requests(False) == requests(True)


def test_signal_freshness(inference_scenario, fault):
    """A policy sees metrics as old as the scrape makes them: a change between two scrapes does not show."""
    scenario = inference_scenario(fault("GPUChaos", "fallOffBus", at="61s"), telemetry={"scrape": "10s"})
    with_fault, without = World(scenario, seed=1), World(inference_scenario(telemetry={"scrape": "10s"}), seed=1)
    for world in (with_fault, without):
        world.run(69)
    a, b = with_fault.observe(60), without.observe(60)
    assert np.array_equal(a.metrics, b.metrics, equal_nan=True)
    assert a.alarms == b.alarms
    assert a.scrape_times[-1] == 60.0


def test_oracle_boundary(inference_scenario, fault):
    """Nothing in a window names the fault, its kind, its layer or the template a line came from."""
    world = World(inference_scenario(fault("GPUChaos", "powerCap", powerLimit="100W")), seed=1)
    world.run(120)
    window = world.observe(100)
    assert {f.name for f in fields(Window)} & {"truth", "incidents", "slo", "faults", "templates"} == set()
    assert LogLine._fields == ("time", "component", "level", "text")
    visible = json.dumps([window.logs, window.alarms, window.traces, window.features, str(window.topology)])
    for secret in ("powerCap", "power_limit", "GPUChaos", "vllm.stats", "nvrm.", "cause"):
        assert secret not in visible


def test_a_folder_shows_the_window_that_the_world_showed(tmp_path, inference_scenario, fault):
    world = World(inference_scenario(fault("GPUChaos", "fallOffBus")), seed=1)
    world.run(100)
    live = world.observe(60)
    world.run(150)
    write(world, tmp_path / "run")
    assert read(tmp_path / "run").window(40, 100) == live


def test_a_folder_is_read_without_its_truth(tmp_path, inference_scenario):
    world = World(inference_scenario(), seed=1)
    world.run(90)
    write(world, tmp_path / "run")
    for file in (tmp_path / "run" / "truth").iterdir():
        file.unlink()
    folder = read(tmp_path / "run")
    assert folder.window(30, 90).logs
    assert folder.decision_times() == [60.0, 70.0, 80.0, 90.0]


def test_one_definition_mechanics_import_nothing_of_the_twins():
    """Both twins use `twin.mechanics`, so it may import neither."""
    for path in Path(twin.mechanics.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("twin"):
                assert node.module.startswith("twin.mechanics"), f"{path.name} imports {node.module}"
