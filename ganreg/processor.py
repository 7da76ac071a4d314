"""What the processor can do."""

from __future__ import annotations

from pathlib import Path


def processor_flags() -> frozenset[str]:
    """Its instruction sets in Linux's words ("avx512f"); nothing elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.split(":", 1)[1].split() for line in lines if line.startswith(("flags", "Features"))), ()))
