"""How many units in the last place the losses and derivatives of every input may be off.

An ulp is the spacing of the dtype at the exact value, subnormals included.  Exact means long double for float64 and
float64 for the rest.  The native loss of one element is read from the arithmetic that the kernel is compiled from.
"""

import ctypes
import math
import shutil
import subprocess

import mpmath
import numpy as np
import pytest
import torch

from ganreg.ops import bce_with_logits as module
from ganreg.ops import library, sources
from ganreg.ops.bce_with_logits import bce_with_logits, bce_with_logits_pair

TARGETS = (0.0, 0.1, 0.5, 0.9, 1.0)
SAMPLES = 200_000

# significant bits, exponent of the smallest subnormal
FORMATS = {torch.float64: (53, -1074), torch.float32: (24, -149), torch.bfloat16: (8, -133), torch.float16: (11, -24)}

# --- the exact values and the ruler -----------------------------------------------------------------------------------


def exact(x, y):
    """Logits as a wide numpy array -> (loss, derivative, scale of the derivative's error), in that type."""
    e = np.exp(-np.abs(x))
    one = x.dtype.type(1)
    sigma, mirrored = np.where(x >= 0, one, e) / (one + e), np.where(x >= 0, e, one) / (one + e)
    c = np.where(x >= 0, one - y, y)
    loss = np.abs(x) * c + np.log1p(e)
    numerator = np.where(x >= 0, (one - y) - y * e, e * (one - y) - y)
    return loss, numerator / (one + e), np.abs((one - y) * sigma) + np.abs(y * mirrored)


def ulps(got, wanted, dtype, at=None):
    """|got - wanted| in spacings of `dtype` at `at`, else at `wanted`."""
    bits, smallest = FORMATS[dtype]
    exponent = np.frexp(wanted if at is None else at)[1].astype(np.int64) - bits
    spacing = np.ldexp(np.ones_like(wanted), np.maximum(exponent, smallest))
    return np.abs(got.astype(wanted.dtype) - wanted) / spacing


def rounded(y, dtype):
    return torch.tensor(y, dtype=dtype).item()


def test_the_ruler_measures_half_an_ulp_as_half():
    wanted = np.array([1.0, 2.0**-126, 3 * 2.0**-149])
    got = np.array([1.0 + 2.0**-24, 2.0**-126 + 2.0**-149, 2.0**-149])

    assert ulps(got, wanted, torch.float32).tolist() == [0.5, 1.0, 2.0]


def test_the_exact_values_agree_with_mpmath():
    x = np.array([-745.0, -40.3, -1e-9, 0.0, 3e-5, 0.7, 17.3, 700.1], dtype=np.longdouble)
    with mpmath.workdps(350):  # e^-745 beside 1
        for y in TARGETS:
            loss, derivative, _ = exact(x, np.longdouble(y))
            for i, number in enumerate(x):
                z = mpmath.mpf(float(number))
                sigma = 1 / (1 + mpmath.exp(-z))
                wanted_loss = -mpmath.mpf(y) * mpmath.log(sigma) - (1 - mpmath.mpf(y)) * mpmath.log(1 - sigma)
                assert float(loss[i]) == pytest.approx(float(wanted_loss), rel=1e-15)
                assert float(derivative[i]) == pytest.approx(float(sigma - y), rel=1e-14, abs=1e-18 if 0 < y < 1 else 0)


# --- the implementations, element by element --------------------------------------------------------------------------

HARNESS = """
#include "pointwise.h"
extern "C" void losses_double(const double* x, double y, long count, double* loss) {
  const ganreg::BceWithLogits<double> bce{y};
  for (long i = 0; i < count; ++i) loss[i] = bce(x[i]).loss;
}
extern "C" void losses_float(const float* x, float y, long count, float* loss) {
  const ganreg::BceWithLogits<float> bce{y};
  for (long i = 0; i < count; ++i) loss[i] = bce(x[i]).loss;
}
"""


@pytest.fixture(scope="module")
def native_losses(tmp_path_factory):
    """(logits, target) -> the losses of float32 or float64 logits, by the compiled functor."""
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler")
    folder = tmp_path_factory.mktemp("harness")
    (folder / "harness.cpp").write_text(HARNESS)
    library_path = folder / "harness.so"
    command = ["c++", *sources.FLAGS, "-I", sources.folder(), "-shared", folder / "harness.cpp", "-o", library_path]
    subprocess.run(command, check=True)
    loaded = ctypes.CDLL(str(library_path))

    def losses(logits, target):
        logits, out = logits.contiguous(), torch.empty_like(logits)
        name, number = ("double", ctypes.c_double) if logits.dtype == torch.float64 else ("float", ctypes.c_float)
        pointer = ctypes.c_void_p
        arguments = (pointer(logits.data_ptr()), number(target), ctypes.c_long(logits.numel()), pointer(out.data_ptr()))
        getattr(loaded, f"losses_{name}")(*arguments)
        return out

    return losses


