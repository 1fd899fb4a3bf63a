"""Log levels of a normal hour of today's OpenStack.

The bar is the level mix of a fault-injection campaign's fault-free runs (OpenStack Pike, means over 911 runs): of the
lines of INFO and above, WARNINGs are 5 to 9 %; 4 % of those runs of eleven minutes hold any ERROR line, so an hour may
hold one. Nothing is fitted: a WARNING is there because a service of the twin reached the statement that logs it.

Which statements are reached is also a matter of who asks. The command-line client logs in for every command, and each
login with a password is a WARNING of keystone; programs that keep their token cause few. The campaign's load was 36
commands; the normal hour's is programs. The share is printed for both.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from statistics import mean

from experiments.bench.openstack import boots, worlds
from experiments.bench.openstack.cloudlab import share_of_404
from experiments.bench.openstack.lines import Line
from experiments.bench.rows import Row, at_most, skipped, within
from twin.scenario import Scenario
from twin.world import World

SCENARIO = "openstack-healthy"
HOUR = 3600.0
HOURS = 5
"""Normal hours, each of another luck: one has some 1,600 WARNINGs, and so a share that is known to a fortieth."""
COMMANDS = {
    "cluster": {"kind": "openstack", "preset": "all-in-one"},
    "workload": {"loads": [{"kind": "deployment", "arrivals": {"concurrency": {"users": 1, "think": "10s"}}}]},
}
"""The campaign's own load on a cloud of its size: one deployment test after the other."""
WARNINGS, ERRORS = (5.0, 9.0), 1
INFRASTRUCTURE = frozenset({"node", "mysql", "rabbitmq", "haproxy", "memcached", "libvirt"})
"""Kinds whose logs the campaign did not keep."""


def rows(quick: bool) -> Iterator[Row]:
    """WARNINGs, ERRORs and answers of 404."""
    if quick:
        yield skipped("zed: levels of a normal hour", "not with --quick")
        return
    horizon = f"spec.horizon={worlds.WARM_UP + HOUR}s"
    hours = [heads(worlds.lived(SCENARIO, worlds.RECORDED, horizon, seed=seed)) for seed in range(1, HOURS + 1)]
    shares = [share_of_warnings(hour) for hour in hours]
    told = f"{HOURS} hours: {min(shares):.2f} to {max(shares):.2f}"
    yield within("zed: WARNING, normal hour", mean(shares), "% of INFO and above", *WARNINGS, told)
    yield Row("zed: WARNING, the campaign's commands", share_of_warnings(heads(commanded())), "% of INFO and above")
    errors = [[line for line in hour if line.level in ("ERROR", "CRITICAL")] for hour in hours]
    most = max(errors, key=len)
    told = "; ".join(sorted({f"{line.service}: {line.text[:60]}" for line in most})[:2])
    yield at_most("zed: ERROR, normal hour", len(most), "lines", ERRORS, told)
    share = mean(100 * share_of_404(boots.accesses(hour)) for hour in hours)
    yield Row("zed: answers of 404", share, "% of answers", anchor="real (CloudLab): 4.0")


def heads(world: World) -> list[Line]:
    """The lines of OpenStack's own services after the warm-up, without those of stack traces."""
    kinds = {component.kind for component in world.components.values()} - INFRASTRUCTURE
    return [line for line in worlds.lines(world, *kinds, start=worlds.WARM_UP) if not line.traceback]


def share_of_warnings(lines: Iterable[Line]) -> float:
    """WARNINGs in percent of the lines of INFO and above."""
    counts = Counter(line.level for line in lines if line.level != "DEBUG")
    return 100 * counts["WARNING"] / counts.total()


def commanded() -> World:
    """A cloud that has been tested by command line for an hour."""
    spec = {**COMMANDS, "horizon": f"{worlds.WARM_UP + HOUR}s", "telemetry": {"mode": "recorded"}}
    head = {"apiVersion": "healtwin/v1", "kind": "Scenario", "metadata": {"name": "bench"}}
    world = World(Scenario.parse(json.dumps({**head, "spec": spec})), seed=1)
    world.run()
    return world
