"""What a component must do, and the records that name one.  No base class: an object with the right methods is enough.

Shapes: N batch, C channels, H and W height and width.  Nothing here imports torch, so that listing parts stays quick.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    from ganreg.engine.run import Run

GANREG_API = 1
"""The version of the plugin interface.  A plugin's module may say `GANREG_API = 1`; one that says nothing means 1."""

OLDEST_API = 1
"""The oldest version whose plugins still load."""

Kind = Literal[
    "generator",
    "discriminator",
    "loss",
    "regularizer",
    "augmentation",
    "optimizer",
    "dataset",
    "extractor",
    "metric",
    "tracker",
]
PLURALS: dict[Kind, str] = {
    "generator": "generators",
    "discriminator": "discriminators",
    "loss": "losses",
    "regularizer": "regularizers",
    "augmentation": "augmentations",
    "optimizer": "optimizers",
    "dataset": "datasets",
    "extractor": "extractors",
    "metric": "metrics",
    "tracker": "trackers",
}
KINDS: tuple[Kind, ...] = tuple(PLURALS)

GIVEN: dict[Kind, tuple[str, ...]] = {
    "generator": ("spec",),
    "discriminator": ("spec",),
    "augmentation": ("spec",),
    "optimizer": ("params",),
    "extractor": ("spec",),
    "tracker": ("run_dir",),
}
"""What the caller of a factory passes by position; every other parameter is a setting."""


# --- records ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Component:
    """A part that a plugin offers: data, so that listing imports nothing.

    `factory` is "package.module:attribute"; its keyword parameters, typed and defaulted, are the part's settings.
    """

    kind: Kind
    name: str
    factory: str
    summary: str
    paper: str = ""
    requires: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_text(self, "name", "factory", "summary", "paper")
        if not isinstance(self.requires, tuple) or not all(isinstance(one, str) for one in self.requires):
            raise TypeError(f"requires of {self.kind} '{self.name}' must be a tuple of names, got {self.requires!r}")
        if self.kind not in KINDS:
            raise ValueError(f"kind of component '{self.name}' must be one of {', '.join(KINDS)}, got '{self.kind}'")
        if not re.fullmatch(r"[\w.]+:\w+", self.factory):
            raise ValueError(f"factory of {self.kind} '{self.name}' must be 'module:attribute', got '{self.factory}'")
        _check_name(self.kind, self.name)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Named settings of a whole run: a YAML file, in the form of a run's config.yaml.

    `default_for`: a generator of the same plugin, which brings this recipe along on its data, with its D, if none is asked for.
    """

    name: str
    path: Path
    summary: str
    paper: str = ""
    default_for: str = ""

    def __post_init__(self) -> None:
        _check_text(self, "name", "summary", "paper", "default_for")
        _check_name("recipe", self.name)
        if not isinstance(self.path, Path):
            raise TypeError(f"path of recipe '{self.name}' must be a pathlib.Path, got {type(self.path).__name__}")


def _check_text(record: Any, *fields: str) -> None:
    for name in fields:
        if not isinstance(getattr(record, name), str):
            raise TypeError(f"{name} of a {type(record).__name__} must be text, got {getattr(record, name)!r}")


def _check_name(kind: str, name: str) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
        raise ValueError(f"name of a {kind} must be lower case letters, digits and '-', got {name!r}")


@dataclass(frozen=True, slots=True)
class DataSpec:
    """What networks must make and judge.

    `shape` is one sample's, without the batch: [C, H, W] for images, [2] for points.  Images have `value_range` (-1, 1);
    None means unbounded: no output function, no range check.
    """

    shape: tuple[int, ...]
    num_classes: int = 0
    value_range: tuple[float, float] | None = None

    @property
    def is_image(self) -> bool:
        """Whether one sample is [C, H, W]."""
        return len(self.shape) == 3

    @property
    def size(self) -> int:
        """Numbers in one sample."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A value that moves from `start` to `stop` while `over_images` real images are seen, then stays.

    `warmup_images` come before: meanwhile it rises from 0 to `start`, in a straight line.  "constant" stays at `start`.
    """

    start: float
    stop: float | None = None
    shape: Literal["constant", "linear", "cosine"] = "cosine"
    over_images: int = 0
    warmup_images: int = 0

    def __post_init__(self) -> None:
        if self.warmup_images < 0:
            raise ValueError(f"warmup_images must be at least 0, got {self.warmup_images}")
        if self.shape == "constant":
            if self.over_images or self.stop not in (None, self.start):
                raise ValueError("a constant schedule has neither stop nor over_images")
        elif self.stop is None:
            raise ValueError(f"a {self.shape} schedule needs stop")
        elif self.over_images < 1:
            raise ValueError(f"over_images must be at least 1, got {self.over_images}")

    def at(self, images: int) -> float:
        """The value after this many images."""
        if images < self.warmup_images:
            return self.start * images / self.warmup_images
        if self.stop is None or self.over_images == 0:
            return self.start
        done = min((images - self.warmup_images) / self.over_images, 1.0)
        if self.shape == "cosine":
            done = (1.0 - math.cos(math.pi * done)) / 2.0
        return self.start + (self.stop - self.start) * done


@dataclass(slots=True)
class GAN:
    """The two players; `generator, discriminator = gan`.  Each is an nn.Module, or the name of a component to build."""

    generator: Any
    discriminator: Any

    def __iter__(self) -> Iterator[Any]:
        return iter((self.generator, self.discriminator))


# --- what a loss and a penalty hand over ------------------------------------------------------------------------------

STATISTICS = (
    "d_real",  # mean sigma(real logits): D(x)
    "d_fake",  # mean sigma(fake logits): D(G(z))
    "real_accuracy",  # fraction of reals judged real
    "fake_accuracy",  # fraction of fakes judged fake
    "real_sign",  # mean sign of the real logits, which adaptive augmentation steers by
    "real_logit",  # mean real logit
    "fake_logit",  # mean fake logit
    "finite",  # 1 if every logit and the value are finite, else 0
)
"""The slots of the float32 vector that comes with every loss value; a slot without data is nan."""


class LossResult(NamedTuple):
    """A loss and its derivative at the logits, all on the logits' device.

    `grads` has the shape of the logits, (grad_real, grad_fake) for D and (grad_fake,) or (grad_fake, grad_real) for G,
    and carries `scale`; `value` and `statistics` (see `STATISTICS`) do not.
    """

    value: Tensor
    grads: tuple[Tensor, ...]
    statistics: Tensor


@dataclass(frozen=True, slots=True)
class DiscriminatorOutput:
    """A discriminator's answer when logits alone do not say enough."""

    logits: Tensor
    class_logits: Tensor | None = None
    features: Tensor | None = None
    embedding: Tensor | None = None
    extras: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(slots=True)
