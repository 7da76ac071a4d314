"""Everything that comes before the first step and writes nothing: device, fit, state, a look at the data."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ganreg import registry as registries
from ganreg.assembly import metrics
from ganreg.assembly.changes import refuse_changes
from ganreg.assembly.environment import devices
from ganreg.assembly.trackers import Wanted
from ganreg.assembly.versions import origins
from ganreg.contracts import GAN
from ganreg.engine import checkpoint, distributed, graphs, initial, lazy, rollback
from ganreg.engine.checks import check_classes, check_fit, check_joining, check_loss, check_optimizers, check_regularizers
from ganreg.engine.compiled import compile_player
from ganreg.engine.data import Batches, Source, labels_of
from ganreg.engine.data import check as check_data
from ganreg.engine.distributed import Ranks
from ganreg.engine.gate import Gate, without_flag
from ganreg.engine.measuring import Named
from ganreg.engine.modes import to_train
from ganreg.engine.networks import Player
from ganreg.engine.precision import Precision, Scaler, resolve
from ganreg.engine.rollback import Rollbacks
from ganreg.engine.run import Run, RunSettings
from ganreg.engine.sampling import Labels
from ganreg.engine.state import State
from ganreg.engine.trail import Trail
from ganreg.engine.work import Work
from ganreg.errors import CheckpointError, DeviceError
from ganreg.nn.ema import EMA
from ganreg.nn.sync_batchnorm import separate, synchronize
from ganreg.ops import library

SAMPLES_A_RUN = 10
CHECKPOINTS_A_RUN = 5
REALS_SHOWN = 64
MOST_NAMES, MOST_LETTERS = 1000, 200
"""Classes, and letters of a name, up to which names are kept with the weights."""

LATER_SETTINGS = (
    "accumulate",
    "clip",
    "precision",
    "tf32",
    "channels_last",
    "compile",
    "cuda_graphs",
    "on_nonfinite",
    "max_nonfinite",
    "on_imbalance",
    "sync_batchnorm",
    "rank_timeout",
    "init_from",
)
"""Settings that came after the first checkpoints."""

DECIDED = ("precision", "channels_last", "compile", "cuda_graphs")
"""Settings whose `auto` comes to something here."""

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
    trackers: Sequence[Wanted] = ()
    metrics: Sequence[Named] = ()
    extractor: tuple[str, Any] | None = None  # its name, and what was built


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


def ready(
    parts: Parts,
    settings: RunSettings,
    config: Mapping[str, Any],
    *,
    resume: Path | None = None,
    allow_change: Sequence[str] = (),
) -> tuple[Run, Work]:
    """Everything that comes before the first step and writes nothing: device, fit, state, a look at the data."""
    device = distributed.local_device(device_of(settings.device))
    library.require(device.type)
    ranks = distributed.start(device, seed=settings.seed, timeout=settings.rank_timeout)
    settings = decided(settings, device)
    notes: list[str] = []
    if settings.init_from is not None and resume is None:
        path, notes = initial.fill(parts.gan, settings.init_from)
        settings = replace(settings, init_from=str(path))  # a run that repeats this one takes the same
    config = {**config, **{name: getattr(settings, name) for name in (*DECIDED, "init_from")}}
    check_fit(parts.gan, parts.source.spec)
    check_loss(parts.loss)
    check_regularizers(parts.regularizers, parts.gan.generator)
    check_classes(parts.gan, parts.source.spec, parts.regularizers)
    check_joining(parts.regularizers, parts.gan, parts.source.spec)
    layout = torch.channels_last if settings.channels_last == "on" else torch.preserve_format
    for network in parts.gan:
        network.to(device, memory_format=layout).train()
        if settings.sync_batchnorm:
            synchronize(network)
    work, total_steps, settings = _prepare(parts, settings, device, ranks)
    work.memory_format = layout
    run = Run(
        gan=parts.gan,
        spec=parts.source.spec,
        settings=settings,
        config=config,
        state=work.state,
        total_steps=total_steps,
        equilibrium=getattr(parts.loss, "equilibrium", None),
        labels=_labels(parts.source),
        ranks=ranks,
        precision=work.precision.name,
        origins=origins(config, registries.current()),
        measuring=metrics.of_run(parts.metrics, parts.extractor, parts.source, settings, device),
        notes=notes,
    )
    if resume is not None:
        penalties = _restore(run, resume, allow_change)
        work.values |= {name: torch.tensor(value, device=device) for name, value in penalties.items()}
    _gather(run, ranks)
    if settings.compile == "on":
        _compile(work, run)
    if settings.cuda_graphs == "on":
        _record(work)
    run.reals = _look_at_data(work.state.batches, resumed=resume is not None)
    return run, work


def _prepare(parts: Parts, settings: RunSettings, device: torch.device, ranks: Ranks) -> tuple[Work, int, RunSettings]:
    settings.check_ranks(ranks.size)
    rollback.check(settings)
    batches = Batches(
        parts.source,
        batch_size=settings.batch_size,
        seed=settings.seed,
        device=device,
        workers=settings.workers,
        rank=ranks.rank,
        ranks=ranks.size,
    )
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
    for name, optimizer in optimizers.items():
        to_train(optimizer)
        lazy.correct(optimizer, lazy.own_steps(parts.regularizers, name))
    if device.type != "cpu":
        for name in without_flag(optimizers.values()):
            warnings.warn(f"the optimizer {name} costs one wait for the device at every step", stacklevel=2)
    precision = Precision(settings.precision, device.type)
    scalers = {name: Scaler(device) for name in networks} if precision.scales else {}
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = settings.tf32
    most = settings.max_nonfinite if settings.on_nonfinite == "skip" else None
    gate = Gate(networks, device, clip=settings.clip, scalers=scalers, ranks=ranks, most_skips=most)
    rollbacks = Rollbacks(settings.max_nonfinite) if settings.on_nonfinite == "rollback" else None
    stateful = [*parts.regularizers, *([parts.augmentation] if parts.augmentation is not None else []), parts.loss]
    state = State(
        gan=parts.gan,
        ema=_averaging(parts.gan.generator, settings),
        optimizers=optimizers,
        batches=batches,
        rng=torch.Generator(device).manual_seed(settings.seed),
        device=device,
        components={
            f"{index}-{type(part).__name__}": part for index, part in enumerate(stateful) if hasattr(part, "load_state_dict")
        }
        | {f"scale-{name}": scaler for name, scaler in scalers.items()}
        | ({"gate": gate} if most is not None else {})
        | ({"rollbacks": rollbacks} if rollbacks is not None else {}),
    )
    spec = parts.source.spec
    labels = _labels(parts.source).on(device)
    work = Work(
        state=state,
        generator=Player(parts.gan.generator, role="generator", num_classes=spec.num_classes),
        discriminator=Player(parts.gan.discriminator, role="discriminator", num_classes=spec.num_classes),
        loss=parts.loss,
        regularizers=parts.regularizers,
        augment=parts.augmentation if parts.augmentation is not None else _same,
        gate=gate,
        fake_labels=lambda count: labels.draw(count, state.rng),
        shares_latents=_shares_latents(settings),
        parts=settings.accumulate,
        precision=precision,
        ranks=ranks,
        trail=Trail(keep=settings.log_every + 1),
        rollbacks=rollbacks,
    )
    return work, total_steps, settings


def _restore(run: Run, run_dir: Path, allow_change: Sequence[str]) -> Mapping[str, float]:
    """Go back to the newest whole checkpoint -> what lazy penalties were when they were last due, for the log."""
    path, (files, values) = checkpoint.newest(run_dir)
    state = run.state
    now = run.identity()
    refuse_changes({**_unsaid(), **values.get("config", now)}, now, allow_change, at=str(path))
    try:
        fronts = {f"{name}_optimizer": name for name in state.optimizers}
        said = [key.replace("-", "_").partition(".") for key in allow_change]
        state.restore(files, values, keep=[f"{fronts[front]}.{option}" for front, _, option in said if front in fronts])
    except (KeyError, RuntimeError, ValueError) as error:
        raise CheckpointError(
            f"the checkpoint does not fit this run: {_whole_text(error)}",
            at=str(path),
            fix="resume with the run's own settings",
        ) from error
    return cast("Mapping[str, float]", values.get("penalties", {}))


def _whole_text(error: Exception) -> str:
    """torch lists every key that is missing, unexpected or of another shape."""
    missing = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
    return " ".join(missing.split())


def _unsaid() -> dict[str, Any]:
    """What a run of an earlier version did where a newer one has a setting."""
    first = replace(RunSettings(), precision="fp32", channels_last="off", compile="off", cuda_graphs="off")
    return {name: getattr(first, name) for name in LATER_SETTINGS}


def _gather(run: Run, ranks: Ranks) -> None:
    """Every rank starts from the main rank's weights, and from the same words.  Raises RankError."""
    if ranks.size == 1:
        return
    networks = [*run.gan, *([run.averaged] if run.state.ema is not None else [])]
    ranks.broadcast([tensor for network in networks for tensor in (*network.parameters(), *network.buffers())])
    ranks.check_agree(run.facts(), step=run.state.step)


