"""Featurisation: what a window becomes, and what does not reach it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from llm.dataset import Corpus, LabelledWindow
from llm.features import COUNT, SERIES, WindowFeatures, featurize, symlog
from llm.lines import LineReader
from llm.templates import Templates, mask
from llm.vocabulary import Vocabulary
from twin.telemetry.records import LogLine
from twin.telemetry.window import Window

Make = Callable[..., Window]


def features_of(window: Window, vocabulary: Vocabulary | None = None) -> tuple[WindowFeatures, Vocabulary]:
    table = Templates()
    for line in window.logs:
        table.add(mask(line.text).text)
    if vocabulary is None:
        vocabulary = Vocabulary()
        vocabulary.learn(window)
    return featurize(window, LineReader(table.match), vocabulary), vocabulary


def column(features: WindowFeatures, vocabulary: Vocabulary, component: int, metric: str, series: str) -> float:
    return float(features.metrics[component, vocabulary.metrics[metric], SERIES.index(series)])


def test_counters_are_read_as_rates_and_sums_as_means(make_window: Make) -> None:
    window = make_window()
    features, names = features_of(window)
    engine = window.topology.index["engine-0"]
    assert column(features, names, engine, "vllm:ttft_seconds_sum", "mean") == pytest.approx(np.log1p(0.2), abs=1e-6)
    gateway = window.topology.index["gateway"]
    rate = (window.metrics[gateway, 5, -1] - window.metrics[gateway, 5, -2]) / 5.0
    assert column(features, names, gateway, "requests_total", "last") == pytest.approx(np.log1p(rate), rel=1e-5)


def test_a_counter_that_was_reset_gives_no_negative_rate(make_window: Make) -> None:
    window = make_window()
    window.metrics[0, 5, 6:] -= window.metrics[0, 5, 6] - 2
    features, names = features_of(window)
    assert column(features, names, 0, "requests_total", "mean") > 0


def test_absent_values_are_marked_and_never_read_as_zero(make_window: Make) -> None:
    window = make_window(fault="xid", victim=1)
    features, names = features_of(window)
    gpu, power = window.topology.index["gpu-1"], names.metrics["gpu_power"]
    assert features.present[gpu, power] == 0.5
    assert features.answered[gpu, power] == 0
    assert column(features, names, gpu, "gpu_power", "last") == pytest.approx(symlog(np.array(280.0)), abs=0.15)
    assert features.present[window.topology.index["gateway"], power] == 0
    assert all(np.isfinite(array).all() for array in features.arrays().values())


def test_metrics_are_aligned_by_name(make_window: Make) -> None:
    window = make_window(seed=4)
    features, names = features_of(window)
    other = make_window(seed=4, features=("new_metric", *reversed(window.features)))
    again, _ = features_of(other, names)
    np.testing.assert_array_equal(again.metrics, features.metrics)
    fewer, _ = features_of(make_window(seed=4, features=("gpu_clock",)), names)
    assert fewer.present[:, names.metrics["gpu_power"]].sum() == 0
    clock = names.metrics["gpu_clock"]
    np.testing.assert_array_equal(fewer.metrics[:, clock], features.metrics[:, clock])


def test_a_window_without_scrapes_or_lines_has_features(make_window: Make) -> None:
    window = make_window()
    empty = Window(
        0.0, 60.0, 0.0, window.topology, window.features, np.zeros(0), window.metrics[:, :, :0], (),
        tuple, lambda since: {}, tuple,
    )  # fmt: skip
    features, _ = features_of(empty)
    assert features.present.sum() == 0
    assert features.log_index.shape == (0, 2)


def test_lines_are_counted_by_template_level_and_format(make_window: Make) -> None:
    strange = [LogLine(t, "router", "ERROR", "\x00\ufffd binary junk") for t in (3.0, 58.0)]
    window = make_window(extra_lines=[*strange, LogLine(5.0, "nobody", "INFO", "not in the inventory")])
    features, _ = features_of(window)
    router = window.topology.index["router"]
    assert features.line_counts[router].tolist() == [0, 0, 0, 2, 0, 2]
    rows = features.log_values[features.log_index[:, 0] == router]
    assert rows[:, COUNT].tolist() == [2]
    assert features.log_values[:, COUNT].sum() == len(window.logs) - 1


def test_oracle_boundary_a_window_shows_no_template_and_no_truth(make_window: Make) -> None:
    names = {field.name for field in fields(Window)}
    assert not names & {"truth", "incidents", "faults", "conditions", "templates"}
    assert set(LogLine._fields) == {"time", "component", "level", "text"}
    assert {field.name for field in fields(WindowFeatures)}.isdisjoint({"fault_type", "root_causes"})


def test_oracle_boundary_masked_arguments_change_only_typed_fields(make_window: Make) -> None:
    def line(pid: int, client: str, seconds: str) -> list[LogLine]:
        text = f'{client} - - [01/Jan/2026:00:00:07 +0000] "POST /x HTTP/1.1" 200 {pid} "-" "x" "-" {seconds}'
        return [LogLine(7.0, "router", "INFO", text)]

    first, names = features_of(make_window(extra_lines=line(12, "10.1.2.3", "0.5")))
    other, _ = features_of(make_window(extra_lines=line(99, "10.9.9.9", "7.25")), names)
    np.testing.assert_array_equal(first.log_index, other.log_index)
    np.testing.assert_array_equal(first.log_values[:, :3], other.log_values[:, :3])


def test_a_message_met_before_its_template_had_generalised_is_read_like_later_ones(make_window: Make) -> None:
    corpus = Corpus()
    for user in ("anna", "bert"):
        extra = [LogLine(1.0, "router", "INFO", f"user {user} logged in")]
        corpus.add(LabelledWindow(make_window(extra_lines=extra), "none", ()))
    table, (first, second) = corpus.mined()
    assert table.text(table.match("user zoe logged in")) == "user <*> logged in"
    np.testing.assert_array_equal(first.features.log_index, second.features.log_index)


def test_a_corpus_survives_its_files(corpus: Corpus, tmp_path: Path) -> None:
    corpus.save(tmp_path)
    again = Corpus.load(tmp_path)
    assert again.messages == corpus.messages
    assert again.vocabulary == corpus.vocabulary
    for a, b in zip(again.examples, corpus.examples, strict=True):
        assert (a.fault_type, a.root_causes, a.run) == (b.fault_type, b.root_causes, b.run)
        for name, array in a.features.arrays().items():
            np.testing.assert_array_equal(array, b.features.arrays()[name])


def test_wrong_labels_are_refused(make_window: Make) -> None:
    with pytest.raises(ValueError, match="'gpu-9' is not in the window's topology"):
        Corpus().add(LabelledWindow(make_window(), "power", ("gpu-9",)))
    with pytest.raises(ValueError, match="has root causes"):
        Corpus().add(LabelledWindow(make_window(), "none", ("gpu-1",)))
