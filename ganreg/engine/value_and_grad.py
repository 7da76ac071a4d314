"""Value, gradient at the logits and statistics of any loss: the loss's own fused form, or autograd with the same numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from ganreg.contracts import Loss, LossResult
from ganreg.statistics import logit_statistics

Scale = float | Tensor


def discriminator(loss: Loss, real_logits: Tensor, fake_logits: Tensor, scale: Scale = 1.0) -> LossResult:
    """Logits of any shape, detached -> the discriminator's loss, (grad_real, grad_fake), statistics of both."""
    fused = getattr(loss, "discriminator_value_and_grad", None)
    if fused is not None:
        result: LossResult = fused(real_logits.detach(), fake_logits.detach(), scale)
        return result
    real, fake = real_logits.detach().requires_grad_(), fake_logits.detach().requires_grad_()
    with torch.enable_grad():
        value = loss.discriminator(_wide(real), _wide(fake))
    grads = torch.autograd.grad(value, (real, fake), _like(value, scale), materialize_grads=True)
    return LossResult(value.detach(), grads, logit_statistics(real, fake, value.detach()))


def generator(loss: Loss, fake_logits: Tensor, real_logits: Tensor | None = None, scale: Scale = 1.0) -> LossResult:
    """Logits of any shape, detached -> the generator's loss, (grad_fake,), statistics of what it saw."""
    fused = getattr(loss, "generator_value_and_grad", None)
    real = real_logits.detach() if real_logits is not None else None
    if fused is not None:
        result: LossResult = fused(fake_logits.detach(), real, scale)
        return result
    fake = fake_logits.detach().requires_grad_()
    with torch.enable_grad():
        value = loss.generator(_wide(fake), _wide(real) if real is not None else None)
    grads = torch.autograd.grad(value, (fake,), _like(value, scale), materialize_grads=True)
    return LossResult(value.detach(), grads, logit_statistics(real, fake, value.detach()))


def _wide(logits: Tensor) -> Tensor:
    """16-bit logits in float32: a mean of them would lose what the fused form keeps."""
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def _like(value: Tensor, scale: Scale) -> Tensor:
    return torch.ones_like(value) * scale
