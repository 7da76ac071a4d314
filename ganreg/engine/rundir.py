"""The run directory: claimed by one process, holding everything a run leaves behind.

RUN/config.yaml  environment.json  metrics.jsonl  words.jsonl  samples/  checkpoints/  exit.json
"""

from __future__ import annotations

import json
import os
import socket
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ganreg.errors import RunBusyError, RunExistsError, StorageError

RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(1, 10))}
"""Names that no Windows machine can copy a run under."""

OWN = {".lock", ".owner.json"}  # what a claim itself leaves in a directory


def next_free(root: Path) -> Path:
    """runs/0001, runs/0002, …: the first number after all that are there."""
    numbers = [int(path.name) for path in root.glob("[0-9]*") if path.name.isdigit()] if root.is_dir() else []
    return root / f"{max(numbers, default=0) + 1:04d}"


def check(directory: Path) -> None:
    """Look, and touch nothing.  Raises RunBusyError, RunExistsError, StorageError."""
    if any(not char.isprintable() for char in str(directory)):
        raise StorageError(
            "the run directory's name holds a control character", at=repr(str(directory)), fix="give another --out"
        )
    if directory.name.partition(".")[0].upper() in RESERVED:
        raise StorageError(
            f"'{directory.name}' is the name of a device on Windows", at=str(directory), fix="give another --out"
        )
    try:
        exists = _exists(directory)
        if exists and not directory.is_dir():
            raise RunExistsError("the run directory is a file", at=str(directory), fix="give another --out")
        if exists:
            _check_busy(directory)
            if any(path.name not in OWN for path in directory.iterdir()):
                raise RunExistsError(
                    "the run directory is not empty",
                    at=str(directory),
                    fix=f"go on with --resume {directory}, or give another --out",
                )
        parent = directory
        while not _exists(parent):
            parent = parent.parent
    except OSError as error:
        raise StorageError(
            f"the run directory cannot be made: {error.strerror}", at=str(directory), fix="give another --out"
        ) from error
    if not os.access(parent, os.W_OK | os.X_OK):
        raise StorageError(f"'{parent}' cannot be written to", at=str(directory), fix="give another --out")


def _exists(path: Path) -> bool:
    """As Path.exists, but a name that the system cannot take is an error and not an absence."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    return True


def _check_busy(directory: Path) -> None:
    if (directory / ".lock").exists():
        lock = FileLock(directory / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise _busy(directory) from None
        lock.release()


def _busy(directory: Path) -> RunBusyError:
    return RunBusyError(
        f"the run directory is in use by {_owner(directory)}",
        at=str(directory),
        fix="wait for it to end, or give another --out",
    )


def _told(directory: Path) -> dict[str, Any]:
    """What the process that claimed it last said of itself; nothing where that cannot be read."""
    try:
        owner = json.loads((directory / ".owner.json").read_text())
        return {name: owner[name] for name in ("pid", "host", "since")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _owner(directory: Path) -> str:
    told = _told(directory)
    return f"process {told['pid']} on {told['host']} since {told['since']}" if told else "another process"


class RunDirectory:
    """A directory that this process owns until `release`."""

    def __init__(self, path: Path, *, resume: bool = False, steal: bool = False, at_step: int | None = None) -> None:
        """Claim it; `at_step` is the step that was restored before, which nobody may have left behind meanwhile."""
        if not resume:
            check(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            self.path = path
            self._lock = FileLock(path / ".lock")
            self._lock.acquire(timeout=0)
            if at_step is not None:
                self._refuse_newer(at_step)
            self._take_over(steal=steal)
            owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}
            self.write_json(".owner.json", owner)
        except Timeout:
            raise _busy(path) from None
        except OSError as error:
            raise StorageError(
                f"the run directory cannot be made: {error.strerror}", at=str(path), fix="give another --out"
            ) from error

    def _take_over(self, *, steal: bool) -> None:
        """From a process that is gone; what it said of its end is no longer true.  The lock itself died with it.

        A lock may not reach from one machine to another: there, only who steals it takes over.  Raises RunBusyError.
        """
        if (self.path / ".owner.json").exists() and not (self.path / "exit.json").exists():
            if not steal and _told(self.path).get("host", socket.gethostname()) != socket.gethostname():
                owner = _owner(self.path)
                self.release()
                raise RunBusyError(
                    f"the run may be in use by {owner}, which left no word of its end",
                    at=str(self.path),
                    fix="make sure that it is gone, then add --steal-lock",
                )
            warnings.warn(f"taken over from {_owner(self.path)}, which left no word of its end", stacklevel=4)
        (self.path / "exit.json").unlink(missing_ok=True)

    def _refuse_newer(self, step: int) -> None:
        """A checkpoint of a process that ended between our reading and our lock.  Raises RunBusyError."""
        from ganreg.engine import checkpoint  # and torch, which a mere look at a directory does without

        later = [one for one in checkpoint.checkpoints(self.path) if checkpoint.step_of(one) > step]
        newer = [one for one in later if checkpoint.is_whole(one)]
        if newer:
            self.release()
            raise RunBusyError(
                f"another process has meanwhile taken the run from step {step} to {checkpoint.step_of(newer[-1])}",
                at=str(self.path),
                fix="resume it again",
            )

    def write_json(self, name: str, values: Mapping[str, Any]) -> None:
        """A JSON file, replaced whole."""
        self.write_text(name, json.dumps(values, indent=2) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """A text file, replaced whole."""
        part = self.path / f".{name.lstrip('.')}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(self.path / name)

    def ended(self, *, code: int, step: int, error: str = "", checkpoint: str | None = None) -> None:
        """Say how the run ended, for tools that cannot see our exit status."""
        values = {
            "code": code,
            "error": error,
            "step": step,
            "checkpoint": checkpoint,
        }
        self.write_json("exit.json", {**values, "at": _now()})

    def release(self) -> None:
        """Let go."""
        self._lock.release()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
