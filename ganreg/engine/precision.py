"""Floating point in which the networks compute: float32, or 16 bits under autocast with a scaled loss where it needs one.

Weights, losses, penalties and optimizers stay in float32.  float16 loses small gradients, so that its losses are scaled up
and its gradients down again; an overflow skips that network's update and halves the scale.

Micikevicius et al., "Mixed Precision Training", 2017.  https://arxiv.org/abs/1710.03740
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ganreg.errors import DeviceError, NonFiniteError
from ganreg.processor import processor_flags

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
PROCESSOR_BF16 = frozenset({"avx512_bf16", "amx_bf16"})
LEAST_BF16 = (8, 0)
"""The compute capability from which on a card multiplies bfloat16 itself."""


@dataclass(frozen=True, slots=True)
class Precision:
    """What the networks of the main phases compute in."""

    name: str
    device_type: str

    @property
    def scales(self) -> bool:
        """Whether the loss is scaled."""
        return self.name == "fp16"

    def autocast(self) -> AbstractContextManager[Any]:
        """Around networks, not around losses and penalties."""
        if self.name == "fp32":
            return nullcontext()
        return torch.autocast(self.device_type, dtype=DTYPES[self.name])


FULL = Precision("fp32", "cpu")


def resolve(asked: str, device: torch.device) -> Precision:
    """ "auto" -> bf16 where the hardware multiplies it itself, else fp32.  Raises DeviceError for what a card cannot do."""
    if asked == "bf16" and device.type == "cuda" and not has_bf16(device):
        raise DeviceError("this card has no bfloat16", at="--precision", fix="--precision fp16, or fp32")
    if asked == "auto":
        asked = "bf16" if has_bf16(device) else "fp32"
    return Precision(asked, device.type)


def has_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is multiplied in hardware; emulation on a processor is ten times slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= LEAST_BF16
    return device.type == "cpu" and bool(PROCESSOR_BF16 & processor_flags())


class Scaler:
    """The loss scale of one network, on the device: halved after an overflow, doubled after 2,000 updates without one."""

    FIRST, GROWTH, BACKOFF, PATIENCE = 2.0**16, 2.0, 0.5, 2000
    MOST_SKIPS = 50
    """Overflows in a row after which something other than the scale is wrong."""

    def __init__(self, device: torch.device) -> None:
        self.scale = torch.full((), self.FIRST, device=device)
        self._good = torch.zeros((), dtype=torch.int32, device=device)  # updates without an overflow
        self.skips = torch.zeros((), device=device)  # overflows in a row

    def update(self, overflow: Tensor) -> None:
        """After an update; `overflow` is 0-dim, 1.0 where a gradient was not finite."""
        torch._amp_update_scale_(self.scale, self._good, overflow, self.GROWTH, self.BACKOFF, self.PATIENCE)
        self.skips.add_(1.0).mul_(overflow)

    def look(self, network: str) -> None:
        """Read it.  Raises NonFiniteError when scaling does not help."""
        skips, scale = int(self.skips), float(self.scale)
        if skips > self.MOST_SKIPS or scale < 1.0:
            raise NonFiniteError(
                f"the {network}'s gradient was not finite {skips} times in a row, down to a loss scale of {scale:g}",
                at="--precision fp16",
                fix="use --precision bf16 or fp32, or lower the learning rate",
            )

    def state_dict(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        return {"scale": self.scale.clone(), "good": self._good.clone(), "skips": self.skips.clone()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """From a checkpoint."""
        self.scale.copy_(state["scale"])
        self._good.copy_(state["good"])
        self.skips.copy_(state["skips"])