class PenaltyContext:
    """What a penalty sees: the networks, the batch of the phase, the random stream of the run.

    `fake` carries G's graph only for a generator's penalty with `shares_forward`; `real_output` and `fake_output` are None
    without `shares_forward`, since their graph is gone by then.  `judge(samples, labels)` is D as the main phases ask it:
    augmented samples, labels only where D takes them.  `phase` says whose turn it is, for a penalty on both networks.
    """

    generator: nn.Module
    discriminator: nn.Module
    augment: Callable[[Tensor], Tensor]
    judge: Callable[[Tensor, Tensor | None], DiscriminatorOutput]
    real: Tensor
    fake: Tensor
    latents: Tensor
    labels: Tensor | None
    fake_labels: Tensor | None
    real_output: DiscriminatorOutput | None
    fake_output: DiscriminatorOutput | None
    step: int
    images: int
    rng: torch.Generator
    phase: Literal["discriminator", "generator"] = "discriminator"


# --- components -------------------------------------------------------------------------------------------------------


class Generator(Protocol):
    """`build(spec, **settings) -> nn.Module`: latents [N, latent_dim] -> samples [N, *spec.shape] in spec.value_range.

    Optional: `exportable = False` says that it is no graph of plain operators, so that only its weights can be exported.
    """

    latent_dim: int

    def __call__(self, z: Tensor, labels: Tensor | None = None) -> Tensor: ...


class Discriminator(Protocol):
    """`build(spec, **settings) -> nn.Module`: samples [N, *spec.shape] -> logits [N, ...], never a probability.

    Optional: `per_sample = True` says that no sample's logits depend on another's (no batch norm); reals and fakes are then
    judged in one pass.
    """

    def __call__(self, x: Tensor, labels: Tensor | None = None) -> Tensor | DiscriminatorOutput: ...


@runtime_checkable
class Loss(Protocol):
    """`build(**settings)`: logits of any shape -> scalar, for each side of the game.

    Optional: `needs_real_in_generator_step` (default False), `equilibrium` = (L_D, L_G) or None, and the fused form
    `discriminator_value_and_grad(real_logits, fake_logits, scale)`, `generator_value_and_grad(fake_logits, real_logits,
    scale)` -> `LossResult`; without it autograd supplies the same numbers.
    """

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor: ...

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor: ...


@runtime_checkable
class Regularizer(Protocol):
    """`build(**settings)`: a penalty on one network, every `interval`-th step, weighted by `interval`.

    Optional: `shares_forward = True` reads the main phase's outputs and joins its backward; only such a one may be for "both"
    networks, each in its own phase.  `own_step = True` takes an optimizer step of its own after the network's, whose rate and
    betas are lowered for it.  `requires = ("style",)` names what a network must have, and is refused before step 0 without it.
    """

    network: Literal["generator", "discriminator", "both"]
    interval: int

    def penalty(self, context: PenaltyContext) -> Tensor: ...


