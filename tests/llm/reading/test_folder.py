"""A folder of logs: what is read, what is not, and whose clock is another."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from llm.reading.clocks import zones
from llm.reading.errors import ReadingError
from llm.reading.folder import read_folder

MakeFolder = Callable[[Mapping[str, str | bytes]], Path]
START = datetime(2026, 3, 5, 10, 0, 0, tzinfo=UTC)


def oslo(logger: str, hours: float = 0.0, count: int = 20, every: float = 30.0, request: str = "-") -> str:
    """Lines of a service whose clock shows `hours` more than UTC."""
    times = [START + timedelta(hours=hours, seconds=i * every) for i in range(count)]
    said = request if request == "-" else "None req-{:08x}-0000-4000-8000-000000000000 u p - - d d"
    return "".join(
        f"{t:%Y-%m-%d %H:%M:%S}.000 7 INFO {logger} [{said.format(i)}] done {i}\n" for i, t in enumerate(times)
    )


def test_plain_and_packed_files_are_read_into_one_order_of_time(make_folder: MakeFolder) -> None:
    folder = make_folder(
        {
            "nova-api.log": oslo("nova.osapi_compute.wsgi"),
            "nova/nova-conductor.log.1.gz": gzip.compress(oslo("nova.conductor").encode()),
            "kern.log": "Mar  5 10:05:00 node-1 kernel: [86525.422000] NVRM: Xid (PCI:0000:19:00): 79, gone\n",
            "nova-consoleauth.log": "",
            "cinder-volume.log": "",
            "notes.md": "# not a log\n",
            "core": b"\x7fELF\x00",
            "LICENSE": "Free.\n",
        }
    )
    read = read_folder(folder)
    assert len(read.entries) == 41
    assert [entry.time for entry in read.entries] == sorted(entry.time or 0.0 for entry in read.entries)
    assert read.first == START.timestamp()
    assert read.kinds == {
        "cinder-volume": "cinder-volume",
        "node-1": "node",
        "nova-api": "nova-api",
        "nova-conductor": "nova-conductor",
    }
    assert [str(path) for path in read.found.empty] == ["cinder-volume.log", "nova-consoleauth.log"]
    assert {str(path): why for path, why in read.found.passed_over} == {
        "core": "binary",
        "LICENSE": "no line of a known format",
        "notes.md": "not text of a log by its name",
    }


def test_one_file_is_a_folder_of_one(make_folder: MakeFolder) -> None:
    folder = make_folder({"nova-api.log": oslo("nova.osapi_compute.wsgi")})
    assert read_folder(folder / "nova-api.log").kinds == {"nova-api": "nova-api"}


def test_the_same_file_of_two_machines_is_two_components(make_folder: MakeFolder) -> None:
    text = oslo("nova.compute.manager")
    folder = make_folder({"host-a/nova/nova-compute.log": text, "host-b/nova/nova-compute.log": text})
    assert read_folder(folder).kinds == {"nova-compute@host-a": "nova-compute", "nova-compute@host-b": "nova-compute"}


def test_rotated_files_are_one_component(make_folder: MakeFolder) -> None:
    folder = make_folder(
        {"nova-api.log": oslo("nova.wsgi"), "nova-api.log.1": oslo("nova.wsgi", hours=-24.0), "nova-api.log.2": ""}
    )
    assert set(read_folder(folder).kinds) == {"nova-api"}


def test_formats_without_a_year_take_that_of_their_neighbours(make_folder: MakeFolder) -> None:
    folder = make_folder(
        {
            "nova-api.log": oslo("nova.osapi_compute.wsgi"),
            "ray-replicas-0.log": "INFO 03-05 10:02:11 [core.py:112] ready\n",
            "kubelet.log": 'I0305 10:02:11.123456    2103 kubelet.go:2445] "SyncLoop"\n',
        }
    )
    assert {datetime.fromtimestamp(entry.time or 0, UTC).year for entry in read_folder(folder).entries} == {2026}


def test_alone_they_were_written_before_the_file_was_last_changed(make_folder: MakeFolder) -> None:
    folder = make_folder({"vllm.log": "INFO 12-31 10:02:11 [core.py:112] ready\nINFO 01-01 00:00:01 [core.py:1] on\n"})
    changed = datetime(2025, 1, 2, tzinfo=UTC).timestamp()
    os.utime(folder / "vllm.log", (changed, changed))
    read = read_folder(folder)
    years = [datetime.fromtimestamp(entry.time or 0, UTC).year for entry in read.entries]
    assert years == [2024, 2025]


def test_records_without_any_time_are_kept_apart(make_folder: MakeFolder) -> None:
    read = read_folder(make_folder({"nova.log": "INFO nova.compute.manager [-] x\n" * 3}))
    assert (read.entries, len(read.undated), read.reports[0].undated) == ((), 3, 3)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "no such folder"),
        ({"a.csv": "1,2\n"}, r"holds no log files: a\.csv \(not text of a log by its name\); name the folder of"),
        ({"nova-api.log": ""}, r"holds no log files: nova-api\.log \(empty\)"),
        ({"nova-api.log": "\n\n \n"}, r"holds no log files: nova-api\.log \(empty\)"),
        ({"junk.log": b"\x00\x01\x02" * 100}, r"junk\.log \(binary\)"),
        ({"a.log.gz": gzip.compress(b"x\n" * 99_999)[:80]}, r"a\.log\.gz: its compression ends in the middle"),
    ],
)
def test_what_cannot_be_read_is_said(make_folder: MakeFolder, files: dict[str, str | bytes], says: str) -> None:
    with pytest.raises(ReadingError, match=says):
        read_folder(make_folder(files))


def test_a_link_to_nothing_and_a_pipe_do_not_hold_it_up(make_folder: MakeFolder) -> None:
    folder = make_folder({"nova-api.log": oslo("nova.osapi_compute.wsgi")})
    os.mkfifo(folder / "pipe.log")
    assert len(read_folder(folder).entries) == 20
    (folder / "gone.log").symlink_to(folder / "nowhere")
    with pytest.raises(ReadingError, match=r"gone\.log: No such file or directory; take it out of the folder"):
        read_folder(folder)


# --- clocks ------------------------------------------------------------------------------------------------------

ACCESS = '10.0.0.7 - - [05/Mar/2026:10:0{}:07 +0000] "POST /v1/x HTTP/1.1" 200 24 "-" "curl" "-" 6.8\n'


def test_files_of_two_time_zones_are_refused_and_read_once_told(make_folder: MakeFolder) -> None:
    folder = make_folder(
        {
            "nova-api.log": oslo("nova.osapi_compute.wsgi", hours=2.0),
            "nova-compute.log": oslo("nova.compute.manager", hours=2.0),
            "access.log": "".join(ACCESS.format(i) for i in range(8)),
        }
    )
    apart = r"access\.log \(2026-03-05 10:00:07 to 10:07:07\) and .* 2:00 h apart"
    # The access log prints its zone: it is the others that do not say theirs.
    with pytest.raises(ReadingError, match=rf"{apart}.* --timezone \+02:00, or access\.log=\+00:00 if its times are"):
        read_folder(folder)
    for said in ("+02:00", "nova-*=+02:00"):
        read = read_folder(folder, zones([said]))
        assert read.last - read.first < 600
    assert len(read_folder(folder, zones(["access.log=+00:00"])).entries) == 48


def test_one_service_in_another_zone_is_named_with_what_to_say(make_folder: MakeFolder) -> None:
    files = {f"nova-{name}.log": oslo(f"nova.{name}") for name in ("api", "conductor", "scheduler")}
    folder = make_folder({**files, "neutron-server.log": oslo("neutron.wsgi", hours=-5.5)})
    with pytest.raises(ReadingError, match=r"neutron-server\.log.*--timezone neutron-server\.log=-05:30, or =\+00:00"):
        read_folder(folder)
    assert read_folder(folder, zones(["neutron-server.log=-05:30"])).last == START.timestamp() + 19 * 30
    # Whoever says that the times are right is believed.
    assert read_folder(folder, zones(["neutron-server.log=+00:00"])).first < START.timestamp() - 19_000


def test_overlapping_files_are_told_apart_by_their_requests(make_folder: MakeFolder) -> None:
    files = {
        f"nova-{name}.log": oslo(f"nova.{name}", hours=hours, count=200, every=120.0, request="ids")
        for name, hours in {"api": 0.0, "conductor": 0.0, "compute": 1.0}.items()
    }
    folder = make_folder(files)
    with pytest.raises(
        ReadingError, match=r"nova-compute\.log is 1:00 h ahead of .*--timezone nova-compute\.log=\+01:00"
    ):
        read_folder(folder)
    assert len(read_folder(folder, zones(["nova-compute.log=+01:00"])).entries) == 600


def test_a_machine_whose_clock_is_off_is_named_with_all_its_files(make_folder: MakeFolder) -> None:
    off = {"neutron-dhcp-agent": "neutron.agent", "nova-compute": "nova.compute"}
    files = {f"node-1/{name}.log": oslo(logger, hours=1 / 12, request="ids") for name, logger in off.items()}
    right = ("nova-api", "nova-conductor", "neutron-server")
    files |= {f"controller/{name}.log": oslo(name.replace("-", "."), request="ids") for name in right}
    folder = make_folder(files)
    with pytest.raises(ReadingError, match=r"node-1/\S+ is 0:05 h ahead of controller/.* --timezone node-1/\*=\+00:05"):
        read_folder(folder)
    assert read_folder(folder, zones(["node-1/*=+00:05"])).last == START.timestamp() + 19 * 30


def test_what_to_say_goes_on_from_what_was_said(make_folder: MakeFolder) -> None:
    names = ("api", "conductor", "scheduler")
    folder = make_folder({f"nova-{name}.log": oslo(f"nova.{name}", request="ids") for name in names})
    with pytest.raises(ReadingError, match=r"nova-api\.log is 2:00 h behind .* --timezone nova-api\.log=\+00:00"):
        read_folder(folder, zones(["nova-api.log=+02:00"]))


def test_a_zone_of_a_file_that_is_not_there_is_refused(make_folder: MakeFolder) -> None:
    folder = make_folder({"nova-api.log": oslo("nova.api")})
    with pytest.raises(ReadingError, match=r"--timezone api\.log=\+02:00: no log file is called so; there are nova"):
        read_folder(folder, zones(["api.log=+02:00"]))


def test_a_clock_that_is_minutes_off_is_named(make_folder: MakeFolder) -> None:
    files = {
        f"nova-{name}.log": oslo(f"nova.{name}", hours=hours, request="ids")
        for name, hours in {"api": 0.0, "conductor": -200 / 3600, "compute": 0.0}.items()
    }
    folder = make_folder(files)
    with pytest.raises(ReadingError, match=r"nova-conductor\.log is 0:03:20 h behind .*=-00:03:20"):
        read_folder(folder)
    assert len(read_folder(folder, zones(["nova-conductor.log=-00:03:20"])).entries) == 60


def test_a_clock_that_jumps_in_the_middle_is_a_fault_and_no_mistake(make_folder: MakeFolder) -> None:
    lines = oslo("nova.conductor", request="ids").splitlines(keepends=True)
    late = oslo("nova.conductor", hours=0.5, request="ids").splitlines(keepends=True)
    folder = make_folder(
        {"nova-api.log": oslo("nova.api", request="ids"), "nova-conductor.log": "".join(lines[:10] + late[10:])}
    )
    assert len(read_folder(folder).entries) == 40


def test_a_service_that_speaks_of_a_request_at_its_end_only_has_no_clock_of_its_own(make_folder: MakeFolder) -> None:
    def lines(logger: str, *offsets: float) -> str:
        said = "".join(oslo(logger, hours=offset, request="ids") for offset in offsets)
        return "".join(sorted(said.splitlines(keepends=True)))

    folder = make_folder({"nova-api.log": lines("nova.api", 0.0, 0.1), "keystone.log": lines("keystone.x", 0.1)})
    assert len(read_folder(folder).entries) == 60


def test_a_service_that_began_hours_later_is_no_other_zone_where_times_say_their_zone(make_folder: MakeFolder) -> None:
    later = "".join(ACCESS.format(i).replace(":10:", ":13:") for i in range(8))
    folder = make_folder({"a/access.log": "".join(ACCESS.format(i) for i in range(8)), "b/access.log": later})
    assert len(read_folder(folder).entries) == 16


@pytest.mark.parametrize("wrong", ["2", "+2:00", "UTC", "=+02:00", "a=b", "+02:00=a", "+99:99"])
def test_a_zone_is_hours_and_minutes(wrong: str) -> None:
    with pytest.raises(ReadingError, match=r"give \+02:00 for all files, or FILE=\+02:00"):
        zones([wrong])
