"""How many units in the last place the losses, derivatives and sums of every implementation may be off.

Each bar holds for every variant of the native kernel that this processor has, and for the reference.
"""

import ctypes
import math
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import mpmath
import numpy as np
import pytest
import torch

from ganreg.ops import reference
from ganreg.ops.pointwise_loss import DTYPES, paired_loss, pointwise_loss, pointwise_loss_pair
from tests.ops.ulps import (
    FORMATS,
    LONG_DOUBLE_IS_WIDER,
    NARROW,
    SAMPLES,
    TARGETS,
    WIDE,
    ascending,
    every,
    exact,
    exact_of_inputs,
    inputs,
    rounded,
    ulps,
    wide_numpy,
    worst,
)

LOSSES = tuple(reference.FORMULAS)

needs_long_double = pytest.mark.skipif(not LONG_DOUBLE_IS_WIDER, reason="long double is no wider than float64")
EACH_WIDE = [torch.float32, pytest.param(torch.float64, marks=needs_long_double)]
each_wide = pytest.mark.parametrize("dtype", EACH_WIDE, ids=["float32", "float64"])
each_narrow = pytest.mark.parametrize("dtype", NARROW, ids=["bfloat16", "float16"])
each_dtype = pytest.mark.parametrize("dtype", [*EACH_WIDE, *NARROW], ids=["float32", "float64", "bfloat16", "float16"])
each_target = pytest.mark.parametrize("target", TARGETS)


@pytest.fixture
def judge(kernel):
    """(logits, target, **others) -> value, gradient by one implementation."""
    operator = reference.pointwise_loss if kernel == "reference" else torch.ops.ganreg.pointwise_loss

    def run(
        x, target, *, loss="bce", scale=1.0, scale_tensor=None, reduction="none", pos_weight=1.0, targets=None, weights=None
    ):
        return operator(x, loss, target, False, scale, scale_tensor, reduction, pos_weight, targets, weights)[:2]

    return run


@pytest.fixture
def curvature(kernel):
    """(logits, target, loss) -> second derivatives."""
    operator = reference.pointwise_derivative if kernel == "reference" else torch.ops.ganreg.pointwise_derivative
    one = torch.ones((), dtype=torch.float64)
    return lambda x, target, loss="bce": operator(x, one, 2, loss, target)


def assert_same(got, wanted):
    """Equal numbers; a zero of either sign, and any nan."""
    torch.testing.assert_close(got, wanted, rtol=0, atol=0, equal_nan=True)


# --- the ruler itself -------------------------------------------------------------------------------------------------


def test_the_ruler_measures_half_an_ulp_as_half():
    wanted = np.array([1.0, 2.0**-126, 3 * 2.0**-149])
    got = np.array([1.0 + 2.0**-24, 2.0**-126 + 2.0**-149, 2.0**-149])

    assert ulps(got, wanted, torch.float32).tolist() == [0.5, 1.0, 2.0]


def test_the_ruler_takes_a_nan_for_infinitely_wrong_and_passes_over_what_does_not_fit():
    assert worst(torch.tensor([math.nan]), np.array([1.0]), torch.float32) == math.inf
    assert worst(torch.tensor([math.inf, 1.0]), np.array([1e39, 1.0]), torch.float32) == 0.0


def test_the_exact_values_agree_with_mpmath():
    x = np.array([-745.0, -40.3, -1e-9, 0.0, 3e-5, 0.7, 17.3, 700.1], dtype=np.longdouble)
    with mpmath.workdps(700):  # e^-745 beside 1, squared
        for y, p, w in [*((y, 1.0, 1.0) for y in TARGETS), (0.25, 3.0, 0.5)]:
            found = exact(x, y, p, w)
            for i, number in enumerate(x):
                z = mpmath.mpf(float(number))
                sigma, mirrored = 1 / (1 + mpmath.exp(-z)), 1 / (1 + mpmath.exp(z))
                y_, p_, w_ = map(mpmath.mpf, (y, p, w))
                loss = -w_ * (p_ * y_ * mpmath.log(sigma) + (1 - y_) * mpmath.log(mirrored))
                derivative = w_ * ((1 - y_) * sigma - p_ * y_ * mirrored)
                assert float(found.loss[i]) == pytest.approx(float(loss), rel=1e-15)
                assert float(found.derivative[i]) == pytest.approx(float(derivative), rel=1e-14, abs=1e-18 if 0 < y < 1 else 0)
                assert float(found.curvature[i]) == pytest.approx(float(w_ * (1 - y_ + p_ * y_) * sigma * mirrored), rel=1e-15)


