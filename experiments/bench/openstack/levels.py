"""Log levels of a normal hour of today's OpenStack.

The bar is the level mix of a fault-injection campaign's fault-free runs (OpenStack Pike, means over 911 runs): of the
lines of INFO and above, WARNINGs are 5 to 9 %; 4 % of those runs of eleven minutes hold any ERROR line, so an hour may
hold one. Nothing is fitted: a WARNING is there because a service of the twin reached the statement that logs it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from experiments.bench.openstack import boots, worlds
from experiments.bench.openstack.cloudlab import share_of_404
from experiments.bench.rows import Row, at_most, skipped, within

SCENARIO = "openstack-healthy"
HOUR = 3600.0
WARNINGS, ERRORS = (5.0, 9.0), 1
INFRASTRUCTURE = frozenset({"node", "mysql", "rabbitmq", "haproxy", "memcached", "libvirt"})
"""Kinds whose logs the campaign did not keep."""


def rows(quick: bool) -> Iterator[Row]:
    """WARNINGs, ERRORs and answers of 404."""
    if quick:
        yield skipped("zed: levels of a normal hour", "not with --quick")
        return
    world = worlds.lived(SCENARIO, worlds.RECORDED, f"spec.horizon={worlds.WARM_UP + HOUR}s")
    kinds = {component.kind for component in world.components.values()} - INFRASTRUCTURE
    heads = [line for line in worlds.lines(world, *kinds, start=worlds.WARM_UP) if not line.traceback]
    counts = Counter(line.level for line in heads if line.level != "DEBUG")
    total = sum(counts.values())
    warnings = 100 * counts["WARNING"] / total
    told = f"{total * 60 / HOUR:.0f} lines a minute"
    yield within("zed: WARNING, normal hour", warnings, "% of INFO and above", *WARNINGS, told)
    errors = [line for line in heads if line.level in ("ERROR", "CRITICAL")]
    told = "; ".join(sorted({f"{line.service}: {line.text[:60]}" for line in errors})[:2])
    yield at_most("zed: ERROR, normal hour", len(errors), "lines", ERRORS, told)
    share = 100 * share_of_404(boots.accesses(heads))
    yield Row("zed: answers of 404", share, "% of answers", anchor="real (CloudLab): 4.0")
