"""The run itself: from ready parts to what came of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch import nn

from ganreg.assembly.ready import Parts, ready
from ganreg.assembly.record import recorded
from ganreg.assembly.trackers import available, built
from ganreg.contracts import GAN, Observer
from ganreg.engine import affinity, diagnosis, distributed, lazy, loop, rollback
from ganreg.engine.graphs import stream_of_its_own
from ganreg.engine.modes import to_use
from ganreg.engine.observers import Observers
from ganreg.engine.observers.agreement import Agreement
from ganreg.engine.observers.checkpoints import Checkpoints
from ganreg.engine.observers.history import History
from ganreg.engine.observers.measures import Measures, WaitForMeasures
from ganreg.engine.observers.progress import ProgressLine
from ganreg.engine.observers.samples import SampleGrids
from ganreg.engine.observers.trackers import Trackers
from ganreg.engine.observers.watchdog import Watchdog
from ganreg.engine.phases import Phase, phases
from ganreg.engine.run import Run
from ganreg.engine.settings import RunSettings
from ganreg.engine.signals import Signals, Terminated
from ganreg.engine.work import Work
from ganreg.errors import NonFiniteError
from ganreg.registry import Registry


@dataclass
class Result:
    """What came of a run; `ema` is the averaged generator, `run_dir` None when nothing was written.

    `evaluations` are what its metrics measured, in the form of evaluations.jsonl.
    """

    gan: GAN
    ema: nn.Module | None
    history: dict[str, list[float]]
    run_dir: Path | None
    status: str
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    observing_seconds: float = field(default=0.0, repr=False)


def launch(
    parts: Parts,
    settings: RunSettings,
    config: Mapping[str, Any],
    registry: Registry,
    *,
    out: Path | None = None,
    resume: Path | None = None,
    allow_change: Sequence[str] = (),
    observers: Sequence[Observer] = (),
    progress: bool = True,
    numbered: bool = False,
    again: bool = False,
    steal_lock: bool = False,
    repeatable: bool = True,
) -> Result:
    """Train.  The caller's random state is left as it was.  Raises GanregError of many kinds, before step 0 where it can."""
    parts = replace(parts, trackers=available(parts.trackers, resume or out))
    already_together = dist.is_available() and dist.is_initialized()
    try:
        run, work = ready(parts, settings, config, resume=resume, allow_change=allow_change)
        run.repeatable = repeatable
        if work.state.step >= run.total_steps:
            return Result(parts.gan, _average(run), {}, resume, f"already at step {work.state.step}")
        with affinity.kept_apart(work.ranks, work.state.device):
            return _run(
                run,
                work,
                parts,
                registry,
                out=(resume or out) if work.ranks.is_main else None,
                resumed=resume is not None or again,
                numbered=numbered,
                steal=steal_lock or again,
                observers=observers,
                progress=progress,
            )
    finally:
        if not already_together:
            distributed.leave()


def _run(
    run: Run,
    work: Work,
    parts: Parts,
    registry: Registry,
    *,
    out: Path | None,
    resumed: bool,
    numbered: bool,
    steal: bool,
    observers: Sequence[Observer],
    progress: bool,
) -> Result:
    rollback.check(run.settings, writes=out is not None or not work.ranks.is_main)
    history = History()
    together = work.ranks.size > 1
    work.signals = Signals(several_ranks=together)
    watched = work.signals.watched() if out is not None or together else nullcontext()
    with watched, recorded(run, registry, out=out, resumed=resumed, numbered=numbered, steal=steal) as writers:
        plugins = registry.plugins.answers("ganreg_observers", Observer, run=run)
        dog = Watchdog(stops=run.settings.on_imbalance == "stop")
        measures = _measures(run, writers)
        shows = [*([ProgressLine()] if progress else []), dog, *observers]
        watching = [*_tracking(run, parts, writers), *shows, *measures, *writers, *(offer.record for offer in plugins)]
        others = [WaitForMeasures(run.settings.metric_every)] if measures else []
        every = [history, *([Agreement()] if together else [])]
        told = Observers(run, [*every, *(watching if work.ranks.is_main else others)])
        told.origins = {id(offer.record): offer.plugin.named for offer in plugins}
        for writer in writers:
            if isinstance(writer, Checkpoints):
                writer.tell = told.saved
        for one in measures:
            one.tell = told.measured
        status = "failed"
        try:
            told.started()
            turn = phases(parts.regularizers, run.settings.discriminator_steps)
            with stream_of_its_own(work.state.device) if work.graphs is not None else nullcontext():
                while not (status := _trained(run, work, turn, told, writers)):
                    told.rolled_back()
        except (KeyboardInterrupt, Terminated):
            status = "interrupted"
            raise
        finally:
            work.graphs = None  # and their memory
            work.state.batches.close()
            work.discriminator.learns(True)  # as it was given, so that it can be trained on
            for optimizer in work.state.optimizers.values():
                vars(optimizer).pop("found_inf", None)
                lazy.put_back(optimizer)
            told.finished(status)
            for optimizer in work.state.optimizers.values():
                to_use(optimizer)
        work.signals.raise_if_ending()
    run.refresh()
    rows = [row for one in measures for row in one.rows]
    return Result(parts.gan, _average(run), history.values, run.directory, status, rows, told.seconds)


def _measures(run: Run, writers: Sequence[Observer]) -> list[Measures]:
    """Who measures, where there is something to measure; the saver keeps the best."""
    if run.measuring is None:
        return []
    saver = next((one for one in writers if isinstance(one, Checkpoints)), None)
    return [Measures(run.measuring, run.settings.metric_every, run.directory, saver)]


def _tracking(run: Run, parts: Parts, writers: list[Observer]) -> list[Observer]:
    """Who drives the trackers, where there are any; sample grids are shown to them, also where none are written."""
    if not parts.trackers or not run.ranks.is_main:
        return []
    trackers = Trackers(built(parts.trackers, run.directory))
    if run.directory is None and run.settings.sample_every:
        writers.append(SampleGrids(None, run.settings.sample_every))
    for writer in writers:
        if isinstance(writer, SampleGrids):
            writer.show = trackers.show
    return [trackers]


def _trained(run: Run, work: Work, turn: Sequence[Phase], told: Observers, writers: Sequence[Observer]) -> str:
    """Train to the end -> how it ended; empty where the run went back to a checkpoint instead.  Raises NonFiniteError."""
    try:
        return loop.train(work, turn, told, last_step=run.total_steps)
    except NonFiniteError as error:
        position = work.state.batches.position
        explained = diagnosis.explained(error, run, work, turn)
        if work.rollbacks is None:
            raise explained from None
        for writer in writers:
            with suppress(NonFiniteError):  # it was not worth saving
                getattr(writer, "settle", lambda: None)()
        warnings.warn(rollback.roll_back(run, work, work.rollbacks, explained, position=position), stacklevel=3)
        return ""


def _average(run: Run) -> nn.Module | None:
    return run.state.ema.module if run.state.ema is not None else None