def test_the_inputs_are_many_and_hold_what_they_should():
    for dtype in WIDE:
        x, limits = inputs(dtype), torch.finfo(dtype)
        assert x.isfinite().all()
        assert x.numel() > 3 * SAMPLES + 8 * (2046 if dtype == torch.float64 else 254)
        assert {0.0, limits.tiny, -limits.tiny, limits.max, -limits.max} <= set(x[-20_000:].tolist())
    assert [inputs(dtype).numel() for dtype in NARROW] == [65_280, 63_488]


# --- element by element -----------------------------------------------------------------------------------------------


@each_wide
@each_target
def test_a_loss_is_within_three_ulps(judge, dtype, target):
    losses, _ = judge(inputs(dtype), target)

    assert worst(losses, exact_of_inputs(dtype, target).loss, dtype) <= 3.0


@each_wide
@each_target
def test_a_derivative_is_within_four_ulps(judge, dtype, target):
    _, grads = judge(inputs(dtype), target)

    wanted = exact_of_inputs(dtype, target)
    assert worst(grads, wanted.derivative, dtype, wanted.scale if 0 < target < 1 else None) <= 4.0


@each_narrow
@each_target
def test_every_16_bit_loss_is_rounded_right(judge, dtype, target):
    losses, _ = judge(inputs(dtype), target)

    assert worst(losses, exact_of_inputs(dtype, target).loss, dtype) <= 0.51


@each_narrow
@each_target
def test_every_16_bit_derivative_is_rounded_right(judge, dtype, target):
    _, grads = judge(inputs(dtype), target)

    wanted = exact_of_inputs(dtype, target)
    at, bar = (wanted.scale, 1.0) if 0 < target < 1 else (None, 0.51)
    assert worst(grads, wanted.derivative, dtype, at) <= bar


@each_dtype
@each_target
def test_a_second_derivative_is_within_six_ulps(curvature, dtype, target):
    got = curvature(inputs(dtype), target)

    bar = 6.0 if dtype in WIDE else 0.51
    assert worst(got, exact_of_inputs(dtype, target).curvature, dtype) <= bar


@each_dtype
def test_differentiating_twice_gives_a_second_derivative_within_six_ulps(variant, dtype):
    x = inputs(dtype).clone().requires_grad_()
    losses = pointwise_loss(x, target=1.0, reduction="none").value
    first = torch.autograd.grad(losses, x, torch.ones_like(losses), create_graph=True)[0]

    second = torch.autograd.grad(first, x, torch.ones_like(first))[0]

    assert worst(second, exact_of_inputs(dtype, 1.0).curvature, dtype) <= (6.0 if dtype in WIDE else 0.51)


@each_wide
@pytest.mark.parametrize("upstream", [0.37, 3.0])
def test_a_second_derivative_times_what_comes_from_above_is_within_six_ulps(variant, dtype, upstream):
    x = inputs(dtype)[:SAMPLES].clone().requires_grad_()  # within ±20
    value = pointwise_loss(x, target=0.9).value
    above = torch.tensor(upstream, dtype=dtype)
    first = torch.autograd.grad(value, x, above, create_graph=True)[0]

    second = torch.autograd.grad(first, x, torch.full_like(first, 1.7))[0]

    factor = wide_numpy(above) * wide_numpy(torch.tensor(1.7, dtype=dtype)) / x.numel()
    wanted = exact_of_inputs(dtype, 0.9).curvature[:SAMPLES] * factor
    assert worst(second, wanted, dtype) <= 6.0


