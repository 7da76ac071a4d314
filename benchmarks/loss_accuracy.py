"""How far is a cross-entropy of a logit, or its gradient, from the exact one: ours beside torch's own?

    python benchmarks/loss_accuracy.py            # writes benchmarks/results/loss_accuracy.json

The worst error in units in the last place (ulp: the spacing of the dtype at the exact value) over every finite 16-bit
number, and over 600,000 random and some thousand structured numbers of float32 and float64: the inputs of the accuracy
tests.  Exact means long double for float64, float64 for the rest.  torch's are binary_cross_entropy_with_logits and its
autograd gradient.  Beside a soft target the two terms of a gradient cancel, so its error is measured in ulps of their sum.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ganreg.errors import UsageError
from ganreg.ops import library, reference, rules

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.ops import ulps  # noqa: E402  the ruler of the tests, which are no package that is installed

RESULT = ROOT / "benchmarks" / "results" / "loss_accuracy.json"
TARGETS = (0.0, 1.0, 0.9)


def ours(x: Tensor, target: float) -> tuple[Tensor, Tensor]:
    value, grad, _ = rules.OPERATORS.pointwise_loss(x, "bce", target, False, 1.0, None, "none")
    return value, grad


def of_reference(x: Tensor, target: float) -> tuple[Tensor, Tensor]:
    value, grad, _ = reference.pointwise_loss(x, "bce", target, False, 1.0, None, "none")
    return value, grad


def of_torch(x: Tensor, target: float) -> tuple[Tensor, Tensor]:
    leaf = x.clone().requires_grad_()
    losses = F.binary_cross_entropy_with_logits(leaf, torch.full_like(leaf, target), reduction="none")
    return losses.detach(), torch.autograd.grad(losses.sum(), leaf)[0]


def variants() -> list[str]:
    """Those of the native kernel that this processor has, the best one first."""
    if library.kernel_status().kind == "reference":
        raise SystemExit(f"there is no native kernel to measure: {library.kernel_status().reason}")
    found = []
    for name in reversed(library.VARIANTS):
        try:
            library.use_variant(name)
        except UsageError:
            continue
        found.append(name)
    return found


def measure(dtype: torch.dtype, target: float, names: list[str]) -> list[dict[str, Any]]:
    """The rows of one dtype and target: the loss's and the gradient's."""
    x, exact = ulps.inputs(dtype), ulps.exact_of_inputs(dtype, target)
    hard = target in (0.0, 1.0)
    results = {"reference": of_reference(x, target), "torch": of_torch(x, target)}
    for name in names:
        library.use_variant(name)
        results[name] = ours(x, target)

    def row(what: str, bar: float, place: int, wanted: Any, at: Any) -> dict[str, Any]:
        worst = {who: round(ulps.worst(its[place], wanted, dtype, at), 4) for who, its in results.items()}
        told = {"dtype": str(dtype).removeprefix("torch."), "what": what, "target": target, "bar": bar}
        return {
            **told,
            "ours": {name: worst[name] for name in names},
            "reference": worst["reference"],
            "torch": worst["torch"],
            "inputs": x.numel(),
        }

    narrow = dtype in ulps.NARROW
    return [
        row("loss", 0.51 if narrow else 3.0, 0, exact.loss, None),
        row("gradient", (0.51 if hard else 1.0) if narrow else 4.0, 1, exact.derivative, None if hard else exact.scale),
    ]


def processor() -> str:
    """The processor's name as Linux has it, else as Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=RESULT, help="the file to write")
    where = parser.parse_args().json
    names = variants()
    rows = [
        row
        for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16)
        for target in TARGETS
        for row in measure(dtype, target, names)
    ]
    told = {
        "kind": "loss-accuracy",
        "machine": {"processor": processor(), "capability": torch.backends.cpu.get_cpu_capability()},
        "command": ["python", "benchmarks/loss_accuracy.py"],
        "torch": torch.__version__,
        "rows": rows,
    }
    where.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    for row in rows:
        best = row["ours"][names[0]]
        print(
            f"{row['dtype']:9} {row['what']:9} target {row['target']:<4} {best:8.4f} of {row['bar']}   torch {row['torch']:.4g}"
        )


if __name__ == "__main__":
    main()
