"""How much of a cluster is kept, and what spans tell."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from twin.scenario import Scenario, ScenarioError, to_yaml
from twin.telemetry import folder
from twin.telemetry.records import Span
from twin.world import World


def _scenario(telemetry: str) -> Scenario:
    return Scenario.load("inference-healthy", [f"spec.telemetry={telemetry}"])


def _lived(telemetry: str) -> World:
    world = World(_scenario(telemetry), seed=4)
    world.run(until=90)
    return world


@pytest.mark.parametrize(
    ("mode", "keeps", "scrapes"), [("off", False, 0), ("recorded", True, 0), ("scraped", True, 18)]
)
def test_a_mode_keeps_what_it_says_and_changes_nothing_of_what_happens(mode: str, keeps: bool, scrapes: int) -> None:
    world, full = _lived(f"{{mode: {mode}}}"), _lived("{mode: scraped}")
    assert bool(world.recorder.logged) is bool(world.recorder.traced) is keeps
    assert world.recorder.scraped == scrapes
    assert world.slo.loss == full.slo.loss
    assert world.components["nginx-proxy"].sample() == full.components["nginx-proxy"].sample()


def test_telemetry_can_be_switched_off_in_one_word() -> None:
    for word in ("off", "{mode: off}"):
        resolved = _scenario(word).resolve()
        assert (resolved.spec.telemetry.mode, resolved.spec.telemetry.tracing) == ("off", "off")
        assert Scenario.parse(to_yaml(resolved)).resolve().spec == resolved.spec


def test_tracing_what_nobody_keeps_is_refused() -> None:
    with pytest.raises(ScenarioError, match="mode: off keeps no spans; leave 'tracing: http' out"):
        _scenario("{mode: off, tracing: http}")


def test_a_folder_of_a_world_without_scrapes_has_windows_without_metrics(tmp_path: Path) -> None:
    world = _lived("{mode: recorded}")
    folder.write(world, tmp_path)
    window = folder.read(tmp_path).window(30.0, 90.0)
    assert window == world.observe(60.0)
    assert window.metrics.shape[2] == 0
    assert window.logs


@pytest.fixture(scope="module")
def inside() -> dict[str, list[Span]]:
    """The spans of each trace, the engine's own included."""
    traces: dict[str, list[Span]] = {}
    for span in _lived("{tracing: engine}").observe(90.0).traces:
        traces.setdefault(span.trace, []).append(span)
    return traces


PHASES = ("gen_ai.latency.time_in_queue", "gen_ai.latency.time_in_model_prefill", "gen_ai.latency.time_in_model_decode")


def test_inside_the_engine_a_request_queues_is_prefilled_and_decodes_without_a_gap(
    inside: dict[str, list[Span]],
) -> None:
    assert len(inside) > 50
    for spans in inside.values():
        own = next((span for span in spans if span.operation == "llm_request"), None)
        if own is None:
            continue  # still in the engine when the world stopped
        phases = [span for span in spans if span.parent == own.span]
        assert tuple(span.operation for span in phases) == PHASES
        for earlier, later in pairwise(phases):
            assert earlier.start + earlier.duration == pytest.approx(later.start, abs=1e-9)
        assert phases[-1].start + phases[-1].duration == pytest.approx(own.start + own.duration, abs=1e-9)


def test_the_requests_span_says_what_vllm_says_of_it(inside: dict[str, list[Span]]) -> None:
    owns = [span for spans in inside.values() for span in spans if span.operation == "llm_request"]
    for span in owns:
        said = span.attributes
        assert said is not None
        assert said["gen_ai.latency.e2e"] == span.duration
        parts = [float(said[name]) for name in PHASES]
        assert float(said["gen_ai.latency.time_in_model_inference"]) == pytest.approx(parts[1] + parts[2])
        assert 0 < float(said["gen_ai.latency.time_to_first_token"]) <= span.duration
        assert said["gen_ai.usage.completion_tokens"] == said["gen_ai.request.max_tokens"]


def test_attributes_come_back_from_disk_and_cost_nothing_where_there_are_none(tmp_path: Path) -> None:
    for tracing in ("engine", "http"):
        world = _lived(f"{{tracing: {tracing}}}")
        folder.write(world, tmp_path / tracing)
        read = folder.read(tmp_path / tracing)
        assert list(read.each_span()) == world.recorder.spans
        assert ("attributes" in (tmp_path / tracing / "traces.jsonl").read_text()) is (tracing == "engine")
