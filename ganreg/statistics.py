"""Statistics in plain torch: the vector that comes with every loss, and the moments of features.

Slots and order of the vector are `contracts.STATISTICS`.  The fused kernels return the same one from the pass that makes the
loss.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganreg.contracts import STATISTICS, Moments

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


class RunningMoments:
    """Mean and covariance of features that come in batches; memory does not grow with their number.

    Batches are merged by the difference of their means, so that nothing is lost where the mean is far from 0.

    Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979.
    """

    def __init__(self) -> None:
        self.count = 0
        self._mean = torch.zeros(0, dtype=torch.float64)
        self._spread = torch.zeros(0, 0, dtype=torch.float64)  # sum of products of differences from the mean

    def add(self, features: Tensor) -> None:
        """Features [N, F]."""
        batch = features.detach().to("cpu", torch.float64)
        if not len(batch):
            return
        mean = batch.mean(0)
        centred = batch - mean
        spread = centred.T @ centred
        if not self.count:
            self.count, self._mean, self._spread = len(batch), mean, spread
            return
        total = self.count + len(batch)
        shift = mean - self._mean
        self._spread += spread + torch.outer(shift, shift) * (self.count * len(batch) / total)
        self._mean = self._mean + shift * (len(batch) / total)
        self.count = total

    def result(self) -> Moments:
        """Of all so far.  Raises ValueError for fewer than two."""
        if self.count < 2:
            raise ValueError(f"expected two samples or more, got {self.count}")
        return Moments(self.count, self._mean.clone(), self._spread / (self.count - 1))


def moments_of(features: Tensor) -> Moments:
    """Features [N, F] that are all at hand.  Raises ValueError for fewer than two."""
    running = RunningMoments()
    running.add(features)
    return running.result()
