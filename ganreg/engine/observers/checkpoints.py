"""Checkpoints: every so many steps and at the end, written while training goes on, the newest few kept."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from threading import Thread
from typing import Any

from torch import Tensor

from ganreg.contracts import Observer
from ganreg.engine import best, checkpoint
from ganreg.engine.run import Run
from ganreg.errors import GanregError, NonFiniteError, StorageError

TRIES = 3
PAUSE = 0.5  # seconds before the second try, twice that before the third


class Checkpoints(Observer):
    """Writes RUN/checkpoints/step-00001000/ from a thread of its own, never two at once.

    A state is copied when its step ends; what comes after does not touch it.  `settle` waits for what is being written and
    raises what went wrong with it.
    """

    required = True
    saves = True
    """Whether a signal to save or to end is meant for it."""

    def __init__(self, run_dir: Path, every: int, keep: int, facts: Mapping[str, Any] | None = None) -> None:
        self.run_dir = run_dir
        self.every = every
        self.keep = keep
        self.facts = dict(facts or {})
        self.tell: Callable[[Path], object] = lambda path: None  # whom to tell of each one
        self._writing: _Writing | None = None
        self._best: dict[str, Any] | None = None
        self._saved_step: int | None = None  # of this state, where it was saved already

    def started(self, run: Run) -> None:
        """Remember whose state to save.  Raises StorageError when what will be kept has no room."""
        self.run = run
        self._forget_later()
        count = min(self.keep, math.ceil((run.total_steps - run.state.step) / self.every)) + 1
        count += run.measuring is not None  # the best
        needed, free = count * _size(run), checkpoint.room(self.run_dir)
        if free is not None and needed > free:
            raise StorageError(
                f"{count} checkpoints will take some {needed:,} bytes, {free:,} are free",
                at=str(self.run_dir),
                fix="make room, lower --keep, or give another --out",
            )

    def stepped(self, step: int, values: Mapping[str, float]) -> None:
        """Save; then remove the oldest.  Raises StorageError or NonFiniteError for this one or the one before."""
        if step == self._saved_step:
            return  # as the best, a moment ago
        self.settle()
        self.run.refresh()
        state = self.run.state
        shares = self.run.labels.shares
        extra = {
            "spec": asdict(self.run.spec),
            "label_shares": shares.tolist() if shares is not None else None,
            "class_names": list(self.run.labels.names),
            "config": self.run.identity(),
            "penalties": {name: value for name, value in values.items() if name.startswith("penalty_")},
        }
        path = self.run_dir / "checkpoints" / f"step-{step:08d}"
        files, told = checkpoint.snapshot(state.tensors()), {**state.values(), **extra}
        best_so_far = self._best
        self._writing = _Writing(lambda: self._write(path, files, told, best_so_far))
        self._saved_step = step

    def offer_best(self, step: int, values: Mapping[str, float], measured: dict[str, Any]) -> None:
        """Save the state of this step if what was measured of it beats all before; it stays when others are removed."""
        if best.is_better(measured, self._best):
            self._best = measured
            self.stepped(step, values)

    def rolled_back(self, run: Run) -> None:
        """Steps come again, and are saved again."""
        self._forget_later()

    def _forget_later(self) -> None:
        self._saved_step = None
        found = best.told(self.run_dir)
        there = found is not None and found["step"] <= self.run.state.step
        self._best = found if there else None

    def settle(self) -> None:
        """Wait until everything is on the disk.  Raises StorageError, NonFiniteError."""
        if self._writing is None:
            return
        writing, self._writing = self._writing, None
        self.tell(writing.result())

    def finished(self, status: str) -> None:
        """After a run that failed, what was being written is still worth having; who left at once does not wait for it."""
        if status == "interrupted":
            return
        try:
            self.settle()
        except GanregError:
            if status != "failed":
                raise

    def _write(
        self, path: Path, files: Mapping[str, Any], values: Mapping[str, Any], best_so_far: dict[str, Any] | None = None
    ) -> Path:
        _check_numbers(files, path)
        for number in range(1, TRIES + 1):
            try:
                checkpoint.save(path, files, values, self.facts)
                break
            except StorageError as error:
                if number == TRIES:
                    raise _rescued(error, self.run_dir, path.name, files, values, self.facts) from error
                time.sleep(PAUSE * number)
        if best_so_far is not None and best_so_far["step"] == values["step"]:
            try:
                best.write(self.run_dir, best_so_far)
            except OSError as error:
                what = f"the best checkpoint cannot be named: {error.strerror or error}"
                raise StorageError(what, at=str(self.run_dir), fix="make room; checkpoints are as they were") from error
        checkpoint.rotate(path, self.keep, best_so_far["step"] if best_so_far is not None else None)
        return path


class _Writing:
    """Work in a thread that dies with the process."""

    def __init__(self, work: Callable[[], Path]) -> None:
        self._work = work
        self._path: Path | None = None
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, name="ganreg-checkpoint", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._path = self._work()
        except BaseException as error:
            self._error = error

    def result(self) -> Path:
        """Wait -> where it lies, or raise what went wrong."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._path is not None
        return self._path


def _size(run: Run) -> int:
    """Bytes of a checkpoint, roughly: optimizers that have not stepped yet will hold two numbers a weight."""
    held = sum(tensor.nbytes for tensors in run.state.tensors().values() for tensor in tensors.values())
    fresh = [name for name, one in run.state.optimizers.items() if not one.state]
    networks = {"generator": run.gan.generator, "discriminator": run.gan.discriminator}
    weights = [parameter for name in fresh for parameter in networks[name].parameters()]
    return held + 2 * sum(int(one.numel()) * int(one.element_size()) for one in weights)


def _check_numbers(files: Mapping[str, Mapping[str, Tensor]], path: Path) -> None:
    """A nan that no loss or gradient showed, in an average, a buffer or a moment.  Raises NonFiniteError."""
    for file, tensors in files.items():
        if file.startswith("component-"):
            continue  # whose own nan may mean something
        for name, tensor in tensors.items():
            if tensor.is_floating_point() and bool(tensor.sum().isnan()) and bool(tensor.isnan().any()):
                raise NonFiniteError(
                    f"{file} holds nan in {name}, which no loss or gradient has shown; older checkpoints are as they were",
                    at=path.name,
                    fix="look at what writes there (a buffer, an optimizer); resume from the last checkpoint",
                )


def _rescued(
    error: StorageError,
    run_dir: Path,
    name: str,
    files: Mapping[str, Any],
    values: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> StorageError:
    """The last resort where a run directory is gone, read-only or full: another place, which the error tells."""
    try:
        root = Path(os.environ.get("GANREG_CACHE") or Path.home() / ".cache" / "ganreg") / "rescued"
        root.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=f"{run_dir.name}-", dir=root))
        saved = checkpoint.save(place / name, files, values, facts)
    except (OSError, StorageError):
        return error
    return StorageError(
        f"{error.what}; it was saved elsewhere: {saved}", at=error.at, fix="make room, then move it into the run's checkpoints"
    )
