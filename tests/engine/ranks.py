"""Several processes of one run, as torchrun would start them, ended by their ids whatever happens."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

PRELUDE = """
import os, sys, time
import torch
torch.set_num_threads(1)
import ganreg
from ganreg.contracts import GAN
from tests.engine.small import *
RANK = int(os.environ.get("RANK", "0"))
"""


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str


def clean_environment() -> dict[str, str]:
    """Without what a launcher sets."""
    theirs = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    kept = {name: value for name, value in os.environ.items() if name not in theirs and not name.startswith("TORCHELASTIC")}
    return kept | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def start(source: str, size: int = 2, each: Sequence[Mapping[str, str]] = ()) -> list[subprocess.Popen[str]]:
    """`size` processes that run this program after `PRELUDE`; `each` adds to the environment of each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)} if size > 1 else {}
    started = []
    for rank in range(size):
        own = {"RANK": str(rank), "LOCAL_RANK": str(rank)} if size > 1 else {}
        environment = clean_environment() | group | own | dict(each[rank] if each else {})
        command = [sys.executable, "-c", PRELUDE + source]
        started.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        )
    return started


def finish(processes: Sequence[subprocess.Popen[str]], seconds: float = 90.0) -> list[Ended]:
    """Wait for all; those that are late are killed, and the wait fails."""
    try:
        return [Ended(one.returncode, *told) for one in processes for told in [one.communicate(timeout=seconds)]]
    finally:
        for one in processes:
            if one.poll() is None:
                one.kill()
                one.communicate()


def together(source: str, size: int = 2, each: Sequence[Mapping[str, str]] = ()) -> list[Ended]:
    """Run, and wait for success."""
    ended = finish(start(source, size, each))
    for one in ended:
        assert one.code == 0, one.err
    return ended
