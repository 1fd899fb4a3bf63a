"""One server after the other on an idle cloud: the twin beside Loghub's log of CloudLab.

The service times of profile `cloudlab` were fitted on the medians of this very log: the rows of stages and answers show
that they add up through the flows, not that they predict anything. What is not fitted: which lines come how often
(templates, their divergence, levels, 404s) and the spread. The client's habits are read off the log: it lists servers
twice, sleeps a second, and so on until the server is ACTIVE; deletes it seconds later, lists until it is gone, waits,
and begins anew every 41.8 s. The log is nova-api's, nova-compute's and nova-scheduler's only; so are the twin's lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from experiments.bench.openstack import boots, worlds
from experiments.bench.openstack.lines import Line, loghub
from experiments.bench.openstack.measures import jensen_shannon
from experiments.bench.openstack.templates import Templates, loghub_templates
from experiments.bench.rows import Row, at_least, at_most, within

SCENARIO = "openstack-cloudlab-day"
SIMPLE_FAILURES = ("nova-compute-crash", "nova-api-crash")
KINDS = ("nova-api", "nova-scheduler", "nova-compute")
DIALECT = "spec.telemetry.dialect=loghub2017"
TOLERANCE, RESOLUTION = 0.10, 0.001
"""Share of a median by which the twin's may differ, and seconds that the log's three decimals leave open."""
DIVERGENCE, WARNINGS = 0.15, (0.005, 0.025)
ANSWERS: tuple[tuple[str, str, str], ...] = (
    ("GET", "/servers/detail", "200"),
    ("GET", "/servers/{id}", "200"),
    ("POST", "/servers", "202"),
    ("DELETE", "/servers/{id}", "204"),
    ("POST", "/os-server-external-events", "200"),
)
"""Nova-api's answers that the log holds twenty times or more; the metadata service's are bimodal and apart.

Its 404 to neutron's events has no bar: neutron of 2017 gathered events for two seconds before it sent them, when nova
had forgotten the deleted server; that of today sends the first at once, and is answered with 200.
"""


def rows(data: Path, quick: bool) -> Iterator[Row]:
    """Stages, answers, templates and levels on a like workload."""
    real = loghub(data)
    world = worlds.lived(SCENARIO, worlds.RECORDED, *(("spec.horizon=1200s",) if quick else ()))
    ours = worlds.lines(world, *KINDS, start=worlds.WARM_UP)
    yield from stage_rows(real, ours)
    yield from answer_rows(real, ours)
    yield from template_rows(loghub_templates(data), real, ours)
    yield from level_rows(real, ours)


def median_row(what: str, ours: Sequence[float], real: Sequence[float]) -> Row:
    """The median of the twin's seconds beside the real ones."""
    reference = median(real)
    margin = max(TOLERANCE * reference, RESOLUTION) + 1e-6
    anchor = f"real: {reference:.3f} s, n {len(real)}; twin: n {len(ours)}"
    if not ours:
        return Row(what, None, "s", f"{reference:.3g} +- {margin:.2g}", f"{anchor}; the twin shows none", False)
    return within(what, median(ours), "s", reference - margin, reference + margin, anchor)


def stage_rows(real: Sequence[Line], ours: Sequence[Line]) -> Iterator[Row]:
    """Seconds between the lines of a boot and of a deletion, and what nova itself printed."""
    theirs, twins = boots.lives(real), boots.lives(ours)
    real_stages, our_stages = boots.stage_times(theirs), boots.stage_times(twins)
    for before, after in boots.STAGES:
        stage = f"{before} -> {after}"
        if stage in real_stages:
            yield median_row(f"stage {stage}", our_stages.get(stage, []), real_stages[stage])
    for what in ("spawn", "build", "destroy", "deallocate"):
        yield median_row(f"'Took' to {what}", boots.took(twins, what), boots.took(theirs, what))


def answer_rows(real: Sequence[Line], ours: Sequence[Line]) -> Iterator[Row]:
    """Seconds that nova-api took for its answers."""
    real_times, our_times = boots.accesses(real), boots.accesses(ours)
    for method, resource, status in ANSWERS:
        key = (method, resource, status)
        yield median_row(f"{method} {resource} {status}", our_times.get(key, []), real_times[key])


def template_rows(templates: Templates, real: Sequence[Line], ours: Sequence[Line]) -> Iterator[Row]:
    """How many of the published templates the twin reaches, how often, and what it says beside them."""
    theirs, twins = templates.count(real), templates.count(ours)
    unknown = twins.pop(None, 0)
    theirs.pop(None, None)
    missing = sorted(theirs.keys() - twins.keys(), key=lambda name: int(str(name)[1:]))
    for name in SIMPLE_FAILURES if missing else ():
        failing = templates.count(worlds.lines(worlds.lived(name, worlds.RECORDED, DIALECT), *KINDS))
        missing = [template for template in missing if template not in failing]
    told = f"missing: {', '.join(map(str, missing))}" if missing else "all"
    yield at_least("Loghub's templates reached", len(theirs) - len(missing), "of 43", len(theirs), told)
    apart = sorted(differences(theirs, twins).items(), key=lambda item: -abs(item[1]))[:4]
    told = ", ".join(f"{name} {100 * share:+.1f} %" for name, share in apart)
    yield at_most("divergence of their frequencies", jensen_shannon(theirs, twins), "bits", DIVERGENCE, told)
    yield Row("lines of none of the 43", 100 * unknown / len(ours), "% of lines", anchor="real: 0")


def differences(real: Mapping[str | None, int], ours: Mapping[str | None, int]) -> dict[str | None, float]:
    """The twin's share of each template minus the real one."""
    all_real, all_ours = sum(real.values()), sum(ours.values())
    return {name: ours.get(name, 0) / all_ours - real.get(name, 0) / all_real for name in real.keys() | ours.keys()}


def level_rows(real: Sequence[Line], ours: Sequence[Line]) -> Iterator[Row]:
    """WARNINGs, ERRORs and answers of 404 of a normal hour."""
    theirs, twins = (Counter(line.level for line in found) for found in (real, ours))
    shares = [counts["WARNING"] / sum(counts.values()) for counts in (theirs, twins)]
    low, high = WARNINGS
    name = "loghub2017: WARNING, normal running"
    yield within(name, 100 * shares[1], "% of lines", 100 * low, 100 * high, f"real: {100 * shares[0]:.2f}")
    yield at_most("loghub2017: ERROR, normal running", twins["ERROR"], "lines", theirs["ERROR"], "real: none")
    not_found = [100 * share_of_404(boots.accesses(found)) for found in (real, ours)]
    yield Row("loghub2017: answers of 404", not_found[1], "% of answers", anchor=f"real: {not_found[0]:.1f}")


def share_of_404(answers: Mapping[tuple[str, str, str], Sequence[float]]) -> float:
    """The share of 404 among all answers."""
    total = sum(map(len, answers.values()))
    return sum(len(times) for (_, _, status), times in answers.items() if status == "404") / total if total else 0.0
