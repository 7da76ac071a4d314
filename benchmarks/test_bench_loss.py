"""The contenders of `ganreg bench loss` under pytest-benchmark, for its histories and comparisons.

python -m pytest benchmarks/test_bench_loss.py -n 0 -o addopts=""

Each runs for itself, one after the other: for ratios use `ganreg bench loss`, where they take turns.
"""

from __future__ import annotations

import pytest

from ganreg.bench import SIZES
from ganreg.bench.loss import contenders, make_sides

pytest.importorskip("pytest_benchmark")

pytestmark = pytest.mark.filterwarnings("default")  # torch.compile has warnings of its own


@pytest.mark.parametrize("num_logits", SIZES)
@pytest.mark.parametrize("name", ["fused", "eager", "compiled"])
def test_loss(benchmark, name: str, num_logits: int):
    found, not_run = contenders(make_sides("cpu", "float32", num_logits, pair=False), [name])
    if name in not_run:
        pytest.skip(not_run[name])
    benchmark.group = f"value and gradient of {num_logits:,} logits"
    benchmark.name = name
    benchmark(found[name].run)
