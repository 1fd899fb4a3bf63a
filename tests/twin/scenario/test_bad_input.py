"""Every mistake in a scenario is one message with its place, the key, and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin.scenario import Scenario, ScenarioError
from twin.scenario.source import LIMIT_BYTES

GOOD = """\
apiVersion: healtwin/v1
kind: Scenario
metadata: {name: cap, title: One GPU is capped}
spec:
  cluster: {kind: inference, preset: small}
  workload:
    arrivals: {constant: 5/s}
    prompt: 512
    output: 256
  faults:
    - name: cap
      kind: GPUChaos
      action: powerCap
      powerLimit: 150W
      selector: {components: [gpu-0]}
      at: 90s
      duration: 60s
  telemetry: {scrape: 5s}
  slo: {ttftP99: 2s, success: 99%}
  epoch: 2026-01-01T00:00:00Z
  horizon: 405s
"""

SECOND = (
    "    - {name: cap, kind: ProcessChaos, action: crash, selector: {components: [ray-head]}, at: 95s}\n  telemetry"
)


def refused(old: str, new: str) -> ScenarioError:
    assert old in GOOD
    with pytest.raises(ScenarioError) as raised:
        Scenario.parse(GOOD.replace(old, new, 1), "bad.yaml")
    assert str(raised.value).startswith("bad.yaml:")
    return raised.value


def test_the_text_these_tests_break_is_good() -> None:
    assert Scenario.parse(GOOD).resolve().spec.faults[0].at == 90.0


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        # unknown keys, with the nearest valid one
        ("horizon:", "horizn:", "21:3", "unknown key 'horizn' (did you mean 'horizon'?)"),
        ("scrape:", "scape:", "18:15", "did you mean 'scrape'"),
        ("preset:", "prset:", "5:30", "did you mean 'preset'"),
        (
            "inference, preset: small}",
            "openstack, preset: small, quotas: {instanses: 1}}",
            "5:54",
            "unknown key 'instanses' (did you mean 'instances'?)",
        ),
        ("inference, preset: small}", "openstack, preset: small, computs: 1}", "5:45", "did you mean 'computes'"),
        ("      selector:", "      selctor:", "11:7", "missing key 'selector' (is 'selctor' meant?)"),
        ("spec:", "spek:", "4:1", "unknown key 'spek' (did you mean 'spec'?)"),
        # units and numbers
        ("at: 90s", "at: 90W", "16:7", "a duration needs a unit of"),
        ("405s", "405", "21:3", "(such as 240s), got 405"),
        ("5/s", "5W", "7:16", "a rate needs a unit of /s"),
        ("at: 90s", "at: -90s", "16:7", "must not be negative"),
        ("at: 90s", "at: .nan", "16:7", "must be a finite number"),
        ("at: 90s", "at: nan s", "16:7", "must be a finite number"),
        ("5s", "0s", "18:15", "greater than 0"),
        ("99%", "199%", "19:22", "less than or equal to 1"),
        ("prompt: 512", "prompt: -1", "8:5", "at least 1 token"),
        ("prompt: 512", "prompt: azure", "8:5", "'azure2023'"),
        ("epoch: 2026-01", "epoch: 2026-13", "20:10", "month must be in 1..12"),
        # what must hold between fields
        ("405s", "90s", "16:7", "'cap' can come at 90s, but the horizon is 90s"),
        ("405s", "60s", "21:3", "not after the warm-up"),
        ("  telemetry", SECOND, "18:8", "duplicate fault name 'cap'"),
        ("{constant: 5/s}", "{constant: 5/s, poisson: 5/s}", "7:5", "exactly one of constant and poisson"),
        ("{constant: 5/s}", "{}", "7:5", "exactly one of constant and poisson"),
        ("{constant: 5/s}", "{constant: 0/s}", "7:16", "above 0"),
        ("    prompt: 512\n", "", "6:3", "missing key 'prompt'"),
        ("    output: 256\n", "    lifetime: 60s\n", "9:5", "'lifetime' belongs to openstack"),
        ("ttftP99: 2s", "createP95: 60s", "19:9", "an objective of openstack clusters, this one is inference"),
        ("inference, preset", "openstack, preset", "8:5", "'prompt' belongs to inference"),
        ("duration: 60s", "duration: 0s", "17:7", "a duration of 0 is no fault"),
        ("prompt: 512", "trace: none.csv", "8:5", "no such file"),
        # the document
        ("One GPU is capped", "!!python/object/apply:os.system [ls]", "3:30", "apply:os.system is not read"),
        ("One GPU is capped", "!thing x", "3:30", "the tag !thing is not read"),
        ("One GPU is capped", "&a [*a]", "3:30", "an anchor contains itself"),
        ("One GPU is capped", "[1, 2", "3:35", "not valid YAML"),
        ("  horizon", "  horizon: 1s\n  horizon", "22:3", "the key 'horizon' is there twice"),
        ("  cluster", "  <<: {seed: 3}\n  cluster", "5:3", "merge keys"),
        ("kind: Scenario", "kind: Suite", "2:1", "expected kind: Scenario, got 'Suite'"),
        ("inference,", "inferense,", "5:3", "'inferense' found using 'kind'"),
        # draws
        ("at: 90s", "at: {uniform: [90s, 500s]}", "16:7", "can come at 500s, but the horizon is 405s"),
        ("at: 90s", "at: {choice: [90s, 100s, 80]}", "16:7", "a duration needs a unit"),
        ("at: 90s", "at: {uniform: [90s, 80s]}", "16:12", "the lowest value comes first"),
        ("at: 90s", "at: {uniform: [90s, 2m]}", "16:12", "both ends need the same unit"),
        ("at: 90s", "at: {uniform: [90s]}", "16:12", "expected uniform: [lowest, highest]"),
        ("at: 90s", "at: {uniform: [.nan, .nan]}", "16:22", "finite number"),
        ("at: 90s", "at: {choice: []}", "16:12", "expected choice: [...]"),
        ("at: 90s", "at: {choice: [{uniform: [1s, 2s]}]}", "16:12", "a draw inside a choice"),
        ("405s", "{uniform: [405s, 500s]}", "21:3", "cannot be drawn"),
        ("kind: GPUChaos", "kind: {choice: [GPUChaos]}", "12:7", "cannot be drawn"),
    ],
)
def test_a_mistake_is_named_with_its_place(old: str, new: str, where: str, message: str) -> None:
    error = refused(old, new)
    assert error.where == f"bad.yaml:{where}"
    assert message in str(error)


@pytest.mark.parametrize("text", ["", "# nothing", "- a list", "just text", "42"])
def test_a_document_that_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(ScenarioError, match=r"^<string>:1:1: "):
        Scenario.parse(text)


def test_anchors_that_explode_are_refused_before_they_are_written_out() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    with pytest.raises(ScenarioError, match=r"bomb.yaml:\d+:\d+: more than 50,000 keys and values"):
        Scenario.parse("\n".join(lines), "bomb.yaml")


def test_an_anchor_that_does_not_explode_is_fine() -> None:
    text = GOOD.replace("scrape: 5s", "scrape: &five 5s").replace("ttftP99: 2s", "ttftP99: *five")
    assert Scenario.parse(text).resolve().spec.slo.ttft_p99 == 5.0


def test_a_deep_nest_is_refused() -> None:
    with pytest.raises(ScenarioError, match="nested too deeply"):
        Scenario.parse("a: " + "[" * 5000 + "]" * 5000)


def test_a_large_file_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    file.write_text("# " + "x" * LIMIT_BYTES)
    with pytest.raises(ScenarioError, match="at most 1,000,000 are read"):
        Scenario.load(file)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "binary.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScenarioError, match="not UTF-8"):
        Scenario.load(file)


def test_control_characters_are_refused() -> None:
    with pytest.raises(ScenarioError, match="not valid YAML"):
        Scenario.parse("a: \x00")


def test_an_unknown_name_gets_the_nearest_shipped_one() -> None:
    with pytest.raises(ScenarioError, match="did you mean 'gpu-power-cap'"):
        Scenario.load("gpu-power-kap")


@pytest.mark.parametrize("word", ["off", "no", "12:30", "1e3x"])
def test_yaml_1_1_does_not_turn_words_into_something_else(word: str) -> None:
    assert Scenario.parse(GOOD.replace("One GPU is capped", word)).metadata.title == word


def test_tracing_can_be_switched_off_with_the_word_off() -> None:
    scenario = Scenario.parse(GOOD.replace("{scrape: 5s}", "{scrape: 5s, tracing: off}"))
    assert scenario.resolve().spec.telemetry.tracing == "off"
