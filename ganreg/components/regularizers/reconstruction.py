"""Reconstruction: D draws the reals again from what it kept of them, and so has to keep what they look like.

    w sum_k mean |drawing_k - target_k|        k: the whole real, and a part of it

D hands out both sides as extras, "reconstruction…" [N, C, h, w] and "reconstruction…_target" of the same shape: a target is
what D was shown, so that a real that the augmentation moved or tinted is compared with itself.  Drawings of fakes cost nothing.

The paper measures by a pretrained network's distance (LPIPS), which is not at hand here: this is the mean absolute difference
of pixels.  Made for the discriminator `fastgan`.

Liu, Zhu, Song and Elgammal, "Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image Synthesis", 2021.
https://arxiv.org/abs/2101.04775
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from ganreg.components.regularizers.input_gradient import at
from ganreg.contracts import PenaltyContext, Schedule
from ganreg.errors import ContractError

NAME = "reconstruction"
TARGET = "_target"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reconstruction:
    """The mean absolute difference of reals and D's drawings of them."""

    network: ClassVar[Literal["discriminator"]] = "discriminator"
    shares_forward: ClassVar[bool] = True

    weight: Annotated[float, Field(gt=0, description="of the difference, summed over drawings")] | Schedule = 1.0
    interval: Annotated[int, Field(ge=1, description="steps from one penalty to the next")] = 1

    def penalty(self, context: PenaltyContext) -> Tensor:
        """The drawings in `context.real_output` [N, C, h, w] -> scalar.  Raises ContractError where there are none."""
        extras = context.real_output.extras if context.real_output is not None else {}
        differences = [F.l1_loss(drawing.float(), target.float()) for drawing, target in drawings(extras)]
        return at(self.weight, context.images) * torch.stack(differences).sum()


def drawings(extras: Mapping[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    """D's drawings and their targets, at least one pair.  Raises ContractError."""
    names = [name for name in extras if name.startswith(NAME) and not name.endswith(TARGET)]
    if not names:
        raise ContractError(
            "the discriminator draws none of its reals again: its answer has no 'reconstruction' among its extras",
            at="regularizer reconstruction",
            fix="use the discriminator fastgan with reconstruct on, or leave this regularizer out",
        )
    for name in names:
        drawing, target = extras[name], extras.get(name + TARGET)
        if target is None or target.shape != drawing.shape:
            there = "none" if target is None else f"one of shape {list(target.shape)}"
            raise ContractError(
                f"the discriminator's '{name}' of shape {list(drawing.shape)} needs a '{name}{TARGET}' like it, got {there}",
                at="regularizer reconstruction",
                fix="hand out what the discriminator was shown, in the size of its drawing",
            )
    return [(extras[name], extras[name + TARGET]) for name in names]
