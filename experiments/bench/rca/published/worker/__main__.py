"""The worker: a question a line on stdin, an answer a line on stdout, until stdin ends.

    {"method": "baro", "case": "FOLDER", "seed": 0}
    {"ranks": ["ray-replicas-1", ...], "seconds": 0.04, "error": "", "note": ""}

The published methods print as they go and seed nothing: their stdout goes to stderr, and every case begins with the
generators seeded.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any, TextIO

LONGEST_ERROR = 500
"""Characters of an error that are told."""


def main() -> None:
    """Answer until there are no more questions."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.filterwarnings("ignore")
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    serve(sys.stdin, answers)


def serve(questions: TextIO, answers: TextIO) -> None:
    """Answer each question of a stream."""
    for question in questions:
        answers.write(json.dumps(answer(json.loads(question))) + "\n")
        answers.flush()


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """The answer to one question; whatever a method raises is told, not raised."""
    from .inputs import read
    from .methods import METHODS

    began = time.perf_counter()
    ranks: list[str] = []
    error = note = ""
    try:
        run = METHODS[question["method"]]()
        inputs = read(Path(question["case"]), question["seed"])
        _seed(question["seed"])
        began = time.perf_counter()
        ranks = inputs.services(run(inputs))
        note = "; ".join(inputs.notes)
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"[:LONGEST_ERROR]
    return {"ranks": ranks, "seconds": time.perf_counter() - began, "error": error, "note": note}


def _end_with(parent: int) -> None:
    """End as soon as the parent has: a method may run for hours before it looks at stdin again."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _seed(seed: int) -> None:
    import numpy as np

    random.seed(seed)
    np.random.seed(seed % 2**32)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


if __name__ == "__main__":
    main()