@each_target
def test_a_subnormal_result_is_within_two_of_the_smallest_numbers(judge, curvature, target):
    x = torch.cat([torch.linspace(-104.5, -87, SAMPLES), torch.linspace(87, 104.5, SAMPLES), torch.logspace(-45, -30, 1000)])
    results = (*judge(x, target), curvature(x, target))

    wanted = exact(wide_numpy(x), rounded(target, torch.float32))

    number_of_subnormals = 0
    for got, its in zip(results, wanted[:3], strict=True):
        subnormal = np.abs(its) < 2.0**-126
        number_of_subnormals += subnormal.sum()
        assert (np.abs(wide_numpy(got) - its)[subnormal] <= 2 * 2.0**-149).all()
    assert number_of_subnormals > SAMPLES  # the curvature's at least


@each_dtype
def test_a_flushing_processor_gives_the_same_bits_above_the_subnormal_numbers(variant, dtype):
    def judge():
        return torch.ops.ganreg.pointwise_loss(x, "bce", 1.0, False, 1.0, None, "none")[:2]

    x = inputs(dtype)
    plain = judge()
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor does not flush subnormal numbers")
    try:
        flushed = judge()
    finally:
        torch.set_flush_denormal(False)

    smallest = 2.0**-1022 if dtype == torch.float64 else 2.0**-126
    for got, wanted in zip(flushed, plain, strict=True):
        normal = wanted.double().abs() >= smallest
        assert normal.sum() > 0.4 * x.numel()
        assert_same(got[normal], wanted[normal])
        below = got[~normal].double().abs()
        assert ((below == 0) | (below == wanted[~normal].double().abs())).all()


# --- what a reduction, a weight or a target for each does to an element -----------------------------------------------


@each_dtype
@each_target
@pytest.mark.parametrize("scale", [0.37, 128.0])
def test_the_gradient_of_a_mean_costs_one_ulp_more(judge, dtype, target, scale):
    part = slice(SAMPLES) if dtype in WIDE else slice(None)  # within ±20, so that nothing is subnormal
    x = inputs(dtype)[part]

    _, grads = judge(x, target, scale=scale, reduction="mean")

    exact_ones = exact_of_inputs(dtype, target)
    factor = exact_ones.loss.dtype.type(scale) / x.numel()
    wanted, at = exact_ones.derivative[part] * factor, exact_ones.scale[part] * factor
    bar = 5.0 if dtype in WIDE else 2.0 if 0 < target < 1 else 1.51
    assert worst(grads, wanted, dtype, at if 0 < target < 1 else None) <= bar


@each_dtype
def test_the_gradient_of_a_mean_is_zero_only_where_it_underflows(judge, dtype):
    x = inputs(dtype)

    _, grads = judge(x, 1.0, reduction="mean")

    zero = (grads == 0).numpy()
    wanted = np.abs(exact_of_inputs(dtype, 1.0).derivative[zero]) / x.numel()
    assert (wanted * 2 <= np.ldexp(wanted.dtype.type(1), FORMATS[dtype][1])).all()


def weighted_inputs(dtype):
    """Logits whose unweighted loss is neither subnormal nor near the largest number, where no weight can be kept to an ulp."""
    x = inputs(dtype)
    if dtype == torch.float16:  # computed in float32
        return x
    return x[x.abs() <= (700.0 if dtype == torch.float64 else 87.0)]


def assert_within(results, wanted, dtype, more, hard):
    """The bars of section 3 and `more` ulps; soft targets' derivatives by the scale of their error."""
    loss_bar, hard_bar, soft_bar = (3.0, 4.0, 4.0) if dtype in WIDE else (0.51, 0.51, 1.0)
    at = np.where(hard, np.abs(wanted.derivative), wanted.scale)
    assert worst(results[0], wanted.loss, dtype) <= loss_bar + more
    assert worst(results[1], wanted.derivative, dtype, at) <= (hard_bar if np.all(hard) else soft_bar) + more


