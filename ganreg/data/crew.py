"""Work on many pictures by several processes, in the order of the pictures."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

from ganreg.errors import SampleError

CHUNK = 8  # items that travel together
AHEAD = 4  # chunks that wait for each process
FEW = 64
"""Fewer items are not worth a process."""

S = TypeVar("S")
R = TypeVar("R")

_given: tuple[Callable[[Any, str], Any], Any] | None = None


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(work: Callable[[S, str], R], shared: S, items: Sequence[str], processes: int) -> Iterator[R]:
    """`work(shared, item)` for each item, in their order; `shared` travels once.  Raises what the work raises, SampleError."""
    if processes <= 1 or len(items) < FEW:
        yield from (work(shared, item) for item in items)
        return
    chunks = (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _start, (work, shared))  # a fork would copy torch's threads
    waiting: deque[Future[list[R]]] = deque()
    try:
        for chunk in chunks:
            waiting.append(pool.submit(_do, chunk))
            if len(waiting) >= AHEAD * processes:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    except BrokenProcessPool as error:
        fix = "look for a want of memory, or use --workers 1"
        raise SampleError("a process that reads pictures ended without a word", at="--workers", fix=fix) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start(work: Callable[[Any, str], Any], shared: Any) -> None:
    global _given
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever waits for us
    _given = (work, shared)


def _do(items: Sequence[str]) -> list[Any]:
    work, shared = _given or (None, None)
    return [work(shared, item) for item in items] if work is not None else []