@pytest.fixture(params=["native", "reference"])
def losses(request):
    if request.param == "native":
        return request.getfixturevalue("native_losses")
    return lambda logits, target: module._pointwise(logits, target)[0].to(logits.dtype)


@pytest.fixture(params=["native", "reference"])
def derivatives(request):
    """(logits, target) -> derivatives in the logits' dtype: the gradient of the mean, with N taken out exactly."""
    if request.param == "reference":
        return lambda x, y: module._reference_single(x, y, False, float(x.numel()), None)[1]
    assert library.kernel_status().kind != "reference", library.kernel_status().reason
    return lambda x, y: torch.ops.ganreg.bce_with_logits(x, y, False, float(x.numel()), None)[1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_kernel_holds_the_arithmetic_that_is_measured(native_losses, dtype):
    x = samples(dtype)[::400]
    for y in TARGETS:
        wanted = native_losses(x, y)
        got = torch.stack([torch.ops.ganreg.bce_with_logits(one, y, False, 1.0, None)[0] for one in x])
        torch.testing.assert_close(got, wanted, rtol=0, atol=0)


# --- inputs -----------------------------------------------------------------------------------------------------------


def samples(dtype):
    """Random and structured logits: every exponent, and neighbours of each place where a formula changes its face."""
    torch.manual_seed(0)
    far = 760.0 if dtype == torch.float64 else 110.0
    wide = torch.empty(SAMPLES, dtype=torch.float64)
    drawn = [wide.uniform_(-20, 20).clone(), wide.uniform_(-far, far).clone(), 10 ** wide.uniform_(-8, 0).clone()]
    return torch.cat([part.to(dtype) for part in drawn] + [structured(dtype)])


def structured(dtype):
    numpy_type, integer = (np.float64, np.int64) if dtype == torch.float64 else (np.float32, np.int32)
    bits = 52 if dtype == torch.float64 else 23
    exponents = np.arange(0, 2047 if dtype == torch.float64 else 255, dtype=integer) << bits
    ones = (integer(1) << bits) - integer(1)
    mantissas = [integer(0), ones, ones & integer(0x5555555555555 if bits == 52 else 0x555555), integer(123456 % int(ones))]
    every_exponent = np.concatenate([exponents | mantissa for mantissa in mantissas]).view(numpy_type)
    faces = [14.556, 16.636, 17.329, 87.337, 88.723, 103.279, 103.972, 36.737, 708.396, 745.133, 5.545]
    centres = np.array(faces, dtype=numpy_type).view(integer)
    near = (centres[:, None] + np.arange(-16, 17, dtype=integer)).reshape(-1).view(numpy_type)
    far = np.array([501, 1001.2, 13437.7, 4988429.2, 1e20], dtype=numpy_type)
    x = np.concatenate([every_exponent, near, far])
    return torch.from_numpy(np.concatenate([x, -x]))


def every_finite(dtype):
    x = torch.arange(-32768, 32768, dtype=torch.int32).to(torch.int16).view(dtype)
    return x[x.isfinite()]


def wide_numpy(tensor):
    numbers = tensor.double().numpy()
    return numbers.astype(np.longdouble) if tensor.dtype == torch.float64 else numbers


needs_long_double = pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="long double is no wider than float64")
EACH_DTYPE = pytest.mark.parametrize("dtype", [torch.float32, pytest.param(torch.float64, marks=needs_long_double)])

# --- the bars ---------------------------------------------------------------------------------------------------------


@EACH_DTYPE
@pytest.mark.parametrize("target", TARGETS)
def test_a_loss_is_within_three_ulps(losses, dtype, target):
    x = samples(dtype)

    wanted = exact(wide_numpy(x), rounded(target, dtype))[0]

    assert ulps(losses(x, target).numpy(), wanted, dtype).max() <= 3.0


@EACH_DTYPE
@pytest.mark.parametrize("target", TARGETS)
def test_a_derivative_is_within_four_ulps(derivatives, dtype, target):
    x = samples(dtype)

    _, wanted, scale = exact(wide_numpy(x), rounded(target, dtype))

    at = scale if 0 < target < 1 else None
    assert ulps(derivatives(x, target).numpy(), wanted, dtype, at).max() <= 4.0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("target", TARGETS)