def _averaging(generator: nn.Module, settings: RunSettings) -> EMA | None:
    """The moving average, whose batch norm is this rank's alone: the main rank samples from it by itself."""
    if settings.ema is None:
        return None
    average = EMA(generator, settings.ema)
    separate(average.module)
    return average


def _shares_latents(settings: RunSettings) -> bool:
    """Whether G can learn from D's fakes: neither several times, nor in parts, nor in another recording."""
    once = settings.discriminator_steps == settings.accumulate == 1 and settings.cuda_graphs == "off"
    return once and settings.latents == "shared"


def decided(settings: RunSettings, device: torch.device) -> RunSettings:
    """What every `auto` comes to here, so that a run that goes on elsewhere stays the same run.  Raises DeviceError."""
    if settings.cuda_graphs == "on" and device.type != "cuda":
        raise DeviceError(
            f"CUDA graphs need a card, and this run is on the {device.type}", at="--cuda-graphs", fix="leave it out"
        )
    return replace(
        settings,
        precision=cast("Any", resolve(settings.precision, device).name),
        channels_last="on" if settings.channels_last == "auto" else settings.channels_last,
        compile="off" if settings.compile == "auto" else settings.compile,
        cuda_graphs="off" if settings.cuda_graphs == "auto" else settings.cuda_graphs,
    )


