"""How a class reaches a network.  Labels are int64 [N]; how many classes there are comes from the data's spec.

    concat            G: an embedding of the class beside z.  D: an embedding of the class as one more channel of x
    conditional-bn    G: h -> (1 + W c) · norm(h) + V c, c the class (or what a network makes of it)
    projection        D: logit = w · φ(x) + v_y · φ(x)
    acgan             D: the logit, and beside it class logits, for the regularizer `acgan`

Mirza and Osindero, "Conditional Generative Adversarial Nets", 2014 (concat).  https://arxiv.org/abs/1411.1784
de Vries et al., "Modulating early visual processing by language", 2017 (conditional-bn).  https://arxiv.org/abs/1707.00683
Miyato and Koyama, "cGANs with Projection Discriminator", 2018 (projection).  https://arxiv.org/abs/1802.05637
Odena, Olah and Shlens, "Conditional Image Synthesis with Auxiliary Classifier GANs", 2016.  https://arxiv.org/abs/1610.09585
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganreg.contracts import DataSpec, DiscriminatorOutput
from ganreg.errors import MismatchError

ForGenerator = Literal["none", "concat", "conditional-bn"]
ForDiscriminator = Literal["none", "concat", "projection", "acgan"]

EMBEDDING = 32
"""Numbers in an embedding that stands beside latents or points; more says no more of a few hundred classes."""

Wrap = Callable[[nn.Module], nn.Module]


def classes(spec: DataSpec, conditioning: str, *, at: str) -> int:
    """How many classes a network is conditioned on, 0 for "none".  Raises MismatchError where the data has no labels."""
    if conditioning == "none":
        return 0
    if spec.num_classes == 0:
        raise MismatchError(
            f"conditioning '{conditioning}' needs labels, and the data has none",
            at=at,
            fix="set its conditioning to none, or take data with labels",
        )
    return spec.num_classes


def needed(labels: Tensor | None) -> Tensor:
    """The labels, where a network cannot do without.  Raises ValueError for None."""
    if labels is None:
        raise ValueError("expected labels [N], got none: this network is conditioned on classes")
    return labels


class LatentsWithClass(nn.Module):
    """Latents [N, L] and labels [N] -> [N, L + 32]: the class as an embedding of the latents' own scale."""

    def __init__(self, latent_dim: int, num_classes: int) -> None:
        super().__init__()
        self.out_features = latent_dim + EMBEDDING
        self.embedding = nn.Embedding(num_classes, EMBEDDING)

    def forward(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """[N, L], [N] -> [N, L + 32]."""
        return torch.cat([z, self.embedding(needed(labels)).to(z.dtype)], dim=1)


class SamplesWithClass(nn.Module):
    """Images [N, C, H, W] -> [N, C + 1, H, W], anything else [N, ...] -> [N, size + 32]: the class beside what it is of."""

    def __init__(self, spec: DataSpec, num_classes: int, *, flat: bool = False) -> None:
        super().__init__()
        self.flat = flat or not spec.is_image
        self.out_features = spec.size + EMBEDDING if self.flat else spec.shape[0] + 1
        self.embedding = nn.Embedding(num_classes, EMBEDDING if self.flat else spec.shape[1] * spec.shape[2])

    def forward(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """Samples and labels [N] -> samples that hold their class."""
        told = self.embedding(needed(labels)).to(x.dtype)
        if self.flat:
            return torch.cat([x.flatten(1), told], dim=1)
        image: Tensor = torch.cat([x, told.view(len(x), 1, *x.shape[2:])], dim=1)
        return image


class ConditionalBatchNorm2d(nn.Module):
    """Batch norm whose gain and shift depend on a condition [N, condition_dim], such as a class as one-hot; starts as plain.

    `wrap` is put around the layer that makes both, whose weights are 0: one that divides by their norm must draw them first.
    """

    def __init__(self, num_features: int, condition_dim: int, *, wrap: Wrap = lambda module: module) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num_features, affine=False)
        both = nn.Linear(condition_dim, 2 * num_features, bias=False)
        nn.init.zeros_(both.weight)
        self.gain_and_shift = wrap(both)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """[N, C, H, W], [N, condition_dim] -> [N, C, H, W]."""
        gain, shift = self.gain_and_shift(condition).to(x.dtype)[:, :, None, None].chunk(2, dim=1)
        normal: Tensor = self.norm(x) * (1 + gain) + shift
        return normal


def one_hot(labels: Tensor | None, num_classes: int) -> Tensor:
    """Labels [N] -> [N, num_classes], float32.  Raises ValueError for None."""
    return F.one_hot(needed(labels), num_classes).float()


def projection(num_classes: int, features: int) -> nn.Embedding:
    """v_y as small at first as a linear layer's weights: from torch's N(0, 1) the class alone would decide, at random."""
    embedding = nn.Embedding(num_classes, features)
    nn.init.uniform_(embedding.weight, -(features**-0.5), features**-0.5)
    return embedding


class Head(nn.Module):
    """The end of a discriminator: features [N, F] and labels [N] -> logits [N], the class as `conditioning` has it.

    `wrap` is put around each layer of weights, as spectral normalisation is.
    """

    def __init__(
        self, features: int, num_classes: int, conditioning: ForDiscriminator, *, wrap: Wrap = lambda module: module
    ) -> None:
        super().__init__()
        self.linear = wrap(nn.Linear(features, 1))
        self.classes = wrap(nn.Linear(features, num_classes)) if conditioning == "acgan" else None
        self.embedding = wrap(projection(num_classes, features)) if conditioning == "projection" else None

    def forward(self, features: Tensor, labels: Tensor | None) -> Tensor | DiscriminatorOutput:
        """[N, F], [N] -> logits [N], with class logits [N, num_classes] for `acgan`."""
        logits: Tensor = self.linear(features).flatten()
        if self.embedding is not None:
            logits = logits + (self.embedding(needed(labels)).to(features.dtype) * features).sum(1)
        return DiscriminatorOutput(logits, class_logits=self.classes(features)) if self.classes is not None else logits
