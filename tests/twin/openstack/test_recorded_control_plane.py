"""The twin's log lines beside those of a recorded control plane that lived through the same two faults."""

from __future__ import annotations

import lzma
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from experiments.bench.openstack.lines import Line, of_twin, recording
from experiments.bench.openstack.recording import as_recorded
from experiments.bench.openstack.templates import masked
from twin.scenario import Scenario
from twin.world import World

DATA = Path(__file__).parents[4] / "shared" / "data"
pytestmark = pytest.mark.skipif(not (DATA / "openstack-real").exists(), reason="recorded control plane not at hand")

SERVICES = (
    *("nova-api", "nova-conductor", "nova-scheduler", "nova-compute"),
    *("neutron-server", "placement", "glance-api", "keystone"),
)
HOST = re.compile(r"on '[\w.-]+' \(")
URI = re.compile(r'"(?P<method>GET|PUT|POST|DELETE) (?P<uri>\S+)')
IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|\b[0-9a-f]{32}\b|\b\d+(?:\.\d+){3}\b|(?<=%3A)\d+")
DATE = re.compile(r"\d\d/\w{3}/\d{4} [\d:]+")


@cache
def world() -> World:
    """The recorded faults, in the twin."""
    made = World(Scenario.load("openstack-recording", ["spec.telemetry.mode=recorded"]), seed=1)
    made.run()
    return made


def kind(service: str) -> str:
    return re.sub(r"-\d$", "", as_recorded(service))


def templates(lines: list[Line]) -> dict[str, Counter[str]]:
    """Masked heads of each service, without what a deployment is called."""
    found: dict[str, Counter[str]] = {service: Counter() for service in SERVICES}
    for line in lines:
        service = kind(line.service)
        if service in found and not line.traceback:
            text = masked(HOST.sub("on 'HOST' (", DATE.sub("DATE", uris(line.text))))
            found[service][f"{line.level} {line.logger} {text}"] += 1
    return found


def uris(text: str) -> str:
    """A request's URI as a word with its ids left out, lest it be masked as a whole."""
    asked = URI.search(text)
    if asked is None:
        return text
    shown = IDS.sub("ID", asked["uri"]).replace("/", "|")
    return f"{asked['method']} {shown} {text[asked.end() :]}"


@cache
def both() -> tuple[dict[str, Counter[str]], dict[str, Counter[str]]]:
    made = world()
    return templates(recording(DATA)), templates(list(of_twin(made.log_lines(0.0, made.now))))


def covered(real: Counter[str], twin: Counter[str]) -> float:
    """The share of real lines whose template the twin prints, too."""
    return sum(count for text, count in real.items() if text in twin) / sum(real.values())


TWIN_PRINTS: dict[str, float] = {
    "nova-api": 0.85,  # its client does not ask for the services' states
    "nova-conductor": 0.95,
    "nova-scheduler": 0.8,
    "nova-compute": 0.93,
    "neutron-server": 0.85,  # the recorded one has neither a router plugin nor DHCP agents, and says so at every port
    "placement": 0.98,
    "glance-api": 0.97,
    "keystone": 0.8,  # eleven lines
}
"""Share of a service's recorded lines whose template the twin prints."""
REALITY_PRINTS: dict[str, float] = {
    "nova-api": 0.7,  # a fake driver waits for no event of neutron's, so that none is sent
    "nova-conductor": 0.95,
    "nova-scheduler": 0.95,
    "nova-compute": 0.97,
    "neutron-server": 0.92,
    "placement": 0.98,
    "glance-api": 0.97,
    "keystone": 0.7,
}
"""Share of the twin's lines whose template was recorded."""


@pytest.mark.parametrize("service", SERVICES)
def test_what_the_real_service_prints_the_twin_prints(service):
    real, twin = both()
    assert covered(real[service], twin[service]) >= TWIN_PRINTS[service]


