"""`healtwin bench mutations`: the campaign of software faults beside the study's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def command(
    sites: Annotated[
        Literal["calls", "study"],
        typer.Option("--sites", help="calls: every call site; study: those that the study's injector chose."),
    ] = "calls",
    frame: Annotated[bool, typer.Option("--frame", help="Only the sampling frame and its digest.")] = False,
    size: Annotated[int, typer.Option("--size", min=1, help="Experiments.")] = 900,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the sample and of the cloud's luck.")] = 1,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes.")] = 2,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="JSON lines, one an experiment; those in it are not run again. Default: runs/mutations-SITES.jsonl.",
        ),
    ] = None,
) -> None:
    """Mutate the program of Nova, Cinder and Neutron, one call at a time, and lay what fails beside the study's.

    The experiments are drawn from the sampling frame: all mutations of all calls that a fault-free run comes by. Its
    digest was fixed before the first experiment; a frame with another digest is refused.
    """
    from collections import Counter

    from experiments.bench.mutations import tables
    from experiments.bench.mutations.experiment import experiment, fault_free, reached
    from experiments.bench.mutations.runner import records_of, run
    from experiments.errors import UserError
    from experiments.progress import Bar
    from experiments.tables import wide
    from twin.openstack.mutation import campaign

    for workload in campaign.WORKLOADS:
        if not fault_free(workload, campaign.FRAME_SEED).well:
            raise UserError(
                f"the {workload} workload fails without a fault: there is nothing to lay a fault's run beside"
            )
    points = campaign.frame(reached(campaign.FRAME_SEED), campaign.FRAMES[sites])
    found = campaign.digest(points)
    if frame:
        kinds = Counter((point.workload, point.mutation.split("|")[1]) for point in points)
        for (workload, kind), count in sorted(kinds.items()):
            typer.echo(f"{workload:12} {kind:18} {count:5}")
        typer.echo(f"{len(points)} points, sha256 {found}")
        return
    fixed = campaign.DIGESTS[sites]
    if found != fixed:
        raise UserError(
            f"the sampling frame has changed: it is {found}, and {fixed or 'none'} was fixed; write "
            "down what changed it and from which source, then fix the new one in twin/openstack/mutation/campaign.py"
        )
    with Bar("experiments") as bar:
        records = run(campaign.sample(points, size, seed), experiment, out or records_of(sites), seed, workers, bar)
    tables.show(records, wide())
