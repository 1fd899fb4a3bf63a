"""How serious a line is whose format prints no level: the kernel's, HAProxy's, libvirt's, access logs.

The levels are those at which the programs print these messages: NVIDIA's driver prints Xids as errors, HAProxy a server
that goes down as a warning and a backend without servers as an emergency (`src/checks.c`, `src/server.c`), the kernel's
device-mapper its pool modes as warnings. An access log is no place for levels: what it says is the status.
"""

from __future__ import annotations

import re

_SAYS: dict[str, tuple[tuple[str, re.Pattern[str]], ...]] = {
    "kernel": (
        (
            "ERROR",
            re.compile(
                r"NVRM: (?:Xid|GPU [\da-f:.]{4,20}: GPU has fallen)|(?:Out of memory|out of memory): Kill"
                r"|I/O error|rejecting I/O|BUG:|Oops|Call Trace|Kernel panic|EXT4-fs error|XFS \(.{1,40}\): Corruption"
            ),
        ),
        (
            "WARNING",
            re.compile(
                r"device-mapper: thin: .*(?:low water mark|out-of-data)|conn error|recovery timed out"
                r"|blocked for more than|soft lockup|link is (?:down|not ready)|Link is Down|throttled"
            ),
        ),
    ),
    "haproxy": (
        ("CRITICAL", re.compile(r"has no server available")),
        ("WARNING", re.compile(r"\b[Ss]erver \S+ is (?:going )?(?:DOWN|UP)")),
    ),
}


def implied(dialect: str, message: str) -> str:
    """The level that a line without one has by what it says; INFO where nothing speaks against it."""
    for level, says in _SAYS.get(dialect, ()):
        if says.search(message, 0, 400):
            return level
    return "INFO"