@each_dtype
@each_target
@pytest.mark.parametrize("pos_weight", [1e-3, 7.0])
def test_a_positive_weight_costs_one_ulp_more(judge, dtype, target, pos_weight):
    x = weighted_inputs(dtype)

    results = judge(x, target, pos_weight=pos_weight)

    p = rounded(pos_weight, dtype if dtype in WIDE else torch.float32)
    wanted = exact(wide_numpy(x), rounded(target, dtype), p)
    assert_within(results, wanted, dtype, 1.0, target in (0.0, 1.0))


@each_dtype
@each_target
def test_a_weight_costs_one_ulp_more(judge, dtype, target):
    x = weighted_inputs(dtype)
    weights = (3 * torch.rand(x.shape, generator=torch.Generator().manual_seed(1))).to(dtype)

    results = judge(x, target, weights=weights)

    wanted = exact(wide_numpy(x), rounded(target, dtype), 1.0, wide_numpy(weights))
    assert_within(results, wanted, dtype, 1.0, target in (0.0, 1.0))


@each_dtype
@pytest.mark.parametrize("hard", [True, False])
def test_targets_and_weights_of_each_element_keep_the_bars(judge, dtype, hard):
    x = weighted_inputs(dtype)
    generator = torch.Generator().manual_seed(2)
    targets = torch.rand(x.shape, generator=generator).to(dtype)
    targets = targets.round() if hard else targets
    weights = (3 * torch.rand(x.shape, generator=generator)).to(dtype)

    plain = judge(x, 0.3, targets=targets)
    weighted = judge(x, 0.3, targets=targets, weights=weights, pos_weight=7.0)

    z, y = wide_numpy(x), wide_numpy(targets)
    assert_within(plain, exact(z, y), dtype, 0.0, (y == 0) | (y == 1))
    assert_within(weighted, exact(z, y, 7.0, wide_numpy(weights)), dtype, 2.0, (y == 0) | (y == 1))


@each_dtype
@each_target
def test_a_tensor_of_one_target_gives_the_bits_of_the_number(judge, dtype, target):
    x = inputs(dtype)

    assert_same(judge(x, 0.3, targets=torch.full_like(x, target)), judge(x, target))


# --- every float32 number ---------------------------------------------------------------------------------------------

HARNESS = r"""
#include <math.h>
#include <stdint.h>
#include <string.h>
struct Worst { double ulps; float x; };
static void meet(Worst* worst, float x, float got, double wanted) {  // ulps of float32 at the exact value, as in ulps.py
  uint64_t bits;
  memcpy(&bits, &wanted, sizeof bits);
  int exponent = int(bits >> 52 & 2047) - 1023 - 23;
  bits = uint64_t(1023 - (exponent < -149 ? -149 : exponent)) << 52;
  double per_ulp;
  memcpy(&per_ulp, &bits, sizeof bits);
  const double off = fabs(got - wanted) * per_ulp;
  if (!(off <= worst->ulps)) *worst = {isnan(off) ? INFINITY : off, x};
}
// loss and derivative at targets 0 and 1 -> the worst of each
extern "C" void measure(const float* x, int64_t count, const float* loss_0, const float* grad_0, const float* loss_1,
                        const float* grad_1, Worst* worst /* [4] */) {
  for (int64_t i = 0; i < count; ++i) {
    if (!isfinite(x[i])) continue;
    const double distance = fabs(double(x[i])), e = exp(-distance), small = log1p(e), one = 1 / (1 + e), other = e / (1 + e);
    const bool positive = x[i] >= 0;
    meet(worst + 0, x[i], loss_0[i], positive ? distance + small : small);
    meet(worst + 1, x[i], grad_0[i], positive ? one : other);
    meet(worst + 2, x[i], loss_1[i], positive ? small : distance + small);
    meet(worst + 3, x[i], grad_1[i], -(positive ? other : one));
  }
}
"""


class Worst(ctypes.Structure):
    _fields_ = (("ulps", ctypes.c_double), ("x", ctypes.c_float))


