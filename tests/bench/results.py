"""A measurement with figures that a reader can verify."""

from __future__ import annotations

from typing import Any

SIZES = (64, 4096, 2**24)
NANOSECONDS = {"fused": 100.0, "in place": 50.0, "eager": 600.0, "compiled": 200.0, "copy": 25.0}
"""A call, for each logit."""


def measured(*, dtypes: tuple[str, ...] = ("float32",), device: str = "cpu", pair: bool = False) -> dict[str, Any]:
    """As `ganreg.bench.loss.measure` gives it."""
    return {
        "schema": 1,
        "kind": "loss",
        "command": ["ganreg", "bench", "loss"],
        "date": "2026-01-02T03:04:05+00:00",
        "machine": {
            "processor": "A <fast> one & only",
            "cores": 2,
            "load": 0.0,
            "card": "H9000" if device == "cuda" else None,
            "cuda": None,
            "kernel": {"kind": "compiled", "variant": "avx2", "compiler": "c++ 12", "reason": ""},
            "omp_threads": 1,
            "aten_capability": "AVX2",
        },
        "torch": "2.11.0",
        "python": "3.11.7",
        "device": device,
        "pair": pair,
        "rounds": 5,
        "rows": [_row(dtype, count) for dtype in dtypes for count in SIZES],
    }


def _row(dtype: str, count: int) -> dict[str, Any]:
    def spread(number: float) -> dict[str, float]:
        return {"median": number, "low": number * 0.9, "high": number * 1.1}

    return {
        "dtype": dtype,
        "num_logits": count,
        "bytes": 8 * count,
        "contenders": {
            name: {**spread(time * 1e-9 * count), "seconds": [], "calls": 1, "gigabytes_per_second": 8 / time}
            for name, time in NANOSECONDS.items()
        },
        "ratios": {
            f"{peer} / {ours}": spread(NANOSECONDS[peer] / NANOSECONDS[ours])
            for ours in ("fused", "in place")
            for peer in ("eager", "compiled", "copy")
        },
        "not_run": {},
    }