@pytest.mark.parametrize("service", SERVICES)
def test_what_the_twin_prints_the_real_service_prints(service):
    real, twin = both()
    assert covered(twin[service], real[service]) >= REALITY_PRINTS[service]


# --- who asks for what, in which order -------------------------------------------------------------------------------

CONTEXT = re.compile(r"\[(?P<globally>None|req-[0-9a-f-]{36}) (?P<locally>req-[0-9a-f-]{36}) ")
READERS = ("glance-api", "neutron-server", "placement")


def requests_of(lines: list[tuple[str, str]], request: str) -> dict[str, list[str]]:
    """By service, what was read on behalf of one request, in order; repetitions in a row count once."""
    found: dict[str, list[str]] = {service: [] for service in READERS}
    for service, text in lines:
        who, asked = CONTEXT.search(text), URI.search(text)
        if service not in found or who is None or asked is None or request not in who.groups():
            continue
        if service == "neutron-server" and asked["method"] != "GET":
            continue  # the recorded one prints a request id of its own
        shown = f"{asked['method']} {IDS.sub('ID', asked['uri'])}"
        if found[service][-1:] != [shown]:
            found[service].append(shown)
    return found


def of_request(lines: list[tuple[str, str]], method: str, uri: str) -> list[dict[str, list[str]]]:
    """The same of each accepted request to nova-api of a kind."""
    accepted = re.compile(rf'"{method} {uri} HTTP/1.1" status: 20[24] ')
    found = [CONTEXT.search(text) for service, text in lines if service == "nova-api" and accepted.search(text)]
    return [requests_of(lines, who["locally"]) for who in found if who is not None]


@cache
def calm() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Lines of the real and of the twin's services from before the first fault."""
    real = []
    for path in (DATA / "openstack-real").glob("*.log.xz"):
        with lzma.open(path, "rt", encoding="utf-8") as file:
            rows = [row.rstrip("\n") for row in file if "00:13:50" <= row[11:19] < "00:14:34"]
            real += [(row[:23], path.name.removesuffix(".log.xz"), row) for row in rows]
    made = world()
    twin = [(line.component, line.text) for line in made.log_lines(100.0, 250.0)]
    return [(service, row) for _, service, row in sorted(real)], twin


def with_port(found: list[dict[str, list[str]]]) -> dict[str, list[str]]:
    """One whose server has a port."""
    return next(asked for asked in found if any("floatingips" in uri for uri in asked["neutron-server"]))


@pytest.mark.parametrize("service", READERS)
def test_a_creation_asks_the_same_in_the_same_order(service):
    real, twin = (with_port(of_request(lines, "POST", "/v2.1/servers"))[service] for lines in calm())
    flavor = re.compile(r"DISK_GB.*?&root")
    assert [flavor.sub("", uri) for uri in twin] == [flavor.sub("", uri) for uri in real]


@pytest.mark.parametrize("service", READERS)
def test_a_deletion_asks_the_same_in_the_same_order(service):
    real, twin = (
        {tuple(asked[service]) for asked in of_request(lines, "DELETE", "/v2.1/servers/[0-9a-f-]{36}")}
        for lines in calm()
    )
    assert real
    assert real <= twin


def test_a_stopped_database_gives_traces_as_deep_as_the_real_ones():
    """The lines of the commonest trace of nova-api and of a heartbeat: 166 and 162 in the recording."""
    lengths: dict[str, list[int]] = {"nova.api.openstack.wsgi": [], "nova.servicegroup.drivers.db": []}
    for line in of_twin(world().log_lines(440.0, 470.0)):
        if line.service not in ("nova-api", "nova-conductor") or line.logger not in lengths:
            continue
        if not line.traceback and line.level == "ERROR":
            lengths[line.logger].append(0)
        elif line.traceback and lengths[line.logger]:
            lengths[line.logger][-1] += 1
    for found, real in zip(lengths.values(), (166, 162), strict=True):
        assert found
        assert 0.8 * real <= sorted(found)[len(found) // 2] <= 1.2 * real
