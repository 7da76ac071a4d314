"""Features of reals and of fakes -> a number; a ValueError says why there is none."""

from torch import Tensor


class Metric:
    """How far apart the means are."""

    higher_is_better = False

    def __call__(self, real: Tensor, fake: Tensor) -> float:
        """Features [M, F], [N, F] -> distance."""
        return float((real.double().mean(0) - fake.double().mean(0)).norm())