def test_every_16_bit_derivative_is_rounded_right(derivatives, dtype, target):
    x = every_finite(dtype)

    _, wanted, scale = exact(wide_numpy(x), rounded(target, dtype))

    at, bar = (scale, 1.0) if 0 < target < 1 else (None, 0.51)
    assert ulps(derivatives(x, target).double().numpy(), wanted, dtype, at).max() <= bar


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("target", TARGETS)
def test_every_16_bit_loss_is_right_once_rounded(losses, dtype, target):
    x, y = every_finite(dtype), rounded(target, dtype)

    wanted = exact(wide_numpy(x), y)[0]

    got = losses(x.float(), y).to(dtype).double().numpy()
    largest = torch.finfo(dtype).max
    assert ulps(got, wanted, dtype)[np.abs(wanted) <= largest].max() <= 0.51


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("target", [0.0, 0.9, 1.0])
def test_the_kernel_reads_every_16_bit_logit_as_its_float32(dtype, target):
    every = torch.arange(-32768, 32768, dtype=torch.int32).to(torch.int16).view(dtype)
    y = rounded(target, dtype)

    narrow = bce_with_logits(every, target=target, scale=65536.0)
    wide = bce_with_logits(every.float(), target=y, scale=65536.0)

    torch.testing.assert_close(narrow.grads[0], wide.grads[0].to(dtype), rtol=0, atol=0, equal_nan=True)
    finite = every[every.isfinite()]
    narrow_value = bce_with_logits(finite, target=target).value
    torch.testing.assert_close(narrow_value, bce_with_logits(finite.float(), target=y).value, rtol=0, atol=0)


@EACH_DTYPE
def test_a_second_derivative_times_what_comes_from_above_is_within_six_ulps(dtype):
    x = samples(dtype)[: 2 * SAMPLES].requires_grad_()
    value = bce_with_logits(x, target=1.0).value
    count = torch.tensor(float(x.numel()), dtype=dtype)
    first = torch.autograd.grad(value, x, count, create_graph=True)[0]

    second = torch.autograd.grad(first, x, torch.ones_like(first))[0]

    z = wide_numpy(x.detach())
    e = np.exp(-np.abs(z))
    assert ulps(second.numpy(), e / (1 + e) ** 2, dtype).max() <= 6.0


@pytest.mark.parametrize(("dtype", "bar"), [(torch.float32, 5.0), (torch.float64, 5.0)])
@pytest.mark.parametrize("scale", [1.0, 0.37, 128.0])
def test_the_gradient_of_a_mean_costs_one_ulp_more(dtype, bar, scale):
    if dtype == torch.float64 and np.finfo(np.longdouble).eps > 1e-18:
        pytest.skip("long double is no wider than float64")
    x = samples(dtype)[:SAMPLES]  # within ±20, so that nothing is subnormal

    got = bce_with_logits(x, target=0.0, scale=scale).grads[0]

    wanted = exact(wide_numpy(x), 0.0)[1] * scale / x.numel()
    assert ulps(got.numpy(), wanted, dtype).max() <= bar


@pytest.mark.parametrize("size", [1, 5000, 1_000_003])
def test_a_float32_mean_is_within_one_ulp_of_the_sum_of_its_elements(native_losses, size):
    x = 3 * torch.randn(size)

    value = bce_with_logits(x, target=1.0).value

    wanted = np.array([math.fsum(native_losses(x, 1.0).tolist()) / size])
    assert ulps(value.numpy().reshape(1), wanted, torch.float32).max() <= 1.0


@pytest.mark.parametrize("size", [4096, 1_000_003])
def test_a_float64_mean_is_within_eight_ulps_of_the_sum_of_its_elements(native_losses, size):
    x = 3 * torch.randn(size, dtype=torch.float64)

    value = bce_with_logits(x, target=1.0).value

    wanted = np.array([math.fsum(native_losses(x, 1.0).tolist()) / size])
    assert ulps(value.numpy().reshape(1), wanted, torch.float64).max() <= 8.0


def test_confident_right_answers_keep_the_gradient_that_torch_loses():
    x = torch.full((4,), 20.0)

    grad = bce_with_logits_pair(x, -x).grads

    assert (torch.sigmoid(x) - 1 == 0).all()  # what torch's own formula makes of the reals
    torch.testing.assert_close(grad[0], torch.full((4,), -math.exp(-20.0) / 4))
    torch.testing.assert_close(grad[1], torch.full((4,), math.exp(-20.0) / 4))
