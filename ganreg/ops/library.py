"""Which kernel runs: prebuilt library, else compiled on first use, else the reference with one line that says why.

Decided once per process and only when an operator first meets a CPU tensor, never at import.  `GANREG_KERNEL=auto`
takes what there is, `native` raises where the native kernel is missing, `reference` uses plain torch.  The operators
exist either way: their schemas and references are registered from Python, a library only adds faster kernels.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from ganreg.errors import KernelError, UsageError
from ganreg.ops import jit, sources

MODES = ("auto", "native", "reference")

OPERATORS = torch.library.Library("ganreg", "FRAGMENT")  # type: ignore[no-untyped-call]
"""The operators' namespace, `torch.ops.ganreg`; lives as long as the process."""

_lock = threading.Lock()
_status: KernelStatus | None = None
_told: set[str] = set()


@dataclass(frozen=True, slots=True)
class KernelStatus:
    """Which kernel serves CPU tensors, from which file, and why not a faster one."""

    kind: Literal["prebuilt", "compiled", "reference"]
    path: Path | None = None
    reason: str = ""
    compiler: str = ""
    last_lines: str = ""
    log: Path | None = None


def kernel_status() -> KernelStatus:
    """Decide if this has not happened yet, and tell; never raises for a missing kernel.

    Raises `UsageError` when `GANREG_KERNEL` is none of auto, native, reference.
    """
    global _status
    with _lock:
        if _status is None:
            _status = _decide(_mode())
        return _status


def require() -> None:
    """Look now whether `GANREG_KERNEL=native` can be kept, before anything else is done.  Raises `KernelError`."""
    if _mode() == "native":
        status = kernel_status()
        if status.kind == "reference":
            raise _unavailable(status.reason, status.last_lines)


def define(schema: str, reference: Callable[..., Any]) -> None:
    """Register an operator: its schema and its reference, which serves every device without a native kernel."""
    OPERATORS.define(schema, tags=torch.Tag.pt2_compliant_tag)  # type: ignore[no-untyped-call]
    name = schema[: schema.index("(")]

    def kernel(*args: Any) -> Any:
        operator = getattr(torch.ops.ganreg, name).default
        if _native_kernel_serves(args[0].device, operator):
            return operator(*args)  # the first call of the process; later ones reach the library directly
        return reference(*args)

    OPERATORS.impl(name, kernel, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]


def _mode() -> str:
    mode = os.environ.get("GANREG_KERNEL", "auto")
    if mode not in MODES:
        raise UsageError(
            f"GANREG_KERNEL: expected one of {', '.join(MODES)}, got '{mode}'", at="the environment", fix="unset GANREG_KERNEL"
        )
    return mode


def _decide(mode: str) -> KernelStatus:
    if mode == "reference":
        return KernelStatus("reference", reason="GANREG_KERNEL=reference")
    refused = ""
    prebuilt = _prebuilt()
    if prebuilt.is_file():
        refused = _load(prebuilt)
        if not refused:
            return KernelStatus("prebuilt", prebuilt)
    try:
        built = jit.build()
    except jit.BuildError as error:
        reason = "; ".join(filter(None, [refused, error.reason]))
        return KernelStatus("reference", reason=reason, last_lines=error.last_lines, log=error.log)
    reason = "; ".join(filter(None, [refused, _load(built.path)]))
    if reason and reason != refused:
        return KernelStatus("reference", reason=reason, compiler=built.compiler)
    return KernelStatus("compiled", built.path, refused, built.compiler)


def _prebuilt() -> Path:
    """Where an ahead-of-time build puts the library of exactly these sources."""
    return Path(__file__).resolve().parents[1] / f"{sources.library_name()}.abi3.so"


def _load(path: Path) -> str:
    """Load a library of operators; the empty string, or why it does not load."""
    try:
        torch.ops.load_library(str(path))  # type: ignore[no-untyped-call]
    except (OSError, RuntimeError) as error:
        return f"{path.name} does not load: {' '.join(str(error).split())}"
    return ""


def _native_kernel_serves(device: torch.device, operator: Any) -> bool:
    last_lines = ""
    if device.type != "cpu":
        reason = f"this build has no native kernel for {device.type} tensors"
    else:
        status = kernel_status()
        if operator.has_kernel_for_dispatch_key(torch._C.DispatchKey.CPU):
            return True
        reason = status.reason or f"{status.path} does not hold {operator}"
        last_lines = status.last_lines
    mode = _mode()
    if mode == "native":
        raise _unavailable(reason, last_lines)
    if mode == "auto":
        _tell_once(f"ganreg: the loss runs on its reference kernel: {reason}")
    return False


def _unavailable(reason: str, last_lines: str) -> KernelError:
    return KernelError(
        f"the native kernel was required and is not available: {reason}\n{last_lines}".rstrip(),
        at="GANREG_KERNEL=native",
        fix="give it a C++17 compiler (c++ or $CXX), ninja and a cache folder it can write (GANREG_CACHE);"
        " or GANREG_KERNEL=auto",
    )


def _tell_once(line: str) -> None:
    if line not in _told:
        _told.add(line)
        print(line, file=sys.stderr)
