"""Many servers at once on one small host: the twin beside a devstack's nova-compute.

The log has no times, only what nova prints after 'Took'. Its order tells the load: one client creates a server and
deletes the eldest of nine, again and again, so that two builds overlap nearly always, three in a fifth of the cases
(`boots.overlap`: 2.2). Builds are alike over as many builds as a server lives (their autocorrelation falls evenly from
0.8 to nothing at the ninth), so what loads the host is the servers' own programs, each as long as it lives. The
scenario draws each server's load from an exponential distribution; its mean and the client's pause are fitted on the
median of the builds and on their overlap, and no other quantile is.

The profile `devstack` is `cloudlab` with one factor for the whole host: the first build of the log, the only one with
nothing beside it, took 5.2 s to spawn instead of 19.7. Everything above that comes from sharing the host.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from experiments.bench.openstack import boots, worlds
from experiments.bench.openstack.lines import DHCP_OFF, Line, devstack
from experiments.bench.openstack.measures import quantile
from experiments.bench.openstack.templates import masked_counts
from experiments.bench.rows import Row, at_least, within

BATCH, AGENT_OFF = "openstack-devstack-batch", "openstack-devstack-agent-off"
KIND = "nova-compute"
MEDIAN_TOLERANCE, TAIL_TOLERANCE = 0.20, 0.30
CHAIN = (
    "Instance failed to spawn",
    "Failed to allocate network(s)",
    "Build of instance",
)
"""How the ERROR lines of a boot begin where neutron never tells that the port is plugged."""
CHAINED = 0.95
"""The share of failed boots that must show exactly that chain; in the log it is all of them."""
ERRORS = (9.0, 19.0)
"""Per cent of lines."""


def batch_rows(data: Path, quick: bool) -> Iterator[Row]:
    """Quantiles of builds and deletions under batch load, levels, and templates."""
    real = devstack(data)
    world = worlds.lived(BATCH, worlds.RECORDED, *(("spec.horizon=1800s",) if quick else ()))
    ours = worlds.lines(world, KIND, start=worlds.WARM_UP)
    yield from load_rows(real, ours)
    yield from level_rows("devstack", real, ours)
    yield coverage_row("devstack", real, ours)


def load_rows(real: Sequence[Line], ours: Sequence[Line]) -> Iterator[Row]:
    """What nova printed after 'Took', and how many builds overlapped."""
    theirs, twins = boots.lives(real), boots.lives(ours)
    yield Row("devstack: builds at once", boots.overlap(ours), "mean", anchor=f"real: {boots.overlap(real):.2f}")
    for what in ("build", "spawn", "destroy", "deallocate"):
        reference, seconds = boots.took(theirs, what), boots.took(twins, what)
        for share in (0.1, 0.5, 0.9, 0.99):
            wanted = quantile(reference, share)
            name = f"devstack: {what} p{round(100 * share)}"
            anchor = f"real: {wanted:.1f} s, n {len(reference)}; twin: n {len(seconds)}"
            tolerance = {0.5: MEDIAN_TOLERANCE, 0.9: TAIL_TOLERANCE}.get(share) if what == "build" else None
            if not seconds:
                yield Row(name, None, "s", anchor=f"{anchor}; the twin shows none", holds=False)
            elif tolerance is None:
                yield Row(name, quantile(seconds, share), "s", anchor=anchor)
            else:
                low, high = (1 - tolerance) * wanted, (1 + tolerance) * wanted
                yield within(name, quantile(seconds, share), "s", low, high, anchor)


def level_rows(name: str, real: Sequence[Line], ours: Sequence[Line]) -> Iterator[Row]:
    """WARNING and above, stack traces apart."""
    shares = [100 * share_of_level(found, "WARNING", "ERROR", "CRITICAL") for found in (real, ours)]
    yield Row(f"{name}: WARNING and ERROR", shares[1], "% of lines", anchor=f"real: {shares[0]:.2f}")


def share_of_level(lines: Sequence[Line], *levels: str) -> float:
    """The share of lines of these levels, stack traces apart."""
    heads = [line for line in lines if not line.traceback]
    return sum(line.level in levels for line in heads) / len(heads) if heads else 0.0


def coverage_row(name: str, real: Sequence[Line], ours: Sequence[Line]) -> Row:
    """How many of the real masked templates the twin's lines show, and how many of the real lines those are."""
    theirs, twins = masked_counts(real), masked_counts(ours)
    known = theirs.keys() & twins.keys()
    covered = 100 * sum(theirs[template] for template in known) / sum(theirs.values())
    missing = [text for (_, text), _ in theirs.most_common() if not any(text == seen for _, seen in known)]
    told = f"{covered:.1f} % of its lines; most frequent one missing: {missing[0][:70]}" if missing else "all"
    return Row(f"{name}: templates covered", len(known), f"of {len(theirs)}", anchor=told)


def agent_off_rows(data: Path, quick: bool) -> Iterator[Row]:
    """The chain of ERRORs of each boot where no agent plugs its port."""
    real = devstack(data, DHCP_OFF)
    world = worlds.lived(AGENT_OFF, worlds.RECORDED, *(("spec.horizon=3600s",) if quick else ()))
    began = max((fault.at for fault in world.spec.faults), default=0.0)
    ours = worlds.lines(world, KIND, start=began)
    theirs, twins = boots.lives(real), boots.lives(ours)
    shares = [chained(found.values()) for found in (theirs, twins)]
    anchor = f"real: {shares[0][0]:.2f} of {shares[0][1]} boots; twin: {shares[1][1]} boots"
    yield at_least("agent off: boots with the chain of three", shares[1][0], "share", CHAINED, anchor)
    errors = [100 * share_of_level(found, "ERROR") for found in (real, ours)]
    yield within("agent off: ERROR", errors[1], "% of lines", *ERRORS, f"real: {errors[0]:.1f}")
    for what in ("destroy", "deallocate"):
        reference, seconds = boots.took(theirs, what), boots.took(twins, what)
        wanted = " / ".join(f"{quantile(reference, share):.2f}" for share in (0.1, 0.5, 0.9))
        value = quantile(seconds, 0.5) if seconds else None
        yield Row(f"agent off: {what} p50", value, "s", anchor=f"real p10 / p50 / p90: {wanted}")
    yield coverage_row("agent off", real, ours)


def chained(lives: Iterable[boots.Life]) -> tuple[float, int]:
    """Of the boots that show any ERROR: the share that shows exactly the chain, and how many they are."""
    failed = [life.errors for life in lives if life.errors]
    exact = [
        len(errors) == len(CHAIN) and all(e.startswith(c) for e, c in zip(errors, CHAIN, strict=True))
        for errors in failed
    ]
    return (sum(exact) / len(exact) if exact else 0.0), len(exact)
