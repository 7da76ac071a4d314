"""The contenders of `ganreg bench step` under pytest-benchmark, for its histories and comparisons.

python -m pytest benchmarks/test_bench_step.py -n 0 -o addopts=""

Each runs for itself, one after the other: for ratios use `ganreg bench step`, where they take turns.
"""

from __future__ import annotations

import pytest

from ganreg.bench import CASES
from ganreg.bench.step import make

pytest.importorskip("pytest_benchmark")

pytestmark = pytest.mark.filterwarnings("default")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["ganreg", "tutorial", "bare"])
def test_step(benchmark, name: str, case: str):
    benchmark.group = f"a training step, {case}"
    benchmark.name = name
    benchmark.pedantic(make(case, "cpu", {})[name], rounds=5, warmup_rounds=2)
