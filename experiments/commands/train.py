"""`healtwin train interpreter` and `healtwin train policy`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from experiments.commands.options import Force, Out

app = typer.Typer(help="Train an interpreter or a policy in the twin.", no_args_is_help=True)

SuiteOption = Annotated[str, typer.Option("--suite", help="A suite file, or the name of a shipped one.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of the training.")]
Seconds = Annotated[float | None, typer.Option("--seconds", min=0.0, help="Stop after this much wall clock.")]


@app.command("interpreter")
def interpreter(
    suite: SuiteOption = "training",
    seconds: Seconds = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Stop after this many training steps.")] = None,
    runs: Annotated[
        int | None, typer.Option("--runs", min=1, help="Collect windows from this many cases of the suite.")
    ] = None,
    seed: SeedOption = 0,
    base: Annotated[
        str, typer.Option("--base", help="Base model: tiny, a local folder, or a Hugging Face id.")
    ] = "tiny",
    revision: Annotated[str | None, typer.Option("--revision", help="Revision of a base from the hub.")] = None,
    out: Out = None,
    force: Force = False,
) -> None:
    """Collect labelled windows from the twin and train an interpreter on them."""
    from experiments.interpreter_training import in_words, train_interpreter
    from experiments.progress import Ticker
    from experiments.runs import new_folder
    from llm.config import InterpreterConfig
    from twin.scenario import Suite
    from twin.telemetry.folder import prepare

    loaded = Suite.load(suite)
    if seconds is None and (steps is None or runs is None):
        seconds = 60.0
    folder = out or new_folder("interpreter")
    prepare(folder, force)
    with Ticker("train interpreter", seconds, ("loss", "warm_up", "windows")) as ticker:
        done = train_interpreter(
            loaded,
            folder,
            config=InterpreterConfig(base=base, revision=revision),
            seed=seed,
            seconds=seconds,
            steps=steps,
            runs=runs,
            on_progress=ticker,
        )
    print(f"{done.windows} windows from {done.runs} runs")
    print("\n".join(in_words(done.report)))
    print(f"interpreter: {done.folder}\nrun: {done.run}")


@app.command("policy")
def policy(
    suite: SuiteOption = "training",
    interpreter: Annotated[
        Path | None, typer.Option("--interpreter", help="Folder of an interpreter whose diagnosis the policy sees.")
    ] = None,
    twin: Annotated[
        Literal["simpy", "fast"], typer.Option("--twin", help="The one it learns in; it is judged in the SimPy twin.")
    ] = "simpy",
    seconds: Seconds = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Stop after this many environment steps.")] = None,
    seed: SeedOption = 0,
    ppo: Annotated[
        list[str] | None, typer.Option("--ppo", metavar="setting=value", help="Change a setting of PPO; repeatable.")
    ] = None,
    out: Out = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in the output folder.")] = False,
    force: Force = False,
) -> None:
    """Train a policy with hierarchical PPO in episodes of a suite."""
    from experiments.policy_training import DEFAULT, FAST, configured, train_policy
    from experiments.progress import Ticker
    from experiments.runs import new_folder
    from twin.scenario import Suite
    from twin.telemetry.folder import prepare

    loaded = Suite.load(suite)
    config = configured(settings(ppo or []), FAST if twin == "fast" else DEFAULT)
    if seconds is None and steps is None:
        seconds = 90.0
    folder = out or new_folder("policy")
    prepare(folder, force or resume)
    with Ticker("train policy", seconds, ("episodic_return", "entropy", "approx_kl", "SPS")) as ticker:
        done = train_policy(
            loaded,
            folder,
            config=config,
            seed=seed,
            seconds=seconds,
            steps=steps,
            interpreter=interpreter,
            twin=twin,
            resume=resume,
            on_update=ticker,
        )
    print(f"{done.steps} environment steps, {done.updates} updates, stopped by {done.stopped}")
    print(f"policy: {done.folder}\nrun: {done.run}")


def settings(pairs: list[str]) -> dict[str, Any]:
    """`name=value` pairs; values are JSON. Raises UserError for anything else."""
    import json

    from experiments.errors import UserError

    found: dict[str, Any] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        try:
            found[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            raise UserError(f"--ppo {pair}: expected setting=value, such as learning_rate=3e-4") from None
    return found
