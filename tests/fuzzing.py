"""Many examples of hostile input: each within seconds of work, and the process no larger for it.

300 in the usual run, 10,000 under the `nightly` marker.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

EXAMPLES = [pytest.param(300), pytest.param(10_000, marks=[pytest.mark.nightly, pytest.mark.timeout(1200)])]
SLOWEST = 5.0
"""Seconds of our own work for one example: what other processes take does not count, and a test's own limit ends a wait."""

MOST_GROWTH = 300 * 2**20
"""Bytes that the peak of resident memory may rise by over all examples."""


def fuzzed(
    count: int,
    strategy: st.SearchStrategy[Any],
    check: Callable[[Any], None],
    known: Sequence[Any] = (),
    *,
    growth: int = MOST_GROWTH,
) -> None:
    """Check `known` inputs and `count` drawn ones.  Whatever `check` raises is told with the smallest input that does it."""

    def timed(drawn: Any) -> None:
        began = time.process_time()
        check(drawn)
        took = time.process_time() - began
        assert took < SLOWEST, f"{took:.1f} s"

    test = given(strategy)(timed)
    for one in known:
        test = example(one)(test)
    before = _peak(forget=True)
    settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))(test)()
    grown = _peak() - before
    assert grown < growth, f"resident memory rose by {grown / 2**20:.0f} MiB"


def _peak(*, forget: bool = False) -> int:
    """Bytes of resident memory at its peak; with `forget`, where Linux can, from now on, so that no earlier test hides ours."""
    if forget and sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
