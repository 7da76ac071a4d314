"""Ranks of one machine keep to shares of its processors, so that two never take turns on one while another is idle.

Only where several ranks may use exactly the same processors, and each gets at least one: a launcher that gave every rank its
own has divided them already.  Threads and data workers started later inherit their rank's share.  On other systems than
Linux, which cannot do it, nothing happens.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ganreg.engine.distributed import Ranks

TASKS = Path("/proc/self/task")


@contextmanager
def kept_apart(ranks: Ranks, device: torch.device) -> Iterator[None]:
    """While training on processors, keep to a share of those that may be used; all ranks must come here."""
    can = device.type == "cpu" and TASKS.is_dir()
    allowed = sorted(os.sched_getaffinity(0)) if can else []
    here = (*_machine(), allowed)
    told = ranks.gather(here, "the processors were shared out")
    beside = [rank for rank, other in enumerate(told) if other == here]
    mine = share(allowed, beside.index(ranks.rank), len(beside))
    if mine in ([], allowed):
        yield
        return
    _keep_to(mine)
    try:
        yield
    finally:
        _keep_to(allowed)


def share(processors: list[int], place: int, count: int) -> list[int]:
    """The `place`-th of `count` shares as equal as can be, neighbours together; empty where there are too few."""
    if len(processors) < count:
        return []
    return processors[place * len(processors) // count : (place + 1) * len(processors) // count]


def _keep_to(processors: Iterable[int]) -> None:
    """All threads of this process; one that ends meanwhile needs no place."""
    chosen = set(processors)
    for task in TASKS.iterdir():
        try:
            os.sched_setaffinity(int(task.name), chosen)
        except OSError:  # ended meanwhile, or not ours to say: training goes on where it is
            continue


def _machine() -> tuple[str, str]:
    """Name and start: containers on two machines may have one name."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return platform.node(), boot.read_text(encoding="ascii") if boot.is_file() else ""