class Augmentation(Protocol):
    """`build(spec, **settings)`: differentiable images [N, C, H, W] -> images, on real and fake alike.

    Optional: `update(statistics, images)` after each discriminator update, where it adapts: `STATISTICS` [8] on the device, and
    how many reals that update saw, over all parts and ranks.
    """

    def __call__(self, images: Tensor) -> Tensor: ...


@runtime_checkable
class Dataset(Protocol):
    """`build(**settings)`: map-style, (sample [*spec.shape], label) at each index.

    Optional: `tensors` = (samples, labels) when all of it lies in memory; the engine then indexes it on the device.
    `labels` [M] when they are at hand without the samples: labels of fakes are drawn from their shares, else uniformly.
    `as_bytes(index)` = the same as uint8, which the engine reads instead: bytes 0 to 255 for -1 to 1, and nothing random.
    `written()`, where the fingerprint does not see every change of the content: text that does, such as when the files were
    last written, or None; statistics of the data are kept from one call to the next only where it is known.
    """

    spec: DataSpec

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any: ...

    def fingerprint(self) -> str: ...


@runtime_checkable
class Tracker(Protocol):
    """`build(run_dir, **settings)`: shows a run elsewhere.  Building it opens and writes nothing: a rehearsal builds it, too.

    `start` gets the run's configuration, plain values in mappings and lists.  `scalars` gets what a logged step has: loss_d,
    loss_g, d_real, …, then what metrics measured at it, metric/NAME; never nan.  Steps rise, but some come again after a
    rollback or where a run goes on.  `images` are uint8 [N, H, W, C], C = 1 or 3.  `finish` gets "done", "stopped",
    "interrupted" or "failed".  One that raises is dropped with a warning.

    Optional: `where`, text, after `start`: how what it shows is looked at.  A run that goes on builds it anew with the same
    `run_dir`, where it may have kept what it needs to go on as the same.
    """

    def start(self, config: Mapping[str, Any]) -> None: ...

    def scalars(self, step: int, values: Mapping[str, float]) -> None: ...

    def images(self, step: int, name: str, images: np.ndarray[Any, Any]) -> None: ...

    def finish(self, status: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Moments:
    """What is left of features that were counted and not kept: how many, their mean [F], their covariance [F, F], in float64.

    The covariance divides by `count - 1`.
    """

    count: int
    mean: Tensor
    covariance: Tensor


@runtime_checkable
class Extractor(Protocol):
    """`build(spec, **settings)`: samples [N, *spec.shape] in spec.value_range -> features [N, F] float32, the same each time.

    Sample by sample: what else is in the batch changes nothing.  Random weights come from a seed of its own among the settings.
    `fingerprint()` is a text that changes when its weights or settings do: features under one are comparable.

    Optional: `class_logits(features) -> [N, K]`, logits of classes; `resize`, text, how samples are brought to its size;
    `to(device)`, as an nn.Module has it; `note`, text: what its numbers do not say.
    """

    def __call__(self, samples: Tensor) -> Tensor: ...

    def fingerprint(self) -> str: ...


@runtime_checkable
class Metric(Protocol):
    """`build(**settings)`: features of reals [M, F] and of fakes [N, F], float32 -> a number, or several by name.

    `higher_is_better` is about the number, or the first one of several, which names the best checkpoint; the optional mapping
    `directions` says it of others that differ.  It draws random numbers from a seed of its own alone.  ValueError, or a value
    that is not finite, says that there is none; what it says is told, and training goes on.

    Optional: `of_moments(real, fake)`, the same from `Moments`: no feature is kept then, however many samples there are.
    `works_on = "class_logits"`: it is given class logits [M, K] and [N, K] instead; `extractor`, the name of the only extractor
    that it works with; `prepare(dataset)`, called once before; ValueError there says that it is not for such data;
    `of_training = True`: its reals must be those that were trained on, and no others.
    """

    higher_is_better: bool

    def __call__(self, real: Tensor, fake: Tensor) -> float | Mapping[str, float]: ...


class Observer:
    """Someone who watches a run from the main process; random numbers drawn here do not touch training.

    Inherit and override what you need.  `stepped` is called every `log_every` steps with that step's values and may
    return "stop" to end the run after this step.
    """

    def started(self, run: Run) -> None:
        """Before the first step."""

    def stepped(self, step: int, values: Mapping[str, float]) -> str | None:
        """After a logged step: loss_d, loss_g, d_real, d_fake, …"""
        return None

    def saved(self, path: Path) -> None:
        """A checkpoint was written."""

    def measured(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Metrics were measured: each row as evaluations.jsonl has it."""

    def finished(self, status: str) -> None:
        """The run ended: "done", "stopped", "interrupted" or "failed"."""
