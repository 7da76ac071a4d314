"""Self-attention: every position of a map looks at all the others.

    gamma · O softmax(Q K^T) V + x        gamma starts at 0: first learn from near, then from far

Q, K, V and O are 1x1 convolutions; Q and K have an eighth of the channels and V half, and K and V are max-pooled 2x2, as in
the authors' own experiments (the paper's text has an eighth for V, too, and no pooling).
While gamma is 0 nothing flows back to Q, K, V and O; they learn from the second step on.
Zhang et al., "Self-Attention Generative Adversarial Networks", 2018.  https://arxiv.org/abs/1805.08318
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganreg.nn.conditioning import Wrap

QUERY_SHARE = 8
VALUE_SHARE = 2


class SelfAttention(nn.Module):
    """[N, C, H, W] -> [N, C, H, W]; `wrap` is put around each layer of weights."""

    def __init__(self, channels: int, *, wrap: Wrap = lambda module: module) -> None:
        super().__init__()
        narrow, half = max(1, channels // QUERY_SHARE), max(1, channels // VALUE_SHARE)
        self.query = wrap(nn.Conv2d(channels, narrow, 1, bias=False))
        self.key = wrap(nn.Conv2d(channels, narrow, 1, bias=False))
        self.value = wrap(nn.Conv2d(channels, half, 1, bias=False))
        self.out = wrap(nn.Conv2d(half, channels, 1, bias=False))
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H, W]."""
        query = self.query(x).flatten(2)  # [N, C/8, H W]
        # ceil_mode: of 7x7 the last row and column would be seen by nobody.
        key = F.max_pool2d(self.key(x), 2, ceil_mode=True).flatten(2)  # [N, C/8, M]
        value = F.max_pool2d(self.value(x), 2, ceil_mode=True).flatten(2)  # [N, C/2, M]
        # Written out: torch's scaled_dot_product_attention has no second derivative, which gradient penalties need.
        likeness = torch.bmm(query.transpose(1, 2), key)  # [N, H W, M]
        weights = likeness.softmax(2, dtype=torch.promote_types(likeness.dtype, torch.float32)).to(value.dtype)
        # Not len(x): an exported graph would take the batch it was traced with for the only one.
        seen = torch.bmm(value, weights.transpose(1, 2)).view(x.shape[0], -1, *x.shape[2:])
        out: Tensor = self.out(seen)
        return x + self.gamma.to(x.dtype) * out


def place(side: int, sides: Sequence[int]) -> int | None:
    """The first of the maps, by their shorter sides, that is `side` wide; None for 0.  Raises ValueError for any other."""
    if side == 0:
        return None
    if side not in sides:
        known = ", ".join(str(one) for one in sorted(set(sides)))
        raise ValueError(f"attention must be 0 or the side of a map after a block, here {known}; got {side}")
    return list(sides).index(side)
