"""`simulate --serve`: what the exporters show now, on a port; the run itself stays the same to the byte."""

from __future__ import annotations

import errno
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from typer.testing import CliRunner

from experiments.bench import prometheus
from experiments.cli import app
from experiments.errors import UserError
from experiments.serving import Serving, answer, discovered, read_address, read_pace
from experiments.simulate import Stopped, simulate
from twin.scenario import Scenario
from twin.telemetry import folder
from twin.telemetry.exposition import number
from twin.telemetry.pages import Pages
from twin.world import World

CRASH = ["spec.faults.crash.at=7s"]
DOWN = "ray-replicas-0"
"""The replica that crashes with seed 0."""


@pytest.fixture(scope="module")
def crashed() -> tuple[World, Pages]:
    """A world with a replica that does not answer, and its pages."""
    world = World(Scenario.load("replica-crash", CRASH), seed=0)
    pages = Pages(world)
    for second in (5.0, 10.0):
        world.run(until=second)
        pages.show()
    return world, pages


class Running:
    """A served run in a thread of its own."""

    def __init__(self, serving: Serving, path: Path, scenario: Scenario) -> None:
        self.serving = serving
        self.path = path
        self.digest = ""
        self.stopped = False
        self._scenario = scenario
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.digest = simulate(self._scenario, self.path, seed=0, track=False, attend=self.serving.attend).digest
        except Stopped:
            self.stopped = True

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urlopen(self.serving.url.replace("localhost", "127.0.0.1") + path, timeout=10.0) as response:
                return response.status, response.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    def first(self, path: str) -> str:
        """The first page that is there: until the first scrape there is none."""
        status, page = self.get(path)
        while status == HTTPStatus.SERVICE_UNAVAILABLE and self.thread.is_alive():
            time.sleep(0.02)
            status, page = self.get(path)
        assert status == HTTPStatus.OK, page
        return page


@contextmanager
def running(
    path: Path, pace: float, said: Callable[[str], None] = lambda text: None, horizon: str = "65s"
) -> Iterator[tuple[Running, io.StringIO]]:
    logs = io.StringIO()
    scenario = Scenario.load("replica-crash", [*CRASH, f"spec.horizon={horizon}"])
    with Serving("127.0.0.1:0", pace, logs, said) as serving:
        run = Running(serving, path, scenario)
        try:
            yield run, logs
        finally:
            serving.stop()
            run.thread.join()


def test_addresses_and_paces_are_read() -> None:
    assert read_address(":9400") == read_address("9400") == ("", 9400)
    assert read_address("127.0.0.1:0") == ("127.0.0.1", 0)
    assert read_address("[::1]:9400") == ("::1", 9400)
    assert (read_pace("10x"), read_pace("0.5")) == (10.0, 0.5)


@pytest.mark.parametrize("text", ["", "abc", ":99999", ":٣٤", "::1:9400", "localhost:http", ":-1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="expected HOST:PORT or :PORT"):
        read_address(text)


@pytest.mark.parametrize("text", ["", "x", "fast", "0x", "-2x", "inf", "nan"])
def test_what_is_no_pace_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="expected simulated seconds per second above 0"):
        read_pace(text)


def test_a_port_in_use_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        arguments = ["simulate", "replica-crash", "--serve", f"127.0.0.1:{port}", "--out", str(tmp_path / "run")]
        result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    said = f"error: --serve 127.0.0.1:{port}: port {port} is in use; name another, or 0 for one that is free\n"
    assert result.output == said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("192.0.2.1:0", "cannot listen there: .*; name an address of this machine, or none"),
        ("a..b:9400", "'a..b' is no host"),
        (f"{'a' * 64}:9400", "is no host"),
    ],
)
def test_what_is_no_address_of_this_machine_is_refused(address: str, said: str) -> None:
    with pytest.raises(UserError, match=f"--serve {address}: .*{said}"):
        Serving(address, 1.0, io.StringIO(), print).__enter__()


def test_a_port_that_is_not_for_everybody_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("experiments.serving._Server", forbidden)
    with pytest.raises(UserError, match="--serve :80: port 80 is not for everybody; name one from 1024 on"):
        Serving(":80", 1.0, io.StringIO(), print).__enter__()


def test_exporters_that_are_not_scraped_cannot_be_served() -> None:
    world = World(Scenario.load("replica-crash", ["spec.telemetry.mode=recorded"]))
    with pytest.raises(UserError, match=r"needs scraped metrics, not spec\.telemetry\.mode: recorded"):
        Serving(":0", 1.0, io.StringIO(), print).attend(world)


def test_a_page_shows_every_series_of_the_newest_scrape(crashed: tuple[World, Pages], tmp_path: Path) -> None:
    world, pages = crashed
    folder.write(world, tmp_path)
    *_, newest = folder.read(tmp_path).each_scrape()
    for component, values in newest.values.items():
        page = pages.page(component)
        lines = [] if page is None else [line for line in page.splitlines() if not line.startswith("#")]
        assert sorted(lines) == sorted(f"{name} {number(value)}" for name, value in values.items())
    everything = [line for line in pages.everything().splitlines() if not line.startswith("#")]
    assert len(everything) == sum(map(len, newest.values.values()))
    assert all('instance="' in line and 'job="' in line for line in everything)


