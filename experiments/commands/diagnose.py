"""`healtwin diagnose`: what real logs show to have failed, and at whose root."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from experiments.diagnosing import Finding, Read

SHOWN_FILES = 10


def command(
    logs: Annotated[Path, typer.Option("--logs", help="A folder of log files (plain, .gz, .xz), or one file.")],
    metrics: Annotated[
        Path | None,
        typer.Option("--metrics", help="CSV: <component>_<metric> columns, or metric,component,value."),
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="When it broke (default: look at every window).")
    ] = None,
    window: Annotated[float, typer.Option("--window", min=1.0, help="Seconds that are looked at together.")] = 60.0,
    timezone: Annotated[
        list[str] | None,
        typer.Option("--timezone", metavar="[FILE=]+HH:MM", help="What local times are ahead of UTC; repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a window.")] = False,
) -> None:
    """Read real logs and say what failed, with the evidence: text, or JSON lines of one window each."""
    import json
    import sys

    from experiments import diagnosing
    from experiments.progress import Bar
    from llm.reading.clocks import zones

    with Bar("files") as bar:
        given = diagnosing.read(logs, metrics, zones(timezone or ()), bar)
    found = diagnosing.diagnose(given, None if at is None else diagnosing.moment(at, given.logs), window)
    told = sys.stderr if as_json else sys.stdout
    for line in _what_was_read(given):
        print(line, file=told)
    failures = 0
    for finding in found:
        failures += finding.failed
        if as_json:
            print(json.dumps(finding.as_json(logs.resolve().name)), flush=True)
        elif finding.failed or at is not None:
            print("\n".join(_in_words(finding)))
    if not as_json and not failures and at is None:
        print("nothing departs from what the first third of the logs lets expect")


def _what_was_read(given: Read) -> list[str]:
    from experiments.diagnosing import share, stamp

    folder = given.logs
    lines = [
        f"{len(folder.entries):,} records of {len(folder.kinds)} components in {len(folder.reports)} files, "
        f"{stamp(folder.first)} to {stamp(folder.last)}; {share(folder.reports):.1%} of the lines read"
    ]
    for report in given.unread[:SHOWN_FILES]:
        sample = f", such as: {report.samples[0]}" if report.samples else ""
        lines.append(f"  not read: {report.unknown:,} lines of {report.path}{sample}")
    if len(given.unread) > SHOWN_FILES:
        lines.append(f"  not read: lines of {len(given.unread) - SHOWN_FILES} more files")
    return lines


def _in_words(finding: Finding) -> list[str]:
    from experiments.diagnosing import stamp

    span = f"{stamp(finding.start)} to {stamp(finding.end)}"
    if not finding.failed:
        return [f"{span}: nothing failed, as far as the logs say"]
    causes = ", ".join(finding.root_cause) or "nobody in particular"
    lines = [f"{span}: failed ({finding.family}); root cause: {causes}"]
    return [*lines, *(f"  {piece.component}: {piece.text}" for piece in finding.diagnosis.evidence)]