@pytest.fixture(scope="module")
def measure(tmp_path_factory):
    """The compiled harness: exact values by the C library's float64 functions, some ten times as fast as numpy's."""
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler")
    folder = tmp_path_factory.mktemp("harness")
    (folder / "harness.cpp").write_text(HARNESS)
    subprocess.run(["c++", "-O2", "-shared", "-fPIC", folder / "harness.cpp", "-o", folder / "harness.so"], check=True)
    return ctypes.CDLL(str(folder / "harness.so")).measure


def worst_of(measure, x, results):
    """Logits and (loss, grad) at targets 0 and 1 -> the worst of the four."""
    found = (Worst * 4)()
    pointers = [ctypes.c_void_p(one.data_ptr()) for one in results]
    measure(ctypes.c_void_p(x.data_ptr()), ctypes.c_int64(x.numel()), *pointers, found)
    return [(one.ulps, one.x) for one in found]


def test_the_harness_measures_what_the_ruler_does(variant, measure):
    x = inputs(torch.float32)
    results = [
        one for target in (0.0, 1.0) for one in torch.ops.ganreg.pointwise_loss(x, "bce", target, False, 1.0, None, "none")[:2]
    ]

    found = worst_of(measure, x, results)

    for (ulps_off, _), got, target, field in zip(found, results, (0.0, 0.0, 1.0, 1.0), ("loss", "derivative") * 2, strict=True):
        assert ulps_off == pytest.approx(
            worst(got, getattr(exact_of_inputs(torch.float32, target), field), torch.float32), rel=1e-6
        )
    results[3][17] = math.nan
    assert worst_of(measure, x, results)[3] == (math.inf, x[17].item())


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_every_float32_number_keeps_the_bars(variant, measure, capsys):
    chunk = 2**18  # larger results, which are mapped afresh, cost more than the computing

    def one_chunk(first):
        x = torch.arange(first, first + chunk, dtype=torch.int64).to(torch.int32).view(torch.float32)
        operator = torch.ops.ganreg.pointwise_loss
        results = [one for target in (0.0, 1.0) for one in operator(x, "bce", target, False, 1.0, None, "none")[:2]]
        return worst_of(measure, x, results)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [max(each) for each in zip(*pool.map(one_chunk, range(-(2**31), 2**31, chunk)), strict=True)]

    with capsys.disabled():
        print(f"\n{variant}: loss, gradient at 0, then at 1, in ulps and where: {found}")
    assert [ulps_off <= bar for (ulps_off, _), bar in zip(found, (3.0, 4.0, 3.0, 4.0), strict=True)] == [True] * 4, found


# --- order and mirror images ------------------------------------------------------------------------------------------


@each_narrow
def test_losses_and_derivatives_are_monotone_over_every_16_bit_number(judge, dtype):
    x = ascending(dtype)
    assert x[0] == -math.inf
    for target in (0.0, 1.0):
        losses, grads = (one.double() for one in judge(x, target))
        rising = losses if target == 0 else -losses
        assert (rising[1:] >= rising[:-1]).all()
        assert (grads[1:] >= grads[:-1]).all()


@each_dtype
@each_target
def test_no_loss_is_negative(judge, dtype, target):
    x = inputs(dtype) if dtype in WIDE else every(dtype)
    losses, _ = judge(x, target)

    assert ((losses >= 0) | x.isnan()).all()
    assert losses[x.isnan()].isnan().all()


@each_dtype
def test_a_mirrored_logit_and_target_have_the_same_bits(judge, dtype):
    x = inputs(dtype)

    of_fakes, of_reals = judge(x, 0.0), judge(-x, 1.0)

    assert_same(of_reals[0], of_fakes[0])
    assert_same(of_reals[1], -of_fakes[1])


# --- the sums ---------------------------------------------------------------------------------------------------------


def own_elements(judge, x, target):
    """The losses that the implementation adds: float32 ones for 16-bit logits, and the reference's are float64."""
    wide = x if x.dtype in WIDE else x.float()
    return judge(wide, rounded(target, x.dtype))[0].double()


