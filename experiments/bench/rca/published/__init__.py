"""The published root-cause methods, run as they were published, in an environment of their own.

`healtwin rca environment` makes it (`environment.py`); `client.py` asks workers there (`worker/`), which know nothing
of this project. What does not install, and why: docs/rca-published.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Literal

Source = Literal["metric", "trace", "multi-source"]
"""What a method looks at, as the study groups them."""


@dataclass(frozen=True, slots=True)
class Published:
    """A published method."""

    source: Source
    package: str
    """Whose code runs."""
    studied: bool = True
    """Whether it is one of the 24 of the study of arXiv 2603.02057."""
    slow: bool = False
    """Whether it takes about half a second or more for a case with 20 metrics, and so may be given fewer."""

    @property
    def version(self) -> str:
        """Results of another version are not this one's: the package and a digest of how it is called."""
        return f"{self.package} {adapted()}"


RCAEVAL, PYRCA, FSE_BARO = "RCAEval 1.8.1", "sfr-pyrca 1.0.1", "fse-baro 0.2.2"

PUBLISHED: dict[str, Published] = {
    "dummy": Published("metric", RCAEVAL),
    "pc_pagerank": Published("metric", RCAEVAL, slow=True),
    "pc_randomwalk": Published("metric", RCAEVAL, slow=True),
    "fci_pagerank": Published("metric", RCAEVAL, slow=True),
    "fci_randomwalk": Published("metric", RCAEVAL, slow=True),
    "granger_pagerank": Published("metric", RCAEVAL, slow=True),
    "granger_randomwalk": Published("metric", RCAEVAL, slow=True),
    "lingam_pagerank": Published("metric", RCAEVAL, slow=True),
    "lingam_randomwalk": Published("metric", RCAEVAL, slow=True),
    "causalrca": Published("metric", RCAEVAL, slow=True),
    "microcause": Published("metric", RCAEVAL, slow=True),
    "e_diagnosis": Published("metric", f"{RCAEVAL}, {PYRCA}"),
    "baro": Published("metric", RCAEVAL),
    "rcd": Published("metric", PYRCA),
    "circa": Published("metric", RCAEVAL),
    "nsigma": Published("metric", RCAEVAL),
    "microrank": Published("trace", RCAEVAL),
    "tracerca": Published("trace", RCAEVAL),
    "mmbaro": Published("multi-source", RCAEVAL),
    "pdiagnose": Published("multi-source", RCAEVAL),
    "baro_bocpd": Published("metric", FSE_BARO, studied=False),
    "mmnsigma": Published("multi-source", RCAEVAL, studied=False),
    "micro_diag": Published("metric", RCAEVAL, studied=False),
    "cloudranger": Published("metric", RCAEVAL, studied=False),
    "ht": Published("metric", f"{RCAEVAL}, {PYRCA}", studied=False),
}
"""The methods by the study's names."""

ABSENT: dict[str, str] = {
    "causalai": "its package, Salesforce's causalai, is on no package index",
    "microrca": "only in the study's fork of RCAEval, in no release",
    "microscope": "only in the study's fork of RCAEval, in no release",
    "monitorrank": "only in the study's fork of RCAEval, in no release",
}
"""Methods of the study that cannot be installed, and why."""


@cache
def adapted() -> str:
    """A digest of the worker's code and of the pins."""
    from experiments.bench.rca.published.environment import METHODS, REQUIREMENTS

    worker = sorted((Path(__file__).parent / "worker").glob("*.py"))
    digest = sha256()
    for path in (*worker, *(path for path in (REQUIREMENTS, METHODS) if path.is_file())):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