def _compile(work: Work, run: Run) -> None:
    """Both networks, for the shapes of the main phases; one line where the compiler fails."""
    count, device = run.settings.batch_size // (work.ranks.size * work.parts), run.state.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        latents = torch.randn(count, work.generator.latent_dim, device=device)
        labels = run.labels.draw(count, torch.Generator(device).manual_seed(0))
        samples = torch.randn(count, *run.spec.shape, device=device)
        if samples.dim() == 4:
            samples = samples.contiguous(memory_format=work.memory_format)
        for player, inputs in ((work.generator, latents), (work.discriminator, samples)):
            judges = player is work.discriminator
            why = compile_player(player, inputs, labels, work.precision, needs_input_grad=judges)
            if why and work.ranks.is_main:
                warnings.warn(f"the {player.role} runs eagerly, its compilation failed: {why}", stacklevel=2)


def _record(work: Work) -> None:
    """Record what can be, and say of the rest why not."""

    def say(line: str) -> None:
        if work.ranks.is_main:
            warnings.warn(line, stacklevel=2)

    eager = graphs.why_eager(work)
    for (network, what), why in eager.items():
        say(f"the {network}'s {what} run without a CUDA graph: {why}")
    parts = [(network, what) for network in work.state.optimizers for what in ("gradients", "update")]
    work.graphs = graphs.Graphs([part for part in parts if part not in eager], graphs.OnCard(work.state.rng), say)


def _look_at_data(batches: Batches, *, resumed: bool) -> Tensor | None:
    """Check the first batch of a new run and keep some for the grid of reals; the stream goes back to its start."""
    if resumed or not batches.source.ordered_by_us:
        return None
    first = batches.next()
    check_data(first, batches.source.spec)
    batches.seek(0)
    return first.real[:REALS_SHOWN].clone()


def _labels(source: Source) -> Labels:
    drawn = Labels.like(labels_of(source.dataset), source.spec.num_classes)
    return replace(drawn, names=_class_names(source)) if drawn.shares is not None else drawn


def _class_names(source: Source) -> tuple[str, ...]:
    """What the data call their classes, where they say so in the usual way and these are more than numbers."""
    told = getattr(source.dataset, "classes", None)
    if not isinstance(told, list | tuple) or not all(isinstance(one, str) and len(one) <= MOST_LETTERS for one in told):
        return ()
    plain = [str(number) for number in range(source.spec.num_classes)]
    return tuple(told) if len(told) == len(plain) <= MOST_NAMES and list(told) != plain else ()


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


def _same(images: Tensor) -> Tensor:
    return images
