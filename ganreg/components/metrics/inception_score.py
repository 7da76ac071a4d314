"""Inception score, by its formula alone: classes are told apart surely, and all of them are made.

    exp(E_x KL(p(y | x) || p(y)))        p(y | x): softmax of the class logits of fake x;  p(y): its mean over fakes

From 1 to the number of classes.  It looks at fakes only, and whatever network the extractor is gives the classes: it stands
beside the literature's numbers only where that is the 2015 Inception network.

Salimans et al., "Improved Techniques for Training GANs", 2016.  https://arxiv.org/abs/1606.03498
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class InceptionScore:
    """The mean over parts of the fakes, in the order in which they come; in size they differ by one fake at most."""

    higher_is_better: ClassVar[bool] = True
    works_on: ClassVar[str] = "class_logits"

    splits: Annotated[int, Field(ge=1, le=1000, description="parts of the fakes; the literature has 10")] = 10

    def __call__(self, real: Tensor, fake: Tensor) -> float:
        """Class logits, [M, K] of reals, which do not count, and [N, K].  Raises ValueError for fewer fakes than parts."""
        if len(fake) < self.splits:
            raise ValueError(f"expected {self.splits} fakes or more, one for each part, got {len(fake)}")
        ends = [part * len(fake) // self.splits for part in range(self.splits + 1)]  # as torch-fidelity divides them
        scores = []
        for first, end in pairwise(ends):
            logits = fake[first:end].double()
            log_each = logits.log_softmax(1)
            each = log_each.exp()
            log_mean = each.mean(0).log().clamp_min(-1e3)  # a class that no fake can be of adds 0, not nan
            scores.append(math.exp(float((each * (log_each - log_mean)).sum(1).mean())))
        return sum(scores) / len(scores)
