"""What `ganreg sample` can ask a trained generator for: samples of seeds, a grid of classes, a path between latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganreg.engine import latents
from ganreg.engine.sampling import tells_classes_apart
from ganreg.errors import UsageError

if TYPE_CHECKING:
    from ganreg.assembly.load import Trained


@dataclass(frozen=True, slots=True)
class Wish:
    """Which latents and classes: `count` from one seed, or the first of each of `seeds`; `classes` take turns.

    With `grid`, every class has a row of all of them; with `frames`, they are points of a closed path of one class, `frames`
    from one to the next.  `truncation` draws styles towards their mean: 1 is G itself, 0 the mean.
    """

    count: int
    seed: int = 0
    seeds: Sequence[int] = ()
    classes: Sequence[int] = ()
    grid: bool = False
    frames: int | None = None
    truncation: float | None = None


def samples(trained: Trained, wish: Wish) -> Tensor:
    """[N, *shape]: N is the count, times the classes of a grid, times the frames of a path.

    The same wish makes the same samples; without grid, path, seeds and truncation, those of `Trained.sample`.  Raises
    UsageError for classes that are not there, and for a truncation where the generator has no style.
    """
    if not (wish.seeds or wish.grid or wish.frames or wish.truncation is not None):
        return trained.sample(wish.count, seed=wish.seed, classes=wish.classes)
    if wish.truncation is not None and not latents.truncates(trained.generator):
        raise UsageError(
            "this generator has no styles that could be drawn towards their mean",
            at="--truncation",
            fix="leave --truncation out; a generator such as stylegan2 has styles",
        )
    trained.check_classes(wish.classes)
    z, labels = _latents(trained, wish)
    z, labels = _arranged(z, labels, wish)
    return latents.made_of(trained.generator, z, labels, num_classes=trained.spec.num_classes, truncation=wish.truncation)


def of_one_class(trained: Trained, wish: Wish) -> Wish:
    """A path's class said: of one that was not asked for, that of its first sample, where the generator tells classes apart.

    Raises UsageError where seeds were named whose samples are of several classes: no path of one class goes through them.
    """
    if not wish.frames or wish.classes or not tells_classes_apart(trained.generator, trained.spec.num_classes, trained.device):
        return wish
    _, labels = _latents(trained, wish)
    drawn = labels.tolist() if labels is not None else []
    if wish.seeds and len(set(drawn)) > 1:
        told = ", ".join(f"{seed} of class {number}" for seed, number in zip(wish.seeds, drawn, strict=True))
        raise UsageError(f"these seeds are of several classes: {told}", at="--seeds", fix=f"add --class {drawn[0]}")
    return replace(wish, classes=drawn[:1])


def _latents(trained: Trained, wish: Wish) -> tuple[Tensor, Tensor | None]:
    dim = int(trained.generator.latent_dim)  # type: ignore[arg-type]
    if wish.seeds:
        return latents.of_seeds(dim, wish.seeds, labels=trained.labels, device=trained.device)
    return latents.drawn(dim, wish.count, labels=trained.labels, seed=wish.seed, device=trained.device)


def _arranged(z: Tensor, labels: Tensor | None, wish: Wish) -> tuple[Tensor, Tensor | None]:
    """Latents in rows or on a path, with their classes."""
    classes = torch.tensor(list(wish.classes), device=z.device) if wish.classes else None
    if wish.grid and classes is not None:
        return z.repeat(len(classes), 1), classes.repeat_interleave(len(z))
    if wish.frames:
        path = latents.closed_path(z, wish.frames)
        first = classes if classes is not None else labels
        return path, first[:1].expand(len(path)) if first is not None else None
    return z, classes[torch.arange(len(z)).remainder(len(classes))] if classes is not None else labels
