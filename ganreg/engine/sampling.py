"""Making samples: latents and labels from a seed, the generator in eval mode, batch norm's statistics re-estimated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganreg.engine.networks import Player
from ganreg.nn.batchnorm import estimate_statistics

STATISTICS_BATCHES = 16
BATCH = 64


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of fakes, drawn from the classes' shares in the data; None where there are no classes.

    `names` are what the data call the classes, in the order of their numbers, or nothing.
    """

    shares: Tensor | None = None
    names: tuple[str, ...] = ()

    @classmethod
    def like(cls, labels: Tensor | None, num_classes: int) -> Labels:
        """From the data's labels [M]; every class alike when these are not at hand."""
        if not num_classes:
            return cls()
        if labels is None:
            return cls(torch.full((num_classes,), 1.0 / num_classes))
        return cls(torch.bincount(labels.flatten().cpu(), minlength=num_classes).double() / labels.numel())

    def on(self, device: torch.device) -> Labels:
        """The same, where they are drawn: a copy at each draw would make the host wait."""
        return Labels(self.shares.to(device), self.names) if self.shares is not None else self

    def draw(self, count: int, rng: torch.Generator) -> Tensor | None:
        """Labels [count] on the generator's device."""
        if self.shares is None:
            return None
        return torch.multinomial(self.shares.to(rng.device), count, replacement=True, generator=rng)


def sample(
    network: nn.Module, count: int, *, labels: Labels, seed: int, device: torch.device, classes: Sequence[int] = ()
) -> Tensor:
    """`count` samples [count, *shape] that depend on the seed alone, made in batches; the network stays in its mode.

    `classes` are the samples' labels, in turn, instead of drawn ones; the latents are the same either way.
    """
    return torch.cat(list(stream(network, count, labels=labels, seed=seed, device=device, classes=classes)))


def stream(
    network: nn.Module, count: int, *, labels: Labels, seed: int, device: torch.device, classes: Sequence[int] = ()
) -> Iterator[Tensor]:
    """The samples of `sample` as batches [N, *shape], none of which is kept; between two the network is in its own mode."""
    num_classes = 0 if labels.shares is None else len(labels.shares)
    player = Player(network, role="generator", num_classes=num_classes)
    rng = torch.Generator(device).manual_seed(seed)
    for first in range(0, count, BATCH):  # whole batches, so that sample i does not depend on `count`
        z = torch.randn(BATCH, player.latent_dim, generator=rng, device=device)
        chosen = labels.draw(BATCH, rng)
        if classes:
            turn = torch.arange(first, first + BATCH).remainder(len(classes))
            chosen = torch.tensor(classes)[turn].to(device)
        was_training = network.training
        network.eval()
        try:
            with torch.no_grad():
                made: Tensor = player(z, chosen)
        finally:
            network.train(was_training)
        yield made[: count - first]


@torch.no_grad()
def tells_classes_apart(network: nn.Module, num_classes: int, device: torch.device) -> bool:
    """Whether what it makes of some latents depends on the class."""
    if num_classes < 2:
        return False
    made = [
        sample(network, 2, labels=Labels.like(None, num_classes), seed=0, device=device, classes=[number])
        for number in (0, num_classes - 1)
    ]
    return not torch.equal(*made)


def refresh(network: nn.Module, *, labels: Labels, device: torch.device) -> None:
    """Estimate batch norm's statistics anew for averaged weights, from latents of their own."""
    num_classes = 0 if labels.shares is None else len(labels.shares)
    player = Player(network, role="generator", num_classes=num_classes)
    rng = torch.Generator(device).manual_seed(0)
    batches = [
        (torch.randn(BATCH, player.latent_dim, generator=rng, device=device), labels.draw(BATCH, rng))
        for _ in range(STATISTICS_BATCHES)
    ]
    estimate_statistics(network, lambda: [player(z, chosen) for z, chosen in batches])
