"""Which kernel runs: prebuilt library, else compiled on first use, else the reference with one line that says why.

Decided once per process and kind of device, and only when an operator first meets a tensor there, never at import.
`GANREG_KERNEL=auto` takes what there is, `native` raises where the native kernel is missing, `reference` uses plain torch.
`GANREG_CPU=scalar|avx2|avx512` forces one variant of the CPU kernel, else the processor's best runs.  The operators exist
either way: their schemas and references are registered from Python, a library only adds faster kernels.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from ganreg.errors import KernelError, UsageError
from ganreg.ops import jit, sources

MODES = ("auto", "native", "reference")
VARIANTS = ("scalar", "avx2", "avx512")
"""Of the CPU kernel, in the order of the numbers in csrc/cpu/cpu_features.h."""

_REFUSED = -1
"""In csrc/cpu/cpu_features.h: no variant, every call says so."""

KEYS = {"cpu": torch._C.DispatchKey.CPU, "cuda": torch._C.DispatchKey.CUDA}
"""Kinds of device that a library can serve."""

OPERATORS = torch.library.Library("ganreg", "FRAGMENT")  # type: ignore[no-untyped-call]
"""The operators' namespace, `torch.ops.ganreg`; lives as long as the process."""

_lock = threading.Lock()
_statuses: dict[str, KernelStatus] = {}
_told: set[str] = set()


@dataclass(frozen=True, slots=True)
class KernelStatus:
    """Which kernel serves the tensors of a kind of device, from which file, and why not a faster one."""

    kind: Literal["prebuilt", "compiled", "reference"]
    path: Path | None = None
    reason: str = ""
    compiler: str = ""
    last_lines: str = ""
    log: Path | None = None
    variant: str = ""
    """Of the native CPU kernel: scalar, avx2 or avx512."""


def kernel_status(device: str = "cpu") -> KernelStatus:
    """Decide if this has not happened yet, and tell; never raises for a missing kernel, nor for a device that has none.

    Raises `UsageError` when `GANREG_KERNEL` is none of auto, native, reference, or `GANREG_CPU` no variant of this processor.
    """
    if device not in KEYS:
        return KernelStatus("reference", reason=f"there is no native kernel for {device} tensors")
    with _lock:
        if device not in _statuses:
            _statuses[device] = _decide(mode(), device)
        return _statuses[device]


def require(device: str = "cpu") -> None:
    """Look now whether `GANREG_KERNEL=native` can be kept, before anything else is done.  Raises `KernelError`."""
    if mode() == "native":
        status = kernel_status(device)
        if status.kind == "reference":
            raise unavailable(status.reason, status.last_lines)


