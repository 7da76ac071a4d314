"""The statistics vector that comes with every loss: its definition in plain torch.

Slots and order are `contracts.STATISTICS`.  The fused kernels return the same vector from the pass that makes the loss.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganreg.contracts import STATISTICS

NAN = float("nan")


def logit_statistics(real_logits: Tensor | None, fake_logits: Tensor | None, value: Tensor) -> Tensor:
    """Logits of any shape, either may be None; `value` is the loss -> float32 [8], on the logits' device."""
    logits = real_logits if real_logits is not None else fake_logits
    if logits is None:
        raise ValueError("expected real or fake logits, got neither")
    wide = torch.float64 if logits.dtype == torch.float64 else torch.float32
    nan = torch.full((), NAN, dtype=wide, device=logits.device)
    finite = torch.isfinite(value)
    slots = dict.fromkeys(STATISTICS, nan)
    if real_logits is not None:
        real = real_logits.detach().to(wide)
        slots["d_real"] = real.sigmoid().mean()
        slots["real_accuracy"] = (real > 0).to(wide).mean()
        slots["real_sign"] = real.sign().mean()
        slots["real_logit"] = real.mean()
        finite = finite & torch.isfinite(real).all()
    if fake_logits is not None:
        fake = fake_logits.detach().to(wide)
        slots["d_fake"] = fake.sigmoid().mean()
        slots["fake_accuracy"] = (fake < 0).to(wide).mean()
        slots["fake_logit"] = fake.mean()
        finite = finite & torch.isfinite(fake).all()
    slots["finite"] = finite.to(wide)
    return torch.stack([slots[name] for name in STATISTICS]).to(torch.float32)
