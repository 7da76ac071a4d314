"""What a run leaves on disk, from config.yaml before its first step to exit.json after its last."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ganreg import __version__, yamltext
from ganreg.assembly import words
from ganreg.assembly.environment import environment
from ganreg.contracts import Observer
from ganreg.engine import checkpoint, rundir
from ganreg.engine.observers.checkpoints import Checkpoints
from ganreg.engine.observers.metrics_log import MetricsLog
from ganreg.engine.observers.samples import SampleGrids
from ganreg.engine.run import Run
from ganreg.engine.rundir import RunDirectory
from ganreg.engine.signals import Terminated
from ganreg.errors import GanregError, RunBusyError, RunExistsError, StorageError
from ganreg.registry import Registry

HEADER = "# Every setting of this run.  Repeat it: ganreg train -c config.yaml\n"


OF_OBJECTS = "# Every setting of this run.  Some parts were objects: their first weights and their code are not in here.\n"


@contextmanager
def recorded(
    run: Run, registry: Registry, *, out: Path | None, resumed: bool, numbered: bool = False, steal: bool = False
) -> Iterator[list[Observer]]:
    """Own the directory `out` while the body runs -> the observers that write into it; none where `out` is None.

    With `numbered`, a directory that another process took meanwhile is passed over for the next number; with `steal`, one
    that a process on another machine left without a word is taken over.

    Raises RunBusyError, RunExistsError, StorageError before anything is written.
    """
    if out is None:
        yield []
        return
    surroundings = environment(registry)  # may compile the kernel, so it comes before the directory is there
    run.state.tensors()  # refuses now what a checkpoint cannot hold
    directory = _claim_next(out) if numbered else RunDirectory(out, resume=resumed, steal=steal, at_step=run.state.step)
    try:
        run.directory = directory.path
        directory.write_text("config.yaml", (HEADER if run.repeatable else OF_OBJECTS) + yamltext.dump(_config(run)))
        if not resumed:
            directory.write_json("environment.json", {**surroundings, **_of_this_run(run)})
        checkpoint.sweep(directory.path)
        saver = _saver(run, directory.path)
        error: BaseException | None = None
        try:
            with words.kept(directory.path / "words.jsonl", lambda: run.state.step):
                yield [*_writers(run, directory.path), saver]
        except BaseException as raised:
            error = raised
            raise
        finally:
            code, name = _how(error)
            try:
                directory.ended(code=code, step=run.state.step, error=name, checkpoint=_last(run, directory.path))
            except OSError as unwritten:  # the directory is gone or full; an error that says so may be on its way
                if error is None:
                    what = f"the run's end cannot be written: {unwritten.strerror}"
                    raise StorageError(what, at=str(directory.path), fix="make room") from unwritten
    finally:
        directory.release()


def _claim_next(first: Path) -> RunDirectory:
    out = first
    while True:
        try:
            return RunDirectory(out)
        except (RunBusyError, RunExistsError):
            out = rundir.next_free(first.parent)


def _config(run: Run) -> dict[str, Any]:
    """The configuration with what `none` came to, and the length of a resumed run."""
    return {**run.config, **{name: getattr(run.settings, name) for name in ("sample_every", "checkpoint_every")}}


def _of_this_run(run: Run) -> Mapping[str, Any]:
    source = run.state.batches.source
    samples = len(source) if hasattr(source.dataset, "__len__") else None
    return {
        "device": str(run.state.device),
        "data": {"fingerprint": source.fingerprint(), "samples": samples},
        "ranks": run.ranks.size,
        "equilibrium": [float(value) for value in run.equilibrium] if run.equilibrium is not None else None,
        "run_id": os.environ.get("TORCHELASTIC_RUN_ID"),
    }


def _writers(run: Run, path: Path) -> list[Observer]:
    grids = [SampleGrids(path / "samples", run.settings.sample_every)] if run.settings.sample_every else []
    return [MetricsLog(path / "metrics.jsonl"), *grids]


def _saver(run: Run, path: Path) -> Checkpoints:
    facts = {
        "seed": run.settings.seed,
        "ganreg": __version__,
        "torch": torch.__version__,
        "data": run.state.batches.source.fingerprint(),
        "components": dict(run.origins),
    }
    return Checkpoints(path, run.settings.checkpoint_every or run.total_steps, run.settings.keep, facts)


def _last(run: Run, path: Path) -> str | None:
    """The newest checkpoint of a step that was reached: a directory with its final name was written whole."""
    found = [one.name for one in checkpoint.checkpoints(path) if checkpoint.step_of(one) <= run.state.step]
    return found[-1] if found else None


def _how(error: BaseException | None) -> tuple[int, str]:
    """Exit status and error code of a run's end."""
    if error is None:
        return 0, ""
    if isinstance(error, KeyboardInterrupt):
        return 130, ""
    if isinstance(error, Terminated):
        return int(str(error.code)), ""
    return (error.exit_code, error.code) if isinstance(error, GanregError) else (GanregError.exit_code, GanregError.code)