def define(schema: str, reference: Callable[..., Any]) -> str:
    """Register an operator: its schema and its reference, which serves every device without a native kernel -> its name."""
    OPERATORS.define(schema, tags=torch.Tag.pt2_compliant_tag)  # type: ignore[no-untyped-call]
    name = schema[: schema.index("(")]

    def kernel(*args: Any) -> Any:
        for tensor in (one for one in args if isinstance(one, torch.Tensor)):
            if tensor.layout is not torch.strided:
                raise TypeError(f"{name}: expected strided tensors, got {tensor.layout}")
        operator = getattr(torch.ops.ganreg, name).default
        if _native_kernel_serves(args[0].device, operator):
            return operator(*args)  # the first call of the process; later ones reach the library directly
        return reference(*args)

    OPERATORS.impl(name, kernel, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
    return name


def use_variant(name: str) -> None:
    """Let the native CPU kernel run as this variant from now on.

    Raises `UsageError`: no such variant, no native kernel, or a processor without the instructions.
    """
    if name not in VARIANTS:
        raise _bad_variant(name, f"expected one of {', '.join(VARIANTS)}")
    if kernel_status().kind == "reference":
        raise _bad_variant(name, "there is no native kernel")
    with _lock:
        _statuses["cpu"] = _with_variant(_statuses["cpu"], name, torch.ops.ganreg)


def mode() -> str:
    """What `GANREG_KERNEL` says.  Raises UsageError."""
    said = os.environ.get("GANREG_KERNEL", "auto")
    if said not in MODES:
        raise UsageError(
            f"GANREG_KERNEL: expected one of {', '.join(MODES)}, got '{said}'", at="the environment", fix="unset GANREG_KERNEL"
        )
    return said


def _decide(wanted_mode: str, device: str) -> KernelStatus:
    if wanted_mode == "reference":
        return KernelStatus("reference", reason="GANREG_KERNEL=reference")
    _wanted()
    status = _find(device)
    return with_variant(status, "ganreg") if status.kind != "reference" and device == "cpu" else status


def _wanted() -> str:
    """What `GANREG_CPU` says.  Raises UsageError."""
    wanted = os.environ.get("GANREG_CPU", "")
    if wanted and wanted not in VARIANTS:
        raise _bad_variant(wanted, f"expected one of {', '.join(VARIANTS)}")
    return wanted


def with_variant(status: KernelStatus, namespace: str) -> KernelStatus:
    """Let a library that was loaded run as `GANREG_CPU` says.  Raises UsageError, and then every call of it refuses."""
    operators = getattr(torch.ops, namespace)
    try:
        return _with_variant(status, _wanted(), operators)
    except UsageError:
        operators._use_cpu_variant(_REFUSED)  # the library is loaded: later calls reach it without passing here
        raise


def _find(device: str) -> KernelStatus:
    refused = ""
    prebuilt = _prebuilt(device)
    if prebuilt.is_file():
        refused = load(prebuilt)
        if not refused:
            return KernelStatus("prebuilt", prebuilt)
    try:
        built = jit.build(device)
    except jit.BuildError as error:
        reason = "; ".join(filter(None, [refused, error.reason]))
        return KernelStatus("reference", reason=reason, last_lines=error.last_lines, log=error.log)
    reason = "; ".join(filter(None, [refused, load(built.path)]))
    if reason and reason != refused:
        return KernelStatus("reference", reason=reason, compiler=built.compiler)
    return KernelStatus("compiled", built.path, refused, built.compiler)


def _with_variant(status: KernelStatus, wanted: str, operators: Any) -> KernelStatus:
    if operators._cpu_variant() == _REFUSED:
        raise _bad_variant(wanted, "the kernel was loaded for instructions that this processor lacks; start a new process")
    if wanted and not operators._use_cpu_variant(VARIANTS.index(wanted)):
        raise _bad_variant(wanted, "this processor lacks its instructions")
    return replace(status, variant=VARIANTS[operators._cpu_variant()])


def _bad_variant(name: str, why: str) -> UsageError:
    return UsageError(f"GANREG_CPU: {why}, got '{name}'", at="the environment", fix="unset GANREG_CPU")


def _prebuilt(device: str) -> Path:
    """Where an ahead-of-time build puts the library of exactly these sources."""
    return Path(__file__).resolve().parents[1] / f"{sources.library_name(device)}.abi3.so"


def load(path: Path) -> str:
    """Load a library of operators; the empty string, or why it does not load."""
    try:
        torch.ops.load_library(str(path))  # type: ignore[no-untyped-call]
    except (OSError, RuntimeError) as error:
        return f"{path.name} does not load: {' '.join(str(error).split())}"
    return ""


def _native_kernel_serves(device: torch.device, operator: Any) -> bool:
    status = kernel_status(device.type)
    if device.type in KEYS and operator.has_kernel_for_dispatch_key(KEYS[device.type]):
        return True
    reason = status.reason or f"{status.path} does not hold {operator}"
    if mode() == "native":
        raise unavailable(reason, status.last_lines)
    if mode() == "auto":
        tell_once(f"ganreg: the loss runs on its reference kernel: {reason}")
    return False


def unavailable(reason: str, last_lines: str) -> KernelError:
    """The error for a native kernel that was required."""
    return KernelError(
        f"the native kernel was required and is not available: {reason}\n{last_lines}".rstrip(),
        at="GANREG_KERNEL=native",
        fix="give it a C++17 compiler (c++ or $CXX), ninja, a cache folder it can write (GANREG_CACHE), for CUDA also"
        " torch's nvcc (CUDA_HOME); or GANREG_KERNEL=auto",
    )


def tell_once(line: str) -> None:
    """On stderr, once a process."""
    if line not in _told:
        _told.add(line)
        print(line, file=sys.stderr)