@pytest.mark.parametrize("size", [1, 5000, 1_000_003])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("dtype", [torch.float32, *NARROW], ids=["float32", "bfloat16", "float16"])
def test_a_float32_sum_is_within_one_ulp_of_the_exact_sum_of_its_elements(judge, size, reduction, dtype):
    x = (3 * torch.randn(size, generator=torch.Generator().manual_seed(size))).to(dtype)

    value, _ = judge(x, 0.9, reduction=reduction)

    assert value.dtype == torch.float32
    total = math.fsum(own_elements(judge, x, 0.9).tolist()) / (size if reduction == "mean" else 1)
    assert worst(value.reshape(1), np.array([total]), torch.float32) <= 1.0


@pytest.mark.parametrize("size", [1, 4096, 1_000_003])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_float64_sum_is_within_eight_ulps_of_the_exact_sum_of_its_elements(judge, size, reduction):
    x = 3 * torch.randn(size, dtype=torch.float64, generator=torch.Generator().manual_seed(size))

    value, _ = judge(x, 1.0, reduction=reduction)

    total = math.fsum(own_elements(judge, x, 1.0).tolist()) / (size if reduction == "mean" else 1)
    assert worst(value.reshape(1), np.array([total], dtype=np.longdouble), torch.float64) <= 8.0


@pytest.mark.parametrize("dtype", [torch.float32, *NARROW], ids=["float32", "bfloat16", "float16"])
def test_a_mean_is_within_a_ulp_more_than_an_element_of_the_true_one(judge, dtype):
    x = (3 * torch.randn(100_000, generator=torch.Generator().manual_seed(3))).to(dtype)

    value, _ = judge(x, 1.0, reduction="mean")

    wanted = math.fsum(exact(wide_numpy(x), 1.0).loss.tolist()) / x.numel()
    assert worst(value.reshape(1), np.array([wanted]), torch.float32) <= 4.0


@pytest.mark.nightly
@pytest.mark.timeout(600)
@each_wide
def test_the_sum_of_67_million_elements_keeps_its_bar(variant, dtype):
    size, chunk = 2**26, 2**22
    x = torch.randn(size, dtype=dtype, generator=torch.Generator().manual_seed(4)).mul_(3)

    value = torch.ops.ganreg.pointwise_loss(x, "bce", 1.0, False, 1.0, None, "sum")[0]

    parts = [pointwise_loss(part, target=1.0, reduction="none").value for part in x.split(chunk)]
    total = np.sum([np.sum(part.numpy().astype(np.longdouble)) for part in parts])
    assert worst(value.reshape(1), np.array([total]), dtype) <= (8.0 if dtype == torch.float64 else 1.0)


@pytest.mark.parametrize(
    ("dtype", "logit", "count"),
    [
        (torch.float32, 3e38, 4),
        (torch.float32, 3.4028234e38, 100_000),
        (torch.bfloat16, 3e38, 5000),
        (torch.float16, 65504.0, 70_000),
    ],
)
def test_a_mean_is_finite_where_its_exact_value_is(judge, dtype, logit, count):
    x = torch.full((count,), logit, dtype=dtype)

    value, grads = judge(x, 0.0, reduction="mean")

    assert value.item() == pytest.approx(x[0].item(), rel=1e-6)
    assert grads.isfinite().all()


def test_the_sum_of_float16_losses_may_exceed_float16(judge):
    value, _ = judge(torch.full((70_000,), 65504.0, dtype=torch.float16), 0.0, reduction="sum")

    assert value.item() == pytest.approx(70_000 * 65504.0, rel=1e-7)


# --- the other losses -------------------------------------------------------------------------------------------------


@each_dtype
def test_minimax_is_minus_the_cross_entropy_of_a_fake_bit_for_bit(judge, curvature, dtype):
    x = inputs(dtype)

    minimax, of_fakes = judge(x, 0.7, loss="minimax"), judge(x, 0.0)

    assert_same(minimax[0], -of_fakes[0])
    assert_same(minimax[1], -of_fakes[1])
    assert_same(curvature(x, 0.7, "minimax"), -curvature(x, 0.0))


