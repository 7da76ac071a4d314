"""What a run depended on: versions, plugins, device, which kernel runs and why.  `ganreg doctor` prints it."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from ganreg import __version__
from ganreg.ops.library import kernel_status
from ganreg.registry import Registry

PACKAGES = (
    "torch",
    "pluggy",
    "click",
    "pydantic",
    "PyYAML",
    "rich",
    "numpy",
    "Pillow",
    "safetensors",
    "ninja",
    "filelock",
)


def environment(registry: Registry) -> dict[str, Any]:
    """Plain values; resolves the kernel, which may compile it."""
    return {
        "ganreg": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "packages": {name: _version(name) for name in PACKAGES},
        "cuda": torch.version.cuda,
        "devices": devices(),
        "kernel": _kernel("cpu"),
        "cuda_kernel": _kernel("cuda") if torch.cuda.is_available() else None,
        "plugins": [
            {
                "name": p.name,
                "distribution": p.distribution,
                "version": p.version,
                "status": p.status,
                "reason": p.reason,
            }
            for p in registry.plugins.plugins
        ],
    }


def devices() -> list[str]:
    """Names that --device takes here."""
    found = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    return [*found, "mps"] if torch.backends.mps.is_available() else found


def _kernel(device: str) -> dict[str, str | None]:
    return {key: str(value) if value is not None else None for key, value in asdict(kernel_status(device)).items()}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    except OSError:
        return platform.processor()