def test_types_are_those_of_the_exporters_and_families_stand_in_one_piece(crashed: tuple[World, Pages]) -> None:
    page = crashed[1].page("gpu-0") or ""
    assert "# TYPE DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION counter\n" in page
    everything = crashed[1].everything()
    assert everything.count("# TYPE ray_vllm_time_to_first_token_seconds histogram\n") == 1
    assert everything.count("# TYPE node_load1 gauge\n") == 1


def test_who_does_not_answer_in_the_twin_does_not_answer_here(crashed: tuple[World, Pages]) -> None:
    _, pages = crashed
    for path in (f"/metrics/{DOWN}", f"/probe?target={DOWN}"):
        assert answer(pages, path, "here:1") == (
            HTTPStatus.SERVICE_UNAVAILABLE,
            "text/plain; charset=utf-8",
            f"{DOWN} does not answer\n",
        )
    assert answer(pages, "/metrics/gpu-0", "here:1").status == HTTPStatus.OK
    assert DOWN not in answer(pages, "/metrics", "here:1").body.replace(f'pod="{DOWN}"', "")


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/probe", HTTPStatus.BAD_REQUEST, "/probe?target=COMPONENT"),
        ("/probe?target=gpu-00", HTTPStatus.NOT_FOUND, "did you mean 'gpu-0'?"),
        ("/metrics/..%2F..%2Fetc", HTTPStatus.NOT_FOUND, "no exporter"),
        ("/metric", HTTPStatus.NOT_FOUND, "healtwin serves /metrics"),
        ("/", HTTPStatus.OK, "healtwin serves /metrics"),
    ],
)
def test_other_paths_are_answered_in_words(
    crashed: tuple[World, Pages], path: str, status: HTTPStatus, words: str
) -> None:
    found = answer(crashed[1], path, "here:1")
    assert found.status == status
    assert words in found.body


def test_service_discovery_finds_what_has_answered_once(crashed: tuple[World, Pages]) -> None:
    world, pages = crashed
    found = {group["labels"]["instance"]: group for group in discovered(pages, "here:9400")}
    assert found[DOWN] == {
        "targets": ["here:9400"],
        "labels": {"__metrics_path__": "/probe", "__param_target": DOWN, "instance": DOWN, "job": "vllm"},
    }
    in_stock = {c.name for c in world.components.values() if c.metrics} - found.keys()
    assert in_stock == {"ray-replicas-3"}


def test_a_served_run_leaves_the_same_bytes_and_prints_its_logs(tmp_path: Path) -> None:
    said: list[str] = []
    with running(tmp_path / "served", 40.0, said.append) as (run, logs):
        assert "DCGM_FI_DEV_GPU_UTIL " in run.first("/metrics/gpu-0")
        assert {group["targets"][0] for group in json.loads(run.get("/targets")[1])} == {
            run.serving.url.removeprefix("http://")
        }
        while run.thread.is_alive() and run.get(f"/metrics/{DOWN}")[0] == 200:
            time.sleep(0.05)
        assert run.get(f"/metrics/{DOWN}")[0] == 503
        began = time.monotonic()
        run.thread.join()
        assert time.monotonic() - began > 0.5
    scenario = Scenario.load("replica-crash", [*CRASH, "spec.horizon=65s"])
    assert simulate(scenario, tmp_path / "plain", seed=0, track=False).digest == run.digest
    assert logs.getvalue() == (tmp_path / "plain" / "logs.jsonl").read_text()
    assert said == [f"serving {run.serving.url}/metrics and {run.serving.url}/targets at 40x"]


def test_a_run_that_is_stopped_keeps_what_was_written(tmp_path: Path) -> None:
    with running(tmp_path, 1.0) as (run, _):
        run.first("/metrics/gpu-0")
        run.serving.stop()
        run.thread.join()
        assert run.stopped
    kept = folder.read(tmp_path)
    assert 5.0 <= kept.manifest["end"] < 65.0
    assert next(kept.each_scrape()).time == 5.0


def test_a_pace_that_cannot_be_kept_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.serving.BEHIND", 0.0)
    said: list[str] = []
    with running(tmp_path, 1e6, said.append) as (run, _):
        run.thread.join()
    assert run.digest
    assert len(said) == 2
    assert said[1].startswith("behind by")
    assert said[1].endswith("not at 1e+06x")


@pytest.mark.skipif(bool(prometheus.missing()), reason=prometheus.missing() or "-")
def test_a_real_prometheus_finds_and_scrapes_all_exporters(tmp_path: Path) -> None:
    with running(tmp_path / "run", 2.0, horizon="405s") as (run, _):
        run.first("/metrics/gpu-0")
        here = run.serving.url.replace("localhost", "127.0.0.1")
        config = f"""
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: healtwin
    http_sd_configs: [{{url: "{here}/targets", refresh_interval: 1s}}]
"""
        instances = {group["labels"]["instance"] for group in json.loads(run.get("/targets")[1])}
        with prometheus.Prometheus(tmp_path / "storage", config, lookback="5m") as server:
            health = dict.fromkeys(instances, "up") | {DOWN: "down"}
            assert wait_until(server.up, health) == health
            running_now = server.query("ray_vllm_num_requests_running", time.time())
            assert {series["metric"]["instance"] for series in running_now} == {"ray-replicas-1", "ray-replicas-2"}
            assert {series["metric"]["job"] for series in running_now} == {"vllm"}


def wait_until(
    ask: Callable[[], Mapping[str, str]], wanted: Mapping[str, str], seconds: float = 30.0
) -> Mapping[str, str]:
    """The answer once it is the one that is wanted, or the last one."""
    deadline = time.monotonic() + seconds
    while (found := ask()) != wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    return found
