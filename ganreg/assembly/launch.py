"""A ready training run from its parts, and the run itself."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ganreg.assembly.changes import refuse_changes
from ganreg.assembly.environment import devices
from ganreg.assembly.record import recorded
from ganreg.contracts import GAN, Observer
from ganreg.engine import checkpoint, loop
from ganreg.engine.checks import check_fit, check_loss, check_optimizers, check_regularizers
from ganreg.engine.data import Batches, Source, labels_of
from ganreg.engine.data import check as check_data
from ganreg.engine.gate import Gate, without_flag
from ganreg.engine.networks import Player
from ganreg.engine.observers import Observers
from ganreg.engine.observers.checkpoints import Checkpoints
from ganreg.engine.observers.history import History
from ganreg.engine.observers.progress import ProgressLine
from ganreg.engine.phases import phases
from ganreg.engine.run import Run, RunSettings
from ganreg.engine.sampling import Labels
from ganreg.engine.state import State
from ganreg.engine.step import Work
from ganreg.errors import CheckpointError, DeviceError
from ganreg.nn.ema import EMA
from ganreg.ops import library
from ganreg.registry import Registry

SAMPLES_A_RUN = 10
CHECKPOINTS_A_RUN = 5
REALS_SHOWN = 64

OptimizerMaker = Callable[[Iterable[nn.Parameter]], Optimizer]


@dataclass
class Parts:
    """What a run is made of."""

    gan: GAN
    source: Source
    loss: Any
    optimizers: Mapping[str, Optimizer | OptimizerMaker]
    regularizers: Sequence[Any] = ()
    augmentation: Any = None


@dataclass
class Result:
    """What came of a run; `ema` is the averaged generator, `run_dir` None when nothing was written."""

    gan: GAN
    ema: nn.Module | None
    history: dict[str, list[float]]
    run_dir: Path | None
    status: str
    observing_seconds: float = field(default=0.0, repr=False)


def device_of(name: str) -> torch.device:
    """ "auto" -> the fastest here.  Raises DeviceError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")
    known = devices()
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or not any(device == torch.device(one) or name == one.split(":")[0] for one in known):
        raise DeviceError(f"there is no device '{name}' here; there is {', '.join(known)}", at="--device", fix="--device auto")
    return device


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
    repeatable: bool = True,
) -> Result:
    """Train.  The caller's random state is left as it was.  Raises GanregError of many kinds, before step 0 where it can."""
    run, work = ready(parts, settings, config, resume=resume, allow_change=allow_change)
    run.repeatable = repeatable
    if work.state.step >= run.total_steps:
        return Result(parts.gan, _average(run), {}, resume, f"already at step {work.state.step}")
    return _run(
        run,
        work,
        parts,
        registry,
        out=resume or out,
        resumed=resume is not None,
        numbered=numbered,
        observers=observers,
        progress=progress,
    )


def ready(
    parts: Parts,
    settings: RunSettings,
    config: Mapping[str, Any],
    *,
    resume: Path | None = None,
    allow_change: Sequence[str] = (),
) -> tuple[Run, Work]:
    """Everything that comes before the first step and writes nothing: device, fit, state, a look at the data."""
    device = device_of(settings.device)
    library.require(device.type)
    check_fit(parts.gan, parts.source.spec)
    check_loss(parts.loss)
    check_regularizers(parts.regularizers, parts.gan.generator)
    for network in parts.gan:
        network.to(device).train()
    work, total_steps, settings = _prepare(parts, settings, device)
    run = Run(
        gan=parts.gan,
        spec=parts.source.spec,
        settings=settings,
        config=config,
        state=work.state,
        total_steps=total_steps,
        equilibrium=getattr(parts.loss, "equilibrium", None),
        labels=_labels(parts.source),
    )
    if resume is not None:
        _restore(run, resume, allow_change)
    run.reals = _look_at_data(work.state.batches, resumed=resume is not None)
    return run, work


