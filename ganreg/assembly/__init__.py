"""Names and settings become a ready training run: the only place that knows both the registry and the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset

from ganreg import registry as registries
from ganreg import settings as settings_of
from ganreg.assembly import metrics as metrics_of
from ganreg.assembly.config import SCHEMA_VERSION, Choice, Config, plugin_files
from ganreg.assembly.launch import Result, launch
from ganreg.assembly.ready import Parts, ready
from ganreg.assembly.trackers import available, chosen, given, told
from ganreg.contracts import GAN, Augmentation, DataSpec, Extractor, Kind, Loss, Metric, Observer, Regularizer, Tracker
from ganreg.engine import rundir
from ganreg.engine.data import Source, source_of
from ganreg.engine.run import Run
from ganreg.engine.settings import RunSettings
from ganreg.nn.ema import EMASettings

Data = str | Tensor | tuple[Tensor, Tensor] | Dataset[Any] | DataLoader[Any]
OptimizerLike = str | Optimizer | Callable[[Iterable[nn.Parameter]], Optimizer]

__all__ = ["Result", "check_config", "train_config", "train_gan"]


def train_gan(
    gan: GAN,
    dataset: Data,
    *,
    epochs: float | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    loss: str | Loss = "bce",
    generator_optimizer: OptimizerLike = "adam",
    discriminator_optimizer: OptimizerLike = "adam",
    regularizers: Sequence[str | Regularizer] = (),
    augmentation: str | Augmentation | None = None,
    discriminator_steps: int = 1,
    latents: Literal["shared", "fresh"] = "shared",
    accumulate: int = 1,
    clip: float | None = None,
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
    tf32: bool = True,
    channels_last: Literal["auto", "on", "off"] = "auto",
    compile: Literal["auto", "on", "off"] = "auto",
    cuda_graphs: Literal["auto", "on", "off"] = "auto",
    on_nonfinite: Literal["stop", "skip", "rollback"] = "stop",
    max_nonfinite: int = 10,
    on_imbalance: Literal["warn", "stop"] = "warn",
    sync_batchnorm: bool = False,
    rank_timeout: float = 300.0,
    ema: EMASettings | dict[str, float] | None = EMASettings(),  # noqa: B008  (frozen)
    init_from: str | Path | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    workers: int | None = None,
    out: str | Path | None = None,
    observers: Sequence[Observer] = (),
    trackers: Sequence[str | Tracker] = (),
    metrics: Sequence[str | Metric] = (),
    extractor: str | Extractor | None = None,
    metric_every: int = 1000,
    metric_samples: int = 2000,
    metric_reals: int = 10_000,
    metric_timeout: float = 1800.0,
    progress: bool = True,
    log_every: int = 50,
    sample_every: int | None = None,
    checkpoint_every: int | None = None,
    keep: int = 3,
) -> Result:
    """Train both players of `gan` in turn on `dataset`, and show both losses while it runs.

    `gan` holds two nn.Modules or names: a generator with `.latent_dim` that turns latents [N, latent_dim] into samples
    [N, *shape], a discriminator that turns samples into logits [N, …].  `dataset` is a tensor [M, *shape], a pair (samples,
    labels), a map-style Dataset, a DataLoader (its batch size and workers count, our sampler orders) or a registered name;
    images are in [-1, 1], or uint8.  Every component is a name or an object; an optimizer also a callable on parameters.
    One epoch is one pass of D over the data; `epochs` or `steps` says how long.  `batch_size` is that of an update, over all
    parts (`accumulate`) and, under torchrun, all ranks.

    Returns the trained networks, the averaged generator `ema`, and `history`, a list per value: step, loss_d, loss_g, d_real, …
    `init_from` is a run, or a checkpoint, whose weights are the first ones where they fit.
    `trackers` show the run elsewhere; one that is named ("tensorboard") keeps what it needs in the run directory.
    `metrics` are measured every `metric_every` steps in the features of `extractor` (None: what suits the data), and told in
    the result's `evaluations`; the checkpoint that is best by the first of them stays.
    With `out` a run directory is written; without, nothing.  The same seed and threads give the same result on a CPU.
    Raises SettingsError (also a ValueError) and other GanregErrors; TypeError for what is no dataset.
    """
    if not isinstance(gan, GAN):
        raise TypeError(f"expected a ganreg.GAN(generator, discriminator), got {type(gan).__name__}")
    if isinstance(regularizers, str):
        raise TypeError(f"expected a list of regularizers, got the text '{regularizers}'")
    wanted = given(trackers, writes=out is not None)
    registry = registries.current()
    source = _source(dataset)
    loader = source.loader
    of_loader = getattr(loader, "batch_size", None)
    if batch_size not in (None, of_loader) and not source.ordered_by_us and loader is not None:
        raise ValueError(f"expected the batch_size of the loader, {of_loader}, whose order is its own, got {batch_size}")
    asked = {
        "epochs": epochs,
        "steps": steps,
        "batch_size": batch_size if batch_size is not None else of_loader or 64,
        "discriminator_steps": discriminator_steps,
        "latents": latents,
        "accumulate": accumulate,
        "clip": clip,
        "precision": precision,
        "tf32": tf32,
        "channels_last": channels_last,
        "compile": compile,
        "cuda_graphs": cuda_graphs,
        "on_nonfinite": on_nonfinite,
        "max_nonfinite": max_nonfinite,
        "on_imbalance": on_imbalance,
        "sync_batchnorm": sync_batchnorm,
        "rank_timeout": rank_timeout,
        "ema": ema,
        "init_from": str(init_from) if init_from is not None else None,
        "seed": seed,
        "device": str(device),
        "workers": workers if workers is not None else getattr(loader, "num_workers", 0),
        "log_every": log_every,
        "sample_every": sample_every,
        "checkpoint_every": checkpoint_every,
        "keep": keep,
        "metric_every": metric_every,
        "metric_samples": metric_samples,
        "metric_reals": metric_reals,
        "metric_timeout": metric_timeout,
    }
    settings = RunSettings(**settings_of.validate(settings_of.model_of(RunSettings), asked, owner="train_gan"))
    if (epochs is None) == (steps is None):
        raise ValueError(f"expected epochs or steps, one of them, got epochs={epochs} and steps={steps}")
    if out is not None:
        rundir.check(Path(out))
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        made = {
            "dataset": source.dataset,
            "generator": _network("generator", gan.generator, source.spec),
            "discriminator": _network("discriminator", gan.discriminator, source.spec),
            "loss": _part("loss", loss),
            "generator_optimizer": _optimizer(generator_optimizer),
            "discriminator_optimizer": _optimizer(discriminator_optimizer),
            "augmentation": _part("augmentation", augmentation, source.spec) if augmentation is not None else None,
        }
        penalties = [_part("regularizer", one) for one in regularizers]
        measured = metrics_of.given(metrics)
        features = metrics_of.extractor_of(extractor, measured, source)
        parts = Parts(
            gan=GAN(made["generator"], made["discriminator"]),
            source=source,
            loss=made["loss"],
            optimizers={name: made[f"{name}_optimizer"] for name in ("discriminator", "generator")},
            regularizers=penalties,
            augmentation=made["augmentation"],
            trackers=wanted,
            metrics=measured,
            extractor=features,
        )
        model = settings_of.model_of(RunSettings)
        config = {
            "schema_version": SCHEMA_VERSION,
            "recipe": None,
            "plugin_files": plugin_files(registry),
            **{key: _told(part) for key, part in made.items()},
            "extractor": registries.made_as(features[1]) if features is not None else None,
            "regularizers": [_told(one) for one in penalties],
            "metrics": metrics_of.told(measured),
            "trackers": told(trackers),
            **settings_of.plain(model, {name: getattr(settings, name) for name in asked}),
        }
        path = Path(out) if out is not None else None
        return launch(
            parts,
            settings,
            config,
            registry,
            out=path,
            observers=observers,
            progress=progress,
            repeatable=all(isinstance(one, str) for one in (dataset, *gan, loss, generator_optimizer, discriminator_optimizer)),
        )


def train_config(
    config: Config,
    *,
    out: Path,
    resume: Path | None = None,
    allow_change: Sequence[str] = (),
    observers: Sequence[Observer] = (),
    progress: bool = True,
    numbered: bool = False,
    again: bool = False,
    steal_lock: bool = False,
) -> Result:
    """Build everything that a checked configuration names, and train.  Raises as `train_gan` does.

    With `numbered`, the next free number is taken when another process has taken `out` meanwhile; with `again`, `out` is the
    directory of this very run, which died before its first checkpoint; with `steal_lock`, a run that a process on
    another machine left without a word is taken over.
    """
    if resume is None and not again:
        rundir.check(out)
    with torch.random.fork_rng():
        torch.manual_seed(config.run.seed)
        return launch(
            _parts(config),
            config.run,
            config.plain(),
            registries.current(),
            out=out,
            resume=resume,
            allow_change=allow_change,
            observers=observers,
            progress=progress,
            numbered=numbered,
            again=again,
            steal_lock=steal_lock,
        )


def check_config(config: Config, *, resume: Path | None = None, allow_change: Sequence[str] = ()) -> Run:
    """Build everything that a checked configuration names, look at the data, see that all fit; train and write nothing."""
    with torch.random.fork_rng():
        torch.manual_seed(config.run.seed)
        parts = _parts(config)
        available(parts.trackers, resume)
        run, _ = ready(parts, config.run, config.plain(), resume=resume, allow_change=allow_change)
        return run


def _parts(config: Config) -> Parts:
    """Built in an order that never changes, since the weights are drawn here."""
    choices = config.components
    dataset, generator, discriminator = (_must(choices[key]) for key in ("dataset", "generator", "discriminator"))
    source = source_of(dataset.build())
    augmentation = choices["augmentation"]
    with torch.random.fork_rng(devices=[]):
        measured = metrics_of.chosen(config.metrics)
        features = metrics_of.extractor_of(choices["extractor"], measured, source)
    return Parts(
        gan=GAN(generator.build(source.spec), discriminator.build(source.spec)),
        source=source,
        loss=_must(choices["loss"]).build(),
        optimizers={
            "discriminator": _must(choices["discriminator_optimizer"]),
            "generator": _must(choices["generator_optimizer"]),
        },
        regularizers=[choice.build() for choice in config.regularizers],
        augmentation=augmentation.build(source.spec) if augmentation is not None else None,
        trackers=chosen(config.trackers),
        metrics=measured,
        extractor=features,
    )


def _source(dataset: Data) -> Source:
    if isinstance(dataset, str):
        return source_of(registries.current().create("dataset", dataset))
    return source_of(dataset)


def _network(role: Kind, network: Any, spec: DataSpec) -> nn.Module:
    if isinstance(network, str):
        network = registries.current().create(role, network, spec)
    if not isinstance(network, nn.Module):
        raise TypeError(f"expected the {role} to be an nn.Module or a registered name, got {type(network).__name__}")
    return network


def _part(kind: Kind, part: Any, *given: Any) -> Any:
    return registries.current().create(kind, part, *given) if isinstance(part, str) else part


def _optimizer(optimizer: OptimizerLike) -> Any:
    if not isinstance(optimizer, str):
        return optimizer
    part = registries.current().part("optimizer", optimizer)
    return Choice(part, part.check({}))


def _must(choice: Any) -> Any:
    assert choice is not None, "a configuration is checked before it is built"
    return choice


def _told(part: Any) -> Any:
    """How a part is written into config.yaml: its name and settings, or what kind of object it was."""
    if isinstance(part, Choice):
        return part.plain()
    named = registries.made_as(part)
    if named is not None or part is None:
        return named
    named_object = part if hasattr(part, "__qualname__") else type(part)
    return {"object": f"{named_object.__module__}.{named_object.__qualname__}"}
