"""`bench openstack`: the twin's cloud beside real ones, and its speed.

Four public or recorded clouds are read where they lie (`--data`): Loghub's CloudLab log of 2017, a devstack's logs
under batch load and with its network agent off, a fault-injection campaign's event counts, and a recorded control plane
with two injected faults. The workload of each is a shipped scenario; every row names what it is held to. What was
fitted on what, and what was not fitted at all, is said in the module of each cloud.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from experiments.bench.openstack import campaign, cloudlab, devstack, levels, recording, speed
from experiments.bench.openstack.lines import DEVSTACK, DHCP_OFF, LOGHUB, RECORDING
from experiments.bench.rows import Row, skipped

COMPARED: tuple[tuple[str, Path, Callable[[Path, bool], Iterator[Row]]], ...] = (
    ("CloudLab (Loghub)", LOGHUB, cloudlab.rows),
    ("devstack under batch load", DEVSTACK, devstack.batch_rows),
    ("devstack, network agent off", DHCP_OFF, devstack.agent_off_rows),
    ("recorded control plane", RECORDING, recording.rows),
    ("fault-injection campaign", campaign.DATASET, campaign.reference_rows),
)
"""What a group of rows is called, what of the data it reads, and what makes it (data, quick)."""


def rows(quick: bool, data: Path | None = None, long: bool = False) -> Iterator[Row]:
    """The rows of the benchmark, as they are measured; `long` adds the mutation campaign and the large cloud."""
    for name, needed, made in COMPARED:
        if data is None:
            yield skipped(name, "needs --data DIR")
        elif not (data / needed).exists():
            yield skipped(name, f"no {data / needed}")
        else:
            yield from made(data, quick)
    yield from levels.rows(quick)
    yield from campaign.rows(long)
    yield from speed.rows(quick, long)
