"""The protocol, with a stub for a worker: answers, errors, hangs, deaths, and what comes after them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from experiments.bench.rca.published.client import MethodError, Workers, command

STUB = """
import json, os, sys, time
for line in sys.stdin:
    question = json.loads(line)
    method, error, ranks = question["method"], "", ["a", "b"]
    if method == "hang":
        time.sleep(60)
    if method == "die":
        print("out of memory", file=sys.stderr, flush=True)
        os._exit(7)
    if method == "crash":
        os.abort()
    if method == "chat":
        print("hello", flush=True)
        continue
    if method == "meet":
        mine = os.path.join(question["case"], str(os.getpid()) + ".here")
        open(mine, "w").close()
        while sum(name.endswith(".here") for name in os.listdir(question["case"])) < 3:
            time.sleep(0.01)
        ranks = [mine]
    if method == "raise":
        error, ranks = "ValueError: singular", []
    if method == "who":
        ranks = [str(os.getpid()), os.getcwd(), os.environ["PYTHONHASHSEED"]]
    if method == "echo":
        ranks = [question["case"], str(question["seed"])]
    print(json.dumps({"ranks": ranks, "seconds": 0.5, "error": error, "note": "n"}), flush=True)
"""

PATIENT = 60.0
"""Seconds within which a worker has started and answered, however busy the machine is."""


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    stub = tmp_path / "stub.py"
    stub.write_text(STUB)
    with Workers([sys.executable, "-S", str(stub)], limit=PATIENT) as made:
        yield made


def test_an_answer_has_the_ranks_the_methods_own_seconds_and_the_note(workers: Workers) -> None:
    answer = workers.ask("fine", Path())
    assert (answer.ranks, answer.seconds, answer.note) == (("a", "b"), 0.5, "n")


def test_a_worker_is_told_the_whole_path_of_the_case_and_the_seed(workers: Workers, tmp_path: Path) -> None:
    assert workers.rank("echo", tmp_path / "x" / ".." / "case", 7) == [str(tmp_path / "case"), "7"]


def test_one_worker_answers_one_question_after_another_in_a_folder_of_its_own(workers: Workers) -> None:
    first, second = workers.rank("who", Path()), workers.rank("who", Path())
    assert first == second
    assert Path(first[1]) != Path.cwd()
    assert first[2] == "0", "sets of names have one order in every worker"


def test_what_a_method_raises_is_told_and_its_worker_goes_on(workers: Workers) -> None:
    before = workers.rank("who", Path())
    with pytest.raises(MethodError, match=r"^ValueError: singular$"):
        workers.rank("raise", Path())
    assert workers.rank("who", Path()) == before


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("hang", r"took longer than 0\.8 s"),
        ("die", r"its process ended \(exit code 7\): out of memory"),
        ("crash", r"its process ended \(signal 6\)"),
        ("chat", "its process answered something else: hello"),
    ],
)
def test_a_worker_that_hangs_dies_or_chats_is_a_miss_and_the_next_question_gets_a_new_one(
    workers: Workers, method: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = workers.rank("who", Path())
    with pytest.raises(MethodError, match=said), monkeypatch.context() as hasty:
        hasty.setattr(workers, "_limit", 0.8 if method == "hang" else PATIENT)
        workers.rank(method, Path())
    after = workers.rank("who", Path())
    assert after[0] != before[0]
    assert not Path(before[1]).exists(), "the first one's folder is gone"


def test_threads_have_a_worker_each(workers: Workers, tmp_path: Path) -> None:
    # None of them answers before three are at work.
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: workers.rank("meet", tmp_path), range(3)))
    assert len({worker for (worker,) in answers}) == 3
    assert len(workers._idle) == 3


def test_a_worker_ends_when_whoever_asks_it_is_killed() -> None:
    read, write = os.pipe()  # its stdin stays open, as where a method is busy and does not look at it
    parent = "import os, subprocess, sys, time; subprocess.Popen(sys.argv[1:]); time.sleep(1); os._exit(9)"
    try:
        done = subprocess.run(  # raises where the worker holds its output open beyond the time limit
            [sys.executable, "-c", parent, *command(Path(sys.executable))],
            stdin=read,
            stdout=subprocess.PIPE,  # until the worker, which has it too, closes it
            timeout=20,
            check=False,
        )
    finally:
        os.close(read)
        os.close(write)
    assert done.returncode == 9


def test_closing_ends_the_workers(workers: Workers) -> None:
    folder = Path(workers.rank("who", Path())[1])
    workers.close()
    assert not folder.exists()