def _prepare(parts: Parts, settings: RunSettings, device: torch.device) -> tuple[Work, int, RunSettings]:
    batches = Batches(parts.source, batch_size=settings.batch_size, seed=settings.seed, device=device, workers=settings.workers)
    total_steps = _total_steps(parts.source, settings)
    settings = replace(
        settings,
        sample_every=_every(settings.sample_every, total_steps, SAMPLES_A_RUN),
        checkpoint_every=_every(settings.checkpoint_every, total_steps, CHECKPOINTS_A_RUN),
    )
    networks = {"discriminator": parts.gan.discriminator, "generator": parts.gan.generator}
    optimizers = {
        name: made if isinstance(made, Optimizer) else made([p for p in networks[name].parameters() if p.requires_grad])
        for name, made in parts.optimizers.items()
    }
    check_optimizers(optimizers, networks)
    if device.type != "cpu":
        for name in without_flag(optimizers.values()):
            warnings.warn(f"the optimizer {name} costs one wait for the device at every step", stacklevel=2)
    stateful = [*parts.regularizers, *([parts.augmentation] if parts.augmentation is not None else [])]
    state = State(
        gan=parts.gan,
        ema=EMA(parts.gan.generator, settings.ema) if settings.ema is not None else None,
        optimizers=optimizers,
        batches=batches,
        rng=torch.Generator(device).manual_seed(settings.seed),
        device=device,
        components={
            f"{index}-{type(part).__name__}": part for index, part in enumerate(stateful) if hasattr(part, "load_state_dict")
        },
    )
    spec = parts.source.spec
    labels = _labels(parts.source)
    work = Work(
        state=state,
        generator=Player(parts.gan.generator, role="generator", num_classes=spec.num_classes),
        discriminator=Player(parts.gan.discriminator, role="discriminator", num_classes=spec.num_classes),
        loss=parts.loss,
        regularizers=parts.regularizers,
        augment=parts.augmentation if parts.augmentation is not None else _same,
        gate=Gate(networks, device),
        fake_labels=lambda count: labels.draw(count, state.rng),
        shares_latents=settings.latents == "shared" and settings.discriminator_steps == 1,
    )
    return work, total_steps, settings


def _run(
    run: Run,
    work: Work,
    parts: Parts,
    registry: Registry,
    *,
    out: Path | None,
    resumed: bool,
    numbered: bool,
    observers: Sequence[Observer],
    progress: bool,
) -> Result:
    history = History()
    with recorded(run, registry, out=out, resumed=resumed, numbered=numbered) as writers:
        plugins = [offer.record for offer in registry.plugins.answers("ganreg_observers", Observer, run=run)]
        told = Observers(run, [history, *([ProgressLine()] if progress else []), *observers, *writers, *plugins])
        for writer in writers:
            if isinstance(writer, Checkpoints):
                writer.tell = told.saved
        status = "failed"
        try:
            told.started()
            turn = phases(parts.regularizers, run.settings.discriminator_steps)
            status = loop.train(work, turn, told, last_step=run.total_steps)
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            work.discriminator.learns(True)  # as it was given, so that it can be trained on
            told.finished(status)
    run.refresh()
    return Result(parts.gan, _average(run), history.values, run.directory, status, told.seconds)


def _restore(run: Run, run_dir: Path, allow_change: Sequence[str]) -> None:
    path = checkpoint.latest(run_dir)
    files, values = checkpoint.load(path)
    state = run.state
    now = {**run.config, "data": state.batches.source.fingerprint()}
    refuse_changes(values.get("config", now), now, allow_change, at=str(path))
    try:
        fronts = {f"{name}_optimizer": name for name in state.optimizers}
        said = [key.replace("-", "_").partition(".") for key in allow_change]
        state.restore(files, values, keep=[f"{fronts[front]}.{option}" for front, _, option in said if front in fronts])
    except (KeyError, RuntimeError, ValueError) as error:
        raise CheckpointError(
            f"the checkpoint does not fit this run: {str(error).splitlines()[0]}",
            at=str(path),
            fix="resume with the run's own settings",
        ) from error


def _look_at_data(batches: Batches, *, resumed: bool) -> Tensor | None:
    """Check the first batch of a new run and keep some for the grid of reals; the stream goes back to its start."""
    if resumed or not batches.source.ordered_by_us:
        return None
    first = batches.next()
    check_data(first, batches.source.spec)
    batches.seek(0)
    return first.real[:REALS_SHOWN].clone()


def _labels(source: Source) -> Labels:
    return Labels.like(labels_of(source.dataset), source.spec.num_classes)


def _total_steps(source: Source, settings: RunSettings) -> int:
    if settings.steps is not None:
        return settings.steps
    if settings.epochs is None:
        raise ValueError("expected epochs or steps, got neither")
    if not hasattr(source.dataset, "__len__"):
        raise ValueError("expected steps for data without a length, got epochs")
    return math.ceil(settings.epochs * len(source) / (settings.batch_size * settings.discriminator_steps))


def _every(asked: int | None, total_steps: int, times: int) -> int:
    return max(1, total_steps // times) if asked is None else asked


def _average(run: Run) -> nn.Module | None:
    return run.state.ema.module if run.state.ema is not None else None


def _same(images: Tensor) -> Tensor:
    return images