@each_dtype
@pytest.mark.parametrize("margin", [1.0, -1.0, 0.3, -2.7])
def test_a_hinge_loss_is_one_subtraction_rounded_once(judge, dtype, margin):
    x, t = inputs(dtype), rounded(margin, dtype)

    losses, grads = judge(x, margin, loss="hinge")

    z, sign = wide_numpy(x), math.copysign(1.0, t)
    wanted = np.maximum(sign * (z.dtype.type(t) - z), 0)
    bar = 0.5 if dtype in WIDE else 0.51  # 16-bit: rounded to float32 before
    assert worst(losses, wanted, dtype) <= bar
    assert_same(grads.double(), torch.from_numpy(np.where(wanted > 0, -sign, 0.0)))


@each_dtype
@pytest.mark.parametrize("label", [0.0, 1.0, -1.0, 0.9])
def test_a_squared_distance_is_within_two_ulps(judge, dtype, label):
    """The rounded distance d = m 2^k, 1 <= m < 2, costs m ulp of d^2 below sqrt(2) and m / 2 above, its product 0.5."""
    x = inputs(dtype)

    losses, grads = judge(x, label, loss="least-squares")

    distance = wide_numpy(x) - wide_numpy(torch.tensor(label, dtype=dtype))
    assert worst(grads, distance, dtype) <= (0.5 if dtype in WIDE else 0.51)
    with np.errstate(over="ignore"):
        assert worst(losses, distance**2 / 2, dtype) <= (2.0 if dtype in WIDE else 0.51)


@each_dtype
@pytest.mark.parametrize("slope", [-1.0, 1.0, 0.3])
def test_a_linear_loss_is_one_product_rounded_once(judge, dtype, slope):
    x, k = inputs(dtype), rounded(slope, dtype)

    losses, grads = judge(x, slope, loss="linear")

    with np.errstate(over="ignore"):
        assert worst(losses, wide_numpy(x) * wide_numpy(torch.tensor(slope, dtype=dtype)), dtype) <= (
            0.5 if dtype in WIDE else 0.51
        )
    assert_same(grads, torch.full_like(x, k))


@pytest.mark.parametrize("loss", ["hinge", "least-squares", "linear"])
def test_the_second_derivative_of_a_polynomial_loss_is_exact(curvature, loss):
    for dtype in DTYPES:
        x = inputs(dtype)
        assert_same(curvature(x, 0.9, loss), torch.full_like(x, 1.0 if loss == "least-squares" else 0.0))


@each_dtype
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("target", [0.0, 0.9, 1.0])
def test_a_pair_is_judged_by_its_difference_bit_for_bit(kernel, judge, dtype, loss, target):
    x = inputs(dtype)
    real, fake = x[torch.randperm(x.numel(), generator=torch.Generator().manual_seed(5))], x
    operator = reference.paired_loss if kernel == "reference" else torch.ops.ganreg.paired_loss

    losses, grad_real, grad_fake, _ = operator(real, fake, loss, target, 1.0, None, "none")

    wide = real.to(reference.value_dtype(real)) - fake.to(reference.value_dtype(fake))
    single = judge(wide, rounded(target, dtype), loss=loss)
    assert_same(losses, single[0].to(dtype))
    assert_same(grad_real, single[1].to(dtype))
    assert_same(grad_fake, -grad_real)


# --- what all this is for ---------------------------------------------------------------------------------------------


def test_confident_right_answers_keep_the_gradient_that_torch_loses(variant):
    x = torch.full((4,), 20.0)

    grad = pointwise_loss_pair(x, -x).grads

    assert (torch.sigmoid(x) - 1 == 0).all()  # what torch's own formula makes of the reals
    torch.testing.assert_close(grad[0], torch.full((4,), -math.exp(-20.0) / 4))
    torch.testing.assert_close(grad[1], torch.full((4,), math.exp(-20.0) / 4))
    together = paired_loss(x, -x).grads
    torch.testing.assert_close(together[0], torch.full((4,), -math.exp(-40.0) / 4))
    torch.testing.assert_close(together[1], torch.full((4,), math.exp(-40.0) / 4))
