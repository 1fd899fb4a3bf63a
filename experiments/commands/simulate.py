"""`healtwin simulate`: one scenario, lived through and written to a folder."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.commands.options import Force, Out, Overrides, Seed

if TYPE_CHECKING:
    from twin.world import World

AFTER_TRACE = 120
"""Seconds after the last arrival of a trace."""


def command(
    scenario: Annotated[str, typer.Argument(help="A scenario file, or the name of a shipped one.")],
    seed: Seed = None,
    out: Out = None,
    force: Force = False,
    overrides: Overrides = None,
    policy: Annotated[
        str | None, typer.Option("--policy", help="Who acts: noop, random, ladder, or a folder (default: nobody).")
    ] = None,
    do: Annotated[
        list[str] | None,
        typer.Option(
            "--do",
            metavar="'TIME ACTION TARGET [gentle|immediate]'",
            help="Order an action at a time, such as '300s reboot node-1'; repeatable.",
        ),
    ] = None,
    trace: Annotated[
        Path | None, typer.Option("--trace", help="Requests from a CSV: arrival_s, prompt_tokens, output_tokens.")
    ] = None,
    track: Annotated[bool, typer.Option("--track/--no-track", help="Record the run in MLflow.")] = True,
    serve: Annotated[
        str | None,
        typer.Option(
            "--serve",
            metavar="[HOST]:PORT",
            help="Serve /metrics while it runs, for a Prometheus to scrape; logs go to stdout as JSON lines.",
        ),
    ] = None,
    pace: Annotated[
        str | None, typer.Option("--pace", help="With --serve: simulated seconds per second, such as 10x (default 1x).")
    ] = None,
    export: Annotated[
        str | None,
        typer.Option(
            "--export",
            metavar="F[,F]",
            help="Write OUT/export/F too: rcaeval, openmetrics, loki, otlp, parquet, text.",
        ),
    ] = None,
) -> None:
    """Run a scenario; write its logs, metrics, traces, alarms and ground truth to a folder."""
    from experiments.errors import UserError
    from experiments.orders import read_orders, told
    from experiments.runs import new_folder
    from experiments.simulate import Stopped, simulate
    from twin.scenario import Scenario

    exports: tuple[str, ...] = ()
    if export is not None:
        from experiments import telemetry_export

        exports = telemetry_export.formats(export)
    orders = read_orders(do or ())
    if orders and policy not in (None, "noop"):
        raise UserError("either a policy acts (--policy) or you do (--do)")
    changes = list(overrides or [])
    if trace is not None:
        changes = [*replayed(trace), *changes]
    loaded = Scenario.load(scenario, changes)
    name = loaded.metadata.name
    folder = out or new_folder(f"simulate-{name}")
    if pace is not None and serve is None:
        raise UserError("--pace goes with --serve: a run that nobody watches is as fast as it can be")
    run = partial(
        simulate,
        loaded,
        folder,
        seed=seed,
        policy=policy,
        force=force,
        track=track,
        command=sys.argv[1:],
        orders=orders,
    )
    say: Callable[[str], None] = print
    if serve is None:
        with LiveLine() as line:
            done = run(on_progress=line)
    else:
        from experiments.serving import Serving, read_pace

        say = partial(print, file=sys.stderr)  # stdout is for the logs
        try:
            with Serving(serve, read_pace(pace or "1x"), sys.stdout, say) as serving:
                done = run(attend=serving.attend)
        except Stopped as stopped:
            say(f"stopped at {stopped.world.now:.0f} s; telemetry up to then: {folder}")
            raise
    outcome = done.result
    acted = f"{outcome.actions} action{'' if outcome.actions == 1 else 's'}"
    say(f"{name}, seed {outcome.seed}: SLO violated {outcome.violation_seconds:.0f} s, {acted}")
    for incident in outcome.incidents:
        until = (
            "still there"
            if incident.cleared is None
            else f"cleared at {incident.cleared:.0f} s by {incident.cleared_by}"
        )
        since = "not injected" if incident.injected is None else f"injected at {incident.injected:.0f} s, {until}"
        say(f"  {incident.fault}: {incident.kind} on {', '.join(incident.targets)}, {since}")
    for ordered in told(done.tickets if orders else ()):
        say(f"  {ordered}")
    for missed in done.never_reached:
        print(f"warning: {missed}", file=sys.stderr)
    say(f"telemetry: {folder}")
    say(f"sha256: {done.digest}")
    if exports:
        telemetry_export.export(folder, exports, folder / "export", force, lambda name, at: say(f"{name}: {at}"))
    if done.run:
        say(f"run: {done.run}")


def replayed(trace: Path) -> list[str]:
    """The changes that replay a trace: its workload alone, and a horizon that lets the last request end."""
    from twin.inference.workload import read_trace

    last = max((arrival.time for arrival in read_trace(trace)), default=0.0)
    workload = json.dumps({"trace": str(trace.resolve())})
    return [f"spec.workload={workload}", f"spec.horizon={math.ceil(last) + AFTER_TRACE}s"]


class LiveLine:
    """Simulated time, speed, SLO state and active faults while a world lives. Call it with the world."""

    def __enter__(self) -> LiveLine:
        import time

        from rich.console import Console
        from rich.live import Live

        self._clock = time.monotonic
        self._began = self._shown = time.monotonic()
        self._live: Any = Live(console=Console(stderr=True), transient=True, auto_refresh=False)
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, world: World) -> None:
        """Show where the world stands, at most five times a second."""
        now = self._clock()
        if now - self._shown < 0.2:
            return
        self._shown = now
        violated = bool(world.slo.violated) and world.slo.violated[-1]
        faults = ", ".join(i.fault for i in world.truth.active) or "none"
        state = "[red]SLO violated[/red]" if violated else "[green]SLO met[/green]"
        speed = world.now / max(now - self._began, 1e-9)
        self._live.update(
            f"{world.now:7.0f} / {world.spec.horizon:.0f} s   {speed:6.0f} x real time   {state}   faults: {faults}",
            refresh=True,
        )
