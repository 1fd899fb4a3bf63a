"""Quantities with units, as scenarios write them: ``240s``, ``150W``, ``8GB``, ``5/s``, ``99%``.

Values are kept in SI base units as floats: seconds, watts, bytes, per second, ratio.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

UNITS: dict[str, dict[str, float]] = {
    "duration": {"ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0},
    "power": {"W": 1.0, "kW": 1e3, "mW": 1e-3},
    "size": {
        "B": 1.0,
        **{f"{p}{b}": 1000.0**i for i, p in enumerate(("k", "M", "G", "T"), 1) for b in ("B", "")},
        "KB": 1e3,
        **{f"{p}i{b}": 1024.0**i for i, p in enumerate(("K", "M", "G", "T"), 1) for b in ("B", "")},
    },
    "rate": {"/s": 1.0, "/min": 1 / 60.0, "/m": 1 / 60.0, "/h": 1 / 3600.0},
    "ratio": {"%": 0.01, "": 1.0},
    "bandwidth": {"B/s": 1.0, **{f"{p}B/s": 1000.0**i for i, p in enumerate(("k", "M", "G", "T"), 1)}},
    "throughput": {"FLOPS": 1.0, "GFLOPS": 1e9, "TFLOPS": 1e12, "PFLOPS": 1e15},
    "frequency": {"Hz": 1.0, "MHz": 1e6, "GHz": 1e9},
    "latency": {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9},
}
"""Per dimension: the units a scenario may write and what they are worth in the base unit."""

EXAMPLES = {
    "duration": "240s",
    "power": "150W",
    "size": "8GB",
    "rate": "5/s",
    "ratio": "99%",
    "bandwidth": "900GB/s",
    "throughput": "312TFLOPS",
    "frequency": "1410MHz",
    "latency": "10us",
}

_QUANTITY = re.compile(r"^\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf))\s*(\S*)\s*$", re.IGNORECASE)


def split(text: str) -> tuple[float, str] | None:
    """Number and unit of a quantity, or None where the text is none."""
    match = _QUANTITY.match(text)
    return (float(match[1]), match[2]) if match else None


def parse(value: Any, dimension: str) -> float:
    """The value in the base unit of `dimension`.

    Raises ValueError that says which units are allowed, for another unit, a missing unit, a negative or NaN number.
    """
    units = UNITS[dimension]
    example = EXAMPLES[dimension]
    parts = (float(value), "") if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if isinstance(value, str):
        parts = split(value)
    if parts is None:
        raise ValueError(f"expected a {dimension} such as {example}, got {value!r}")
    number, unit = parts
    if not math.isfinite(number):
        raise ValueError(f"a {dimension} must be a finite number, got {value!r}")
    if number < 0:
        raise ValueError(f"a {dimension} must not be negative, got {value!r}")
    if unit not in units and number != 0:
        named = ", ".join(u for u in units if u)
        raise ValueError(f"a {dimension} needs a unit of {named} (such as {example}), got {value!r}")
    return number * units.get(unit, 1.0)


_GO_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|us|\u00b5s|ns|m|s)")
_GO_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "\u00b5s": 1e-6, "ns": 1e-9}


def go_duration(text: Any) -> float:
    """Seconds of a Go duration such as ``1m30s`` or ``-10ms``, which is what Chaos Mesh's manifests write.

    Raises ValueError for anything else.
    """
    if text == "0" or (isinstance(text, (int, float)) and text == 0):
        return 0.0
    body = text.lstrip("+-") if isinstance(text, str) else ""
    parts = _GO_DURATION.findall(body)
    if not parts or "".join(number + unit for number, unit in parts) != body or len(str(text)) - len(body) > 1:
        raise ValueError(f"expected a duration such as 60s or 1m30s, got {text!r}")
    seconds = sum(float(number) * _GO_UNITS[unit] for number, unit in parts)
    return -seconds if str(text).startswith("-") else seconds


def write(value: float, dimension: str) -> str | float:
    """The value as a scenario writes it, in the base unit; `parse` gives back the same float."""
    unit = next((unit for unit, worth in UNITS[dimension].items() if worth == 1.0 and unit), "")
    return f"{repr(float(value)).removesuffix('.0')}{unit}" if unit else value


def _quantity(dimension: str) -> Any:
    units = "|".join(re.escape(unit) for unit in UNITS[dimension] if unit)
    text = Annotated[str, Field(pattern=rf"^\s*\+?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*({units})\s*$")]
    bare = Annotated[float, Field(ge=0)] if "" in UNITS[dimension] else Literal[0]
    return Annotated[
        float,
        BeforeValidator(lambda value: parse(value, dimension), json_schema_input_type=text | bare),
        PlainSerializer(lambda value: write(value, dimension), when_used="json"),
        Field(description=f"a {dimension}, such as {EXAMPLES[dimension]}"),
    ]


Duration = _quantity("duration")
"""Seconds."""
Power = _quantity("power")
"""Watts."""
Size = _quantity("size")
"""Bytes."""
Rate = _quantity("rate")
"""Per second."""
Ratio = _quantity("ratio")
"""A share in [0, 1] or a factor."""
Bandwidth = _quantity("bandwidth")
"""Bytes per second."""
Throughput = _quantity("throughput")
"""Operations per second."""
Frequency = _quantity("frequency")
"""Hertz."""
Latency = _quantity("latency")
"""Seconds."""
