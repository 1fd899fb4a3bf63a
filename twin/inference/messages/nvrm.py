"""What NVIDIA's kernel driver prints (branch 570; kernel ring buffer).

Texts: open-gpu-kernel-modules (MIT), and lines quoted in gpud's and NVSentinel's tests (Apache-2.0). A record's first
args are the PCI address and, where the driver knows it, process id and name.
"""

from __future__ import annotations

from twin.telemetry.records import Level, LogTemplate


def _line(id: str, text: str, level: Level = Level.ERROR) -> LogTemplate:
    return LogTemplate(f"nvrm.{id}", "kernel", level, "kernel", text)


def _xid(number: int, text: str, variant: str = "", process: bool = True) -> LogTemplate:
    who = "pid={}, name={}" if process else "pid='<unknown>', name=<unknown>"
    return _line(f"xid{number}{variant}", f"NVRM: Xid (PCI:{{}}): {number}, {who}, {text}")


IDENTITY = _line("gpu", "NVRM: GPU at PCI:{}: GPU-{}", Level.INFO)

WARP_EXCEPTION = _xid(
    13, "Graphics SM Warp Exception on (GPC {}, TPC {}, SM {}): Illegal Instruction Encoding", ".warp", process=False
)
EXCEPTION_STATUS = _xid(
    13, "Graphics Exception: ESR 0x{:x}=0x{:x} 0x{:x}=0x24 0x{:x}=0x1f81fb60", ".esr", process=False
)
EXCEPTION_CHANNEL = _xid(
    13, "Graphics Exception: channel 0x{:08x}, Class 0000cbc0, Offset 00000000, Data 00000000", ".channel"
)
MMU_FAULT = _xid(
    31,
    "channel 0x{:08x}, intr 00000000. MMU Fault: ENGINE GRAPHICS GPC{} GPCCLIENT_T1_{} faulted @ 0x{:x}_{:08x}. "
    "Fault is of type FAULT_PDE ACCESS_TYPE_VIRT_READ",
)
STOPPED = _xid(43, "channel 0x{:08x}")
REMOVED = _xid(45, "channel 0x{:08x}")
DOUBLE_BIT = _xid(
    48,
    "An uncorrectable double bit error (DBE) has been detected on GPU in the framebuffer at physAddr 0x{:x} "
    "partition {}, subpartition {}.",
    process=False,
)
ROW_MARKED = _xid(63, "Row Remapper: New row (0x{:016x}) marked for remapping, reset gpu to activate.", process=False)
ROW_FAILED = _xid(64, "Row Remapper Error: (0x{:016x}) - All reserved rows for bank are remapped", process=False)
NVLINK_FATAL = _xid(74, "NVLink: fatal error detected on link {}(0x0, 0x0, 0x10000, 0x0, 0x0, 0x0, 0x0)", process=False)
OFF_BUS = _xid(79, "GPU has fallen off the bus.", process=False)
OFF_BUS_DEVICE = _line("off_bus", "NVRM: GPU {}.0: GPU has fallen off the bus.")
SINGLE_BIT_STORM = _xid(
    92,
    "Disabling ECC single-bit error interrupts in framebuffer at logical partition {}, due to high error rate",
    process=False,
)
CONTAINED = _xid(94, "Contained: CE User Channel (0x9). RST: No, D-RST: No")
CONTAINED_CHANNEL = _xid(94, "channel 0x{:08x}", ".channel")
UNCONTAINED = _xid(95, "Uncontained: LTC TAG (0x2,0x0). RST: Yes, D-RST: No")
SWITCH_TIMEOUT = _xid(109, "channel 0x{:08x}, errorString CTX SWITCH TIMEOUT, Info 0x{:x}")
GSP_TIMEOUT = _xid(
    119, "Timeout after 6s of waiting for RPC response from GPU{} GSP! Expected function {} ({}) (0x{:x} 0x{:x})."
)
GSP_CRASH = _xid(
    120,
    "GSP task exception: load access page fault (cause:0xd) @ pc:0x{:x}, partition:2#0, task:3, gfid: 0",
    process=False,
)
RECOVERY_ACTION = _line(
    "xid154", "NVRM: Xid (PCI:{}): 154, GPU recovery action changed from 0x{:x} ({}) to 0x{:x} ({})"
)

RPC_BUFFER = _line("rpc_buffer", "NVRM: GPU{} GSP RPC buffer contains function {} ({}) and data 0x{:016x} 0x{:016x}.")
RPC_HISTORY = _line("rpc_history", "NVRM: GPU{} RPC history (CPU -> GSP):")
RPC_COLUMNS = _line(
    "rpc_columns",
    "NVRM:     entry function                   data0              data1              ts_start           ts_end"
    "             duration actively_polling",
)
RPC_PENDING = _line(
    "rpc_pending", "NVRM:      0    {:<4} {:<21} 0x{:016x} 0x{:016x} 0x{:016x} 0x0000000000000000          y"
)
RPC_DONE = _line("rpc_done", "NVRM:     -{}    {:<4} {:<21} 0x{:016x} 0x{:016x} 0x{:016x} 0x{:016x} {:>6}us")

SWITCH_FATAL = _line("sxid", "nvidia-nvswitch{}: SXid (PCI:{}.0): 20034, Fatal, Link {} LTSSM Fault Up")
SWITCH_SEVERITY = _line(
    "sxid.severity",
    "nvidia-nvswitch{}: SXid (PCI:{}.0): 20034, Severity 1 Engine instance {:02d} Sub-engine instance 00",
)
