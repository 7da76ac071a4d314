"""The ruler of the accuracy tests: exact values, errors in units in the last place, and the inputs to measure at.

An ulp is the spacing of a dtype at the exact value, subnormals included.  Exact means long double for float64 and float64
for the rest.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import torch

TARGETS = (0.0, 0.1, 0.5, 0.9, 1.0)
SAMPLES = 200_000  # of each distribution
WIDE = (torch.float32, torch.float64)
NARROW = (torch.bfloat16, torch.float16)

FORMATS = {torch.float64: (53, -1074), torch.float32: (24, -149), torch.bfloat16: (8, -133), torch.float16: (11, -24)}
"""Significant bits, exponent of the smallest subnormal."""

LONG_DOUBLE_IS_WIDER = np.finfo(np.longdouble).eps < 1e-18

# --- the exact values and the ruler -----------------------------------------------------------------------------------


class Exact(NamedTuple):
    """Cross-entropies as they should be; `scale` is that of the derivative's error, where its two terms cancel."""

    loss: np.ndarray
    derivative: np.ndarray
    curvature: np.ndarray
    scale: np.ndarray


def exact(x, y, p=1.0, w=1.0):
    """Logits, targets, pos_weights and weights as wide numpy numbers -> w (p y s(-x) + (1 - y) s(x)) and the rest."""
    one = x.dtype.type(1)
    y, p, w = (x.dtype.type(number) if np.ndim(number) == 0 else number for number in (y, p, w))
    positive, distance = x >= 0, np.abs(x)
    e = np.exp(-distance)
    sigma, mirrored = np.where(positive, one, e) / (one + e), np.where(positive, e, one) / (one + e)
    a, b = one - y, p * y
    c = np.where(positive, a, b)
    loss = np.where(c == 0, 0, distance * c) + (a + b) * np.log1p(e)
    numerator = np.where(positive, a - b * e, a * e - b)
    scale = np.abs(w) * (np.abs(a * sigma) + np.abs(b * mirrored))
    return Exact(w * loss, w * (numerator / (one + e)), w * ((a + b) * sigma * mirrored), scale)


def ulps(got, wanted, dtype, at=None):
    """|got - wanted| in spacings of `dtype` at `at`, else at `wanted`: numpy arrays of one wide type."""
    bits, smallest = FORMATS[dtype]
    exponent = np.frexp(wanted if at is None else at)[1].astype(np.int64) - bits
    spacing = np.ldexp(np.ones_like(wanted), np.maximum(exponent, smallest))
    return np.abs(got.astype(wanted.dtype) - wanted) / spacing


def worst(got, wanted, dtype, at=None):
    """The largest error of a tensor in ulps, where the exact value fits the dtype; a nan is infinitely wrong."""
    fits = np.abs(wanted) <= wanted.dtype.type(torch.finfo(dtype).max)
    with np.errstate(invalid="ignore"):
        errors = ulps(wide_numpy(got), wanted, dtype, at)[fits]
    return float(np.nan_to_num(errors, nan=np.inf).max())


def wide_numpy(tensor):
    """A tensor's numbers in the type of its exact values."""
    numbers = tensor.detach().double().numpy()
    return numbers.astype(np.longdouble) if tensor.dtype == torch.float64 else numbers


def rounded(number, dtype):
    """A number as the dtype holds it."""
    return torch.tensor(number, dtype=dtype).item()


# --- the inputs -------------------------------------------------------------------------------------------------------


@cache
def inputs(dtype):
    """Every finite number of a 16-bit dtype; random and structured ones of a wider dtype.  Not to be written to."""
    return samples(dtype) if dtype in WIDE else every_finite(dtype)


@cache
def exact_of_inputs(dtype, target):
    """The exact values at `inputs(dtype)`."""
    return exact(wide_numpy(inputs(dtype)), rounded(target, dtype))


def samples(dtype):
    """U[-20, 20], U[-far, far], where the last derivative underflows within far, log-uniform 1e-8 … 1, then `structured`."""
    generator = torch.Generator().manual_seed(0)
    far = 760.0 if dtype == torch.float64 else 110.0
    unit = [torch.rand(SAMPLES, dtype=torch.float64, generator=generator) for _ in range(3)]
    signs = torch.where(torch.rand(SAMPLES, generator=generator) < 0.5, -1.0, 1.0)
    drawn = [40 * unit[0] - 20, 2 * far * unit[1] - far, signs * 10 ** (-8 * unit[2])]
    return torch.cat([part.to(dtype) for part in drawn] + [structured(dtype)])


def structured(dtype):
    """Each exponent with four mantissas, the neighbours of each place where a formula changes its face, some far ones."""
    numpy_type, integer, bits = (np.float64, np.int64, 52) if dtype == torch.float64 else (np.float32, np.int32, 23)
    exponents = np.arange(0, 2047 if dtype == torch.float64 else 255, dtype=integer) << bits
    ones = (integer(1) << bits) - integer(1)
    alternating = ones & integer(0x5555555555555 if bits == 52 else 0x555555)
    random = np.random.default_rng(0).integers(0, int(ones), exponents.size).astype(integer)
    every_exponent = np.concatenate([exponents | mantissa for mantissa in (integer(0), ones, alternating, random)])
    faces = [5.545, 14.556, 16.636, 17.329, 36.737, 87.337, 88.723, 103.279, 103.972, 708.396, 745.133]
    centres = np.array(faces, dtype=numpy_type).view(integer)
    near = (centres[:, None] + np.arange(-16, 17, dtype=integer)).reshape(-1)
    far = np.array([501, 1001.2, 13437.7, 4988429.2, 1e20], dtype=numpy_type)
    x = np.concatenate([every_exponent.view(numpy_type), near.view(numpy_type), far])
    return torch.from_numpy(np.concatenate([x, -x]))


def every(dtype):
    """All 65,536 numbers of a 16-bit dtype, infinities and nans among them."""
    return torch.arange(-32768, 32768, dtype=torch.int32).to(torch.int16).view(dtype)


def every_finite(dtype):
    """The finite numbers of a 16-bit dtype."""
    x = every(dtype)
    return x[x.isfinite()]


def ascending(dtype):
    """Every number of a 16-bit dtype but the nans, from the smallest to the largest."""
    x = every(dtype)
    return x[~x.isnan()].float().sort().values.to(dtype)
