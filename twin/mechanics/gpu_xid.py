"""What a GPU's driver reports of a damaged device: XIDs, in NVIDIA's numbers."""

from __future__ import annotations

from typing import Final

XIDS: Final[dict[str, tuple[int, ...]]] = {
    "off_bus": (79,),
    "nvlink_down": (74,),
    "no_spare_rows": (48, 64, 94),
    "row_to_remap": (63,),
    "poisoned_page": (94,),
    "correctable_errors": (92,),
    "uncontained_error": (95,),
    "context_switch_hang": (109,),
    "gsp_fault": (120,),
    "gsp_silent": (119,),
    "illegal_instruction": (13, 43),
    "illegal_address": (31,),
    "software_exception": (43,),
    "context_removed": (45,),
}
"""By the parameter of a condition, in the order in which a driver looks at simultaneous ones; of each the numbers in
the order in which they are printed. DCGM shows the last one."""
