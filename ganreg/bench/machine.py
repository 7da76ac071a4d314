"""Where a measurement was taken: whoever reads a figure must be able to tell whose it is."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from ganreg.ops.library import kernel_status

SWITCHES = ("GANREG_KERNEL", "GANREG_CPU", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "ATEN_CPU_CAPABILITY")
"""Environment variables that change what is measured."""


def describe(device: str) -> dict[str, Any]:
    """Plain values; decides which kernel runs, which may compile it."""
    kernel = kernel_status(device)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "processor": _processor(),
            "cores": _cores(),
            "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
            "card": torch.cuda.get_device_name() if device == "cuda" else None,
            "cuda": torch.version.cuda if device == "cuda" else None,
            "system": platform.platform(),
            "kernel": {
                "kind": kernel.kind,
                "variant": kernel.variant,
                "compiler": kernel.compiler,
                "reason": kernel.reason,
            },
            "omp_threads": torch.get_num_threads(),
            "aten_capability": torch.backends.cpu.get_cpu_capability(),
        },
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def switches() -> list[str]:
    """NAME=value of those that are set, as they would stand before a command."""
    return [f"{name}={os.environ[name]}" for name in SWITCHES if name in os.environ]


def _cores() -> int | None:
    """Those this process may use: fewer than the machine's in a container."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    except OSError:
        return platform.processor()
