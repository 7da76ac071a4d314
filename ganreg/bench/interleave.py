"""Times contenders beside each other: every round runs each of them, so that what slows the machine slows all alike.

    seconds per call = seconds of a batch / calls of that batch
    ratio a / b      = median over rounds of (a's seconds / b's seconds in the same round)

A contender runs once, untimed, before each of its batches: it finds the caches as its own call leaves them, not as its
neighbour's did.  The order of a round is that of the round before, moved on by one.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from statistics import median, quantiles
from typing import Any

from ganreg.bench import LEAST_ROUNDS, ROUNDS

BATCH_SECONDS = 5e-3
"""A batch this long drowns the clock's own cost and steps."""

MOST_CALLS = 1 << 20
"""A clock that stands still must not keep us for ever."""

Stopwatch = Callable[[Callable[[], object], int], float]
"""(call, count) -> seconds that `count` calls take."""


@dataclass(frozen=True, slots=True)
class Contender:
    """What is timed, and what puts its data back before a batch, untimed."""

    run: Callable[[], object]
    refresh: Callable[[], object] | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several numbers and their quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Spread:
        """Of at least two numbers."""
        low, _, high = quantiles(numbers, n=4, method="inclusive")
        return cls(median(numbers), low, high)


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds per call of every contender, one number a round, and how many calls a batch had."""

    seconds: dict[str, list[float]]
    calls: dict[str, int]

    def spread(self, name: str) -> Spread:
        """Seconds per call."""
        return Spread.of(self.seconds[name])

    def ratio(self, name: str, over: str) -> Spread:
        """How many times longer `name` takes than `over`, round by round."""
        return Spread.of([one / other for one, other in zip(self.seconds[name], self.seconds[over], strict=True)])


def wall_clock(call: Callable[[], object], count: int) -> float:
    """The stopwatch of work that is done when the call returns."""
    begin = time.perf_counter()
    for _ in repeat(None, count):
        call()
    return time.perf_counter() - begin


def cuda_clock(call: Callable[[], object], count: int) -> float:
    """The stopwatch of work on the current CUDA stream: events around the batch, nothing waits inside it."""
    import torch

    event: Any = torch.cuda.Event
    begin, end = event(enable_timing=True), event(enable_timing=True)
    torch.cuda.synchronize()
    begin.record()
    for _ in repeat(None, count):
        call()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / 1e3


def interleave(
    contenders: Mapping[str, Contender],
    *,
    rounds: int = ROUNDS,
    stopwatch: Stopwatch = wall_clock,
    batch_seconds: float = BATCH_SECONDS,
) -> Timings:
    """Time them all.  Raises `ValueError` for fewer than five rounds, whose quartiles would say nothing."""
    if rounds < LEAST_ROUNDS:
        raise ValueError(f"expected at least {LEAST_ROUNDS} rounds, got {rounds}")
    names = list(contenders)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    with _no_garbage_collection():
        calls = {name: _calls(one, stopwatch, batch_seconds) for name, one in contenders.items()}
        for number in range(rounds):
            first = number % max(len(names), 1)
            for name in names[first:] + names[:first]:
                _prepare(contenders[name])
                seconds[name].append(stopwatch(contenders[name].run, calls[name]) / calls[name])
    return Timings(seconds, calls)


def _prepare(contender: Contender) -> None:
    if contender.refresh is not None:
        contender.refresh()
    contender.run()


def _calls(contender: Contender, stopwatch: Stopwatch, batch_seconds: float) -> int:
    """Calls of a batch that lasts long enough: 1, 2, 4, …"""
    count = 1
    _prepare(contender)  # the first call of all may compile, allocate or load
    while stopwatch(contender.run, count) < batch_seconds and count < MOST_CALLS:
        count *= 2
        _prepare(contender)
    return count


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Python's collector would stop whoever happens to be running."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
