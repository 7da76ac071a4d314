"""`ganreg train --nproc N`: torch's own launcher starts this command N times on this machine; a rank that fails ends them all.

Under torchrun nothing is started; a process that torchrun started again finds the run that its dead predecessor left.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from ganreg.cli import runs
from ganreg.cli.paths import expanded
from ganreg.errors import GanregError, RankError, UsageError

RUN_ID = "TORCHELASTIC_RUN_ID"
RESTARTS = "TORCHELASTIC_RESTART_COUNT"


def is_one_of_several() -> bool:
    """Whether a launcher started this process."""
    return "RANK" in os.environ


def is_quiet_rank() -> bool:
    """Whether another process of this run speaks."""
    return os.environ.get("RANK", "0") != "0"


def start(nproc: int, words: Sequence[str]) -> None:
    """Run `ganreg WORDS` in `nproc` processes and wait.

    Raises RankError, which names the rank that failed first, and KeyboardInterrupt.
    """
    if is_one_of_several():
        raise UsageError("torchrun started this process, so --nproc cannot", at="--nproc", fix="leave out --nproc")
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, _cores() // nproc)))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=nproc,
        run_id=str(uuid.uuid4()),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        start_method="spawn",
        monitor_interval=0.1,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "ganreg", *words)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        raise _FailedRankError(rank, failure.exitcode) from error
    except SignalException as caught:
        if caught.sigval == signal.SIGINT:
            raise KeyboardInterrupt from None
        raise click.exceptions.Exit(128 + caught.sigval) from None


class _FailedRankError(RankError):
    """A rank's failure, with that rank's exit status where it is one of ours."""

    def __init__(self, rank: int, status: int) -> None:
        how = f"was killed by signal {-status}" if status < 0 else f"ended with exit status {status}"
        super().__init__(
            f"rank {rank} {how}", at=f"rank {rank}", fix="see what it said; go on with: ganreg train --resume latest"
        )
        if 0 < status < GanregError.exit_code:
            self.exit_code = status


def restarted(named: str | None) -> Path | None:
    """The directory of the run that this launch of torchrun has begun before; None the first time.  Raises UsageError.

    The launch's own id tells, since machines count their restarts apart; without one (a static rendezvous), the count.
    """
    wanted, again = os.environ.get(RUN_ID, "none"), int(os.environ.get(RESTARTS, "0")) > 0
    if wanted == "none" and not again:
        return None
    if named is not None:
        out = expanded(named)
        return out if _run_id(out) == wanted else None
    if wanted == "none":
        raise UsageError(
            "a restarted rank cannot tell which run was its own", at="torchrun", fix="give --out, or torchrun --rdzv-id NAME"
        )
    return next((path for path in sorted(runs.RUNS.glob("*"), reverse=True) if _run_id(path) == wanted), None)


def _run_id(run: Path) -> str | None:
    try:
        told: Mapping[str, str] = json.loads((run / "environment.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return told.get("run_id")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
