"""The published methods themselves, in their environment: each ranks, and ranks what it ranks when called directly."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.bench.rca.published import PUBLISHED
from experiments.bench.rca.published.client import SETTINGS, MethodError, Workers, command
from experiments.bench.rca.published.environment import DEFAULT, interpreter
from experiments.errors import UserError
from llm.ranking import RANKERS
from llm.ranking.case import read_case
from tests.experiments.bench.rca.published.conftest import CULPRIT, INJECTED, SERVICES, WriteCase

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[5]
SLOW = {"causalrca", "microcause"}
"""A minute or two on a busy machine."""
EASY = ("baro", "nsigma", "rcd", "mmbaro", "mmnsigma", "pdiagnose")
"""Methods that have no excuse on a case where the culprit's CPU, lines, errors and durations all step up. Those of
traces have one: whoever waits for the culprit takes as long."""

DIRECT = """
import json, sys, warnings
warnings.filterwarnings("ignore")
import numpy as np, pandas as pd
from baro.root_cause_analysis import nsigma as fse_nsigma, robust_scorer
from RCAEval.e2e import nsigma
from RCAEval.e2e.baro import baro, mmbaro
from RCAEval.e2e.tracerca import tracerca
folder = sys.argv[1]
data = pd.read_csv(f"{folder}/data.csv")
inject_time = int(open(f"{folder}/inject_time.txt").read())
data = data[[name for name in data if "_node_" not in name and not name.endswith("_latency-50")]]
counts = {key: pd.read_csv(f"{folder}/{key}.csv") for key in ("logts", "tracets_err", "tracets_lat")}
metric = data.loc[data.index.repeat(15)].reset_index(drop=True)
said = {
    "baro": baro(data, inject_time, dataset="re2-ob"),
    "nsigma": nsigma(data, inject_time, dataset="re2-ob"),
    "fse-baro": robust_scorer(data, inject_time),
    "fse-nsigma": fse_nsigma(data, inject_time),
    "mmbaro": mmbaro({"metric": metric, **counts}, inject_time, dataset="re2-ob"),
    "tracerca": tracerca(pd.read_csv(f"{folder}/traces.csv"), inject_time * 1_000_000),
}
print(json.dumps({name: list(dict.fromkeys(x.split("_")[0] for x in one["ranks"])) for name, one in said.items()}))
"""


@pytest.fixture(scope="module")
def python() -> Path:
    folder = Path(os.environ.get("HEALTWIN_RCA_ENVIRONMENT", ROOT / DEFAULT))
    try:
        return interpreter(folder)
    except UserError as error:
        pytest.skip(f"{error}, or name it in HEALTWIN_RCA_ENVIRONMENT")


@pytest.fixture(scope="module")
def workers(python: Path) -> Iterator[Workers]:
    with Workers(command(python)) as made:
        yield made


@pytest.mark.parametrize("method", ["baro", "microrank", "tracerca", "mmbaro", "pdiagnose"])
def test_ids_that_look_like_enormous_numbers_are_text(workers: Workers, case: WriteCase, method: str) -> None:
    folder = case()
    traces = folder / "traces.csv"
    text = traces.read_text()
    some = [line.split(",")[2] for line in text.splitlines()[1:] if line][:3]
    for i, span in enumerate(some):
        text = text.replace(span, f"1{i}e0351422843695078")
    traces.write_text(text)
    assert workers.ask(method, folder, 1).ranks


@pytest.mark.parametrize("method", PUBLISHED)
def test_a_method_ranks_the_services_of_a_case(workers: Workers, case: WriteCase, method: str) -> None:
    answer = workers.ask(method, case(), 1)
    assert answer.ranks
    assert set(answer.ranks) <= set(SERVICES)
    assert len(set(answer.ranks)) == len(answer.ranks)
    if method in EASY:
        assert answer.ranks[0] == CULPRIT
    if method not in SLOW:
        assert workers.ask(method, case(seed=1), 1).ranks


@pytest.mark.parametrize("method", [name for name in PUBLISHED if name not in SLOW])
def test_the_same_question_has_the_same_answer(python: Path, workers: Workers, case: WriteCase, method: str) -> None:
    folder = case()
    with Workers(command(python)) as others:
        assert others.rank(method, folder, 5) == workers.rank(method, folder, 5)


def test_the_adapter_ranks_as_the_packages_do_when_called_directly(
    python: Path, workers: Workers, case: WriteCase
) -> None:
    folder = case(seed=3)
    environment = os.environ | SETTINGS
    said = subprocess.run(
        [python, "-c", DIRECT, folder], capture_output=True, text=True, check=True, env=environment
    ).stdout
    direct = json.loads(said.splitlines()[-1])
    for method in ("baro", "nsigma", "mmbaro", "tracerca"):
        assert workers.rank(method, folder) == direct[method], method
    assert direct["fse-baro"] == direct["baro"]
    assert direct["fse-nsigma"] == direct["nsigma"]


@pytest.mark.parametrize(("method", "ours"), [("baro", "two-sided-baro"), ("nsigma", "two-sided-nsigma")])
def test_ours_blames_whom_the_published_one_blames(workers: Workers, case: WriteCase, method: str, ours: str) -> None:
    for seed in range(3):
        folder = case(seed=seed)
        assert RANKERS[ours](read_case(folder))[0] == workers.rank(method, folder)[0] == CULPRIT


@pytest.mark.parametrize(("method", "ours"), [("baro", "two-sided-baro"), ("nsigma", "two-sided-nsigma")])
def test_ours_ranks_as_the_published_one_where_metrics_only_rise(
    workers: Workers, case: WriteCase, method: str, ours: str
) -> None:
    pandas = pytest.importorskip("pandas")
    for seed in range(3):
        folder = case(seed=seed)
        table = pandas.read_csv(folder / "data.csv").set_index("time")
        table = table[[name for name in table if "_node_" not in name and not name.endswith("_latency-50")]]
        before, after = table[table.index < INJECTED], table[table.index >= INJECTED]
        risen = before.max() + (after - before.mean()).abs()
        pandas.concat([before, risen]).reset_index().to_csv(folder / "data.csv", index=False)
        assert RANKERS[ours](read_case(folder)) == workers.rank(method, folder)


def test_a_method_without_its_file_fails_and_says_so(workers: Workers, case: WriteCase) -> None:
    folder = case()
    (folder / "traces.csv").unlink()
    with pytest.raises(MethodError, match=r"FileNotFoundError.*traces\.csv"):
        workers.rank("tracerca", folder)
    assert workers.rank("baro", folder)
