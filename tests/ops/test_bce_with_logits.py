"""What binary cross-entropy with logits means: values, gradients, statistics, layouts, refusals."""

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganreg.contracts import STATISTICS
from ganreg.ops import bce_with_logits as module
from ganreg.ops import library
from ganreg.ops.bce_with_logits import DTYPES, bce_with_logits, bce_with_logits_pair

INF, NAN = math.inf, math.nan
LN2 = math.log(2.0)
SIZES = (0, 1, 7, 8, 9, 17, 4095, 4096, 4097, 12_289)


@pytest.fixture(params=["native", "reference"])
def single(request):
    """The operator `bce_with_logits` by each implementation, as a function of the schema's arguments."""
    if request.param == "reference":
        return module._reference_single
    assert library.kernel_status().kind != "reference", library.kernel_status().reason
    return torch.ops.ganreg.bce_with_logits


@pytest.fixture(params=["native", "reference"])
def pair(request):
    if request.param == "reference":
        return module._reference_pair
    assert library.kernel_status().kind != "reference", library.kernel_status().reason
    return torch.ops.ganreg.bce_with_logits_pair


def assert_same_bits(got, wanted):
    """Equal bits, except that any nan equals any nan."""
    torch.testing.assert_close(got, wanted, rtol=0, atol=0, equal_nan=True)


def slots(statistics):
    return dict(zip(STATISTICS, statistics.tolist(), strict=True))


# --- values a reader can verify ---------------------------------------------------------------------------------------


def test_an_undecided_discriminator_loses_twice_ln_2():
    result = bce_with_logits_pair(torch.zeros(4), torch.zeros(6))

    assert result.value.item() == pytest.approx(2 * LN2, abs=1e-7)
    assert result.grads[0].tolist() == [-0.125] * 4  # -1/2 over 4 reals
    torch.testing.assert_close(result.grads[1], torch.full((6,), 0.5 / 6))


def test_an_undecided_discriminator_costs_the_generator_ln_2():
    result = bce_with_logits(torch.zeros(2), target=1.0)

    assert result.value.item() == pytest.approx(LN2, abs=1e-7)
    assert result.grads[0].tolist() == [-0.25, -0.25]


def test_ln_3_stands_for_a_probability_of_three_quarters():
    logits = torch.tensor([math.log(3.0)], dtype=torch.float64)

    real = bce_with_logits(logits, target=1.0)
    fake = bce_with_logits(logits, target=0.0)

    assert real.value.item() == pytest.approx(math.log(4 / 3), rel=1e-15)
    assert real.grads[0].item() == pytest.approx(-0.25, rel=1e-15)
    assert fake.value.item() == pytest.approx(math.log(4), rel=1e-15)
    assert fake.grads[0].item() == pytest.approx(0.75, rel=1e-15)


def test_each_side_is_divided_by_its_own_size():
    reals, fakes = torch.tensor([0.0]), torch.tensor([[0.0, 0.0], [0.0, 0.0]])

    result = bce_with_logits_pair(reals, fakes)

    assert result.value.item() == pytest.approx(2 * LN2, abs=1e-7)
    assert result.grads[0].tolist() == [-0.5]
    assert result.grads[1].tolist() == [[0.125, 0.125], [0.125, 0.125]]


def test_the_slots_of_the_statistics():
    result = bce_with_logits_pair(torch.tensor([0.0, 100.0, 100.0, -100.0]), torch.tensor([-100.0, 0.0]))

    assert slots(result.statistics) == {
        "d_real": 0.625,  # (1/2 + 1 + 1 + 0) / 4
        "d_fake": 0.25,
        "real_accuracy": 0.5,  # a logit of 0 is judged neither
        "fake_accuracy": 0.5,
        "real_sign": 0.25,
        "real_logit": 25.0,
        "fake_logit": -50.0,
        "finite": 1.0,
    }


@pytest.mark.parametrize("is_real", [True, False])
def test_one_side_alone_fills_its_own_slots(single, is_real):
    filled = slots(single(torch.tensor([1.0, 3.0]), 1.0, is_real, 1.0, None)[2])

    names = {"d_real", "real_accuracy", "real_sign", "real_logit"} if is_real else {"d_fake", "fake_accuracy", "fake_logit"}
    assert {name for name, value in filled.items() if not math.isnan(value)} == names | {"finite"}
    assert filled["real_logit" if is_real else "fake_logit"] == 2.0
    assert filled["real_accuracy" if is_real else "fake_accuracy"] == float(is_real)


@pytest.mark.parametrize(("logits", "finite"), [([1.0, 2.0], 1.0), ([1.0, NAN], 0.0), ([1.0, INF], 0.0), ([1.0, -INF], 0.0)])
def test_the_finite_flag_sees_every_logit(single, logits, finite):
    assert slots(single(torch.tensor(logits), 0.0, False, 1.0, None)[2])["finite"] == finite


@pytest.mark.parametrize(("real", "fake"), [(INF, 0.0), (0.0, -INF), (NAN, 0.0), (0.0, NAN)])
def test_the_finite_flag_sees_both_sides_even_where_the_value_is_finite(pair, real, fake):
    value, _, _, statistics = pair(torch.tensor([real]), torch.tensor([fake]), 1.0, 0.0, 1.0, None)

    assert value.isfinite() == (not math.isnan(real + fake))
    assert slots(statistics)["finite"] == 0.0


def test_a_value_too_large_for_float32_is_not_finite(pair):
    large = torch.tensor([3e38])

    value, _, _, statistics = pair(-large, large, 1.0, 0.0, 1.0, None)

    assert value.item() == INF
    assert slots(statistics)["finite"] == 0.0


def test_a_mean_is_finite_when_its_sum_is_not(single):
    assert single(torch.full((4,), 3e38), 0.0, False, 1.0, None)[0].item() == pytest.approx(3e38)


# --- special values: x, loss(x, 0), derivative(x, 0) ------------------------------------------------------------------

TINY = 2.0**-149
SPECIAL = [
    (0.0, 0.693147182, 0.5),
    (-0.0, 0.693147182, 0.5),
    (1e-45, 0.693147182, 0.5),
    (-1e-45, 0.693147182, 0.5),
    (-16.64, 5.933898e-08, 5.93389764e-08),
    (-17.4, 2.77508434e-08, 2.77508416e-08),
    (-87.3, 1.21924331e-38, 1.21924331e-38),
    (-88.0, 6.05460149e-39, 6.05460149e-39),
    (-88.8, 2.72049906e-39, 2.72049906e-39),
    (-103.9, TINY, TINY),
    (-103.97, TINY, TINY),
    (-104.0, 0.0, 0.0),
    (-1e4, 0.0, 0.0),
    (-3e38, 0.0, 0.0),
    (88.0, 88.0, 1.0),
    (104.0, 104.0, 1.0),
    (3e38, 3e38, 1.0),
    (INF, INF, 1.0),
    (-INF, 0.0, 0.0),
    (NAN, NAN, NAN),
]


@pytest.mark.parametrize(("x", "loss", "derivative"), SPECIAL)
def test_special_values_and_their_mirror_images(single, x, loss, derivative):
    value, grad, _ = single(torch.tensor([x]), 0.0, False, 1.0, None)
    mirrored_value, mirrored_grad, _ = single(torch.tensor([-x]), 1.0, False, 1.0, None)

    assert value.item() == pytest.approx(loss, rel=4e-7, abs=2 * TINY, nan_ok=True)
    assert grad.item() == pytest.approx(derivative, rel=4e-7, abs=2 * TINY, nan_ok=True)
    assert (loss == 0.0) == (value.item() == 0.0)
    assert (derivative == 0.0) == (grad.item() == 0.0)
    assert_same_bits(mirrored_value, value)
    assert_same_bits(mirrored_grad, -grad)


@pytest.mark.parametrize(("x", "derivative"), [(INF, 0.75), (-INF, -0.25)])
def test_a_soft_target_makes_an_infinite_logit_infinitely_wrong(single, x, derivative):
    value, grad, _ = single(torch.tensor([x]), 0.25, False, 1.0, None)

    assert value.item() == INF
    assert grad.item() == derivative


def test_a_nan_target_stays_a_nan(single):
    value, grad, _ = single(torch.tensor([1.0, -1.0]), NAN, False, 1.0, None)

    assert value.isnan()
    assert grad.isnan().all()


def test_the_largest_float16_numbers_are_finite(single):
    value, grad, _ = single(torch.tensor([65504.0, -65504.0], dtype=torch.float16), 0.0, False, 2.0, None)

    assert value.item() == 32752.0
    assert grad.tolist() == [1.0, 0.0]


def test_a_target_is_rounded_to_the_dtype_of_the_logits(single):
    logits = torch.tensor([0.0], dtype=torch.bfloat16)

    grad = single(logits, 0.9, False, 1.0, None)[1]

    assert grad.item() == 0.5 - torch.tensor(0.9, dtype=torch.bfloat16).item()


def test_targets_outside_0_and_1_are_allowed_as_in_torch(single):
    x = torch.linspace(-5, 5, 101, dtype=torch.float64, requires_grad=True)
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(x, torch.full_like(x, 1.5))
    wanted.backward()

    value, grad, _ = single(x.detach(), 1.5, False, 1.0, None)

    torch.testing.assert_close(value, wanted.detach())
    torch.testing.assert_close(grad, x.grad)


# --- scale ------------------------------------------------------------------------------------------------------------


def test_only_the_gradients_carry_the_scale(pair):
    real, fake = torch.randn(10), torch.randn(6)

    plain = pair(real, fake, 0.9, 0.1, 1.0, None)
    scaled = pair(real, fake, 0.9, 0.1, 8.0, None)

    assert_same_bits(scaled[0], plain[0])
    assert_same_bits(scaled[1], 8 * plain[1])
    assert_same_bits(scaled[2], 8 * plain[2])
    assert_same_bits(scaled[3], plain[3])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_scale_on_the_device_gives_the_bits_of_the_number(dtype):
    real, fake = torch.randn(10), torch.randn(6)

    number = bce_with_logits_pair(real, fake, scale=0.3125)
    tensor = bce_with_logits_pair(real, fake, scale=torch.tensor(0.3125, dtype=dtype))

    for got, wanted in zip(tensor.grads, number.grads, strict=True):
        assert_same_bits(got, wanted)


def test_a_16_bit_gradient_is_rounded_after_it_was_scaled(single):
    logits = torch.full((4096,), -12.0, dtype=torch.float16)

    grad = single(logits, 0.0, False, 4096.0, None)[1]  # 6e-6 / 4096 alone would be 0 in float16

    torch.testing.assert_close(grad, torch.full_like(grad, 1 / (1 + math.exp(12.0))), rtol=2**-6, atol=0)
    assert grad[0] > 0


# --- native against the reference -------------------------------------------------------------------------------------

TOLERANCE = {torch.float64: 1e-14, torch.float32: 1e-6, torch.bfloat16: 2**-8, torch.float16: 2**-10}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_the_native_kernel_agrees_with_the_reference(dtype, size):
    torch.manual_seed(size)
    real, fake = (4 * torch.randn(2, size)).to(dtype)
    arguments = (real, fake[: size // 2], 0.9, 0.0, 0.5, None)

    native = torch.ops.ganreg.bce_with_logits_pair(*arguments)
    reference = module._reference_pair(*arguments)

    assert [tensor.dtype for tensor in native] == [tensor.dtype for tensor in reference]
    wide = max(TOLERANCE[torch.float64 if dtype == torch.float64 else torch.float32], 1e-14)
    torch.testing.assert_close(native[0], reference[0], rtol=wide, atol=0, equal_nan=True)
    for got, wanted in zip(native[1:3], reference[1:3], strict=True):
        torch.testing.assert_close(got, wanted, rtol=TOLERANCE[dtype], atol=1e-7 if dtype == torch.float16 else 1e-9)
    torch.testing.assert_close(native[3], reference[3], rtol=1e-5, atol=1e-6, equal_nan=True)


def test_the_schemas_are_what_the_library_serves():
    for name in ("bce_with_logits_pair", "bce_with_logits", "bce_with_logits_backward"):
        operator = getattr(torch.ops.ganreg, name).default
        library.kernel_status()
        assert operator.has_kernel_for_dispatch_key(torch._C.DispatchKey.CPU), name


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_empty_side_makes_the_value_nan_and_keeps_the_other_gradient(pair, dtype):
    value, grad_real, grad_fake, statistics = pair(
        torch.empty(0, 3, dtype=dtype), torch.zeros(2, dtype=dtype), 1.0, 0.0, 1.0, None
    )

    assert value.isnan()
    assert grad_real.shape == (0, 3)
    assert grad_fake.tolist() == [0.25, 0.25]
    assert slots(statistics)["finite"] == 0.0
    assert math.isnan(slots(statistics)["d_real"])
    assert slots(statistics)["d_fake"] == 0.5


# --- properties -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_fake_is_the_mirror_image_of_a_real_bit_for_bit(single, dtype):
    x = (20 * torch.randn(5000, dtype=torch.float64)).to(dtype)

    value, grad, _ = single(x, 0.0, False, 1.0, None)
    mirrored_value, mirrored_grad, _ = single(-x, 1.0, True, 1.0, None)

    assert_same_bits(mirrored_value, value)
    assert_same_bits(mirrored_grad, -grad)


@pytest.mark.parametrize("target", [0.0, 0.3, 0.5, 1.0])
def test_no_loss_is_negative(single, target):
    for x in torch.linspace(-110, 110, 221):
        assert single(x, target, False, 1.0, None)[0] >= 0.0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_a_larger_logit_never_has_a_smaller_derivative(single, dtype, target):
    x = torch.arange(-32768, 32768, dtype=torch.int32).to(torch.int16).view(dtype)
    x = x[x.isfinite()].sort().values

    grad = single(x, target, False, float(x.numel()), None)[1].to(torch.float32)

    assert (grad.diff() >= 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_element_has_the_same_bits_wherever_it_stands(single, dtype):
    x = (5 * torch.randn(9000, dtype=torch.float64)).to(dtype)
    order = torch.randperm(9000)

    grad = single(x, 0.1, False, 9000.0, None)[1]

    assert_same_bits(single(x[order], 0.1, False, 9000.0, None)[1], grad[order])


# --- layouts ----------------------------------------------------------------------------------------------------------


def every_layout():
    torch.manual_seed(0)
    base = torch.randn(6, 5, 4, 3)
    return {
        "transposed": base.transpose(0, 3),
        "every second": base[::2, :, ::3],
        "expanded": torch.randn(5, 1).expand(5, 4),
        "one element repeated": torch.randn(()).expand(4097),
        "overlapping": torch.as_strided(torch.randn(30), (6, 6), (2, 3)),
        "offset": torch.randn(5000)[3:4500],
        "channels last": base.contiguous(memory_format=torch.channels_last),
        "zero-dimensional": torch.randn(()),
        "flipped": base.flip(1),
        "negative bit": torch.randn(4, 4, dtype=torch.complex64).conj().imag,
        "empty": base[:0].transpose(0, 1),
    }


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", every_layout())
def test_a_strided_tensor_has_the_bits_of_its_contiguous_copy(pair, dtype, layout):
    logits = every_layout()[layout].to(dtype)
    other = torch.randn(7).to(dtype)
    copy = logits.clone(memory_format=torch.contiguous_format).resolve_neg()

    for first, wanted in ((logits, copy), (other, other)):
        second, wanted_second = (other, other) if first is logits else (logits, copy)
        outputs = pair(first, second, 1.0, 0.0, 1.0, None)
        for got, expected in zip(outputs, pair(wanted, wanted_second, 1.0, 0.0, 1.0, None), strict=True):
            assert_same_bits(got, expected)
            assert got.is_contiguous()


@settings(max_examples=100, deadline=None)
@given(size=st.integers(1, 129), offset=st.integers(0, 9), step=st.integers(1, 3), dtype=st.sampled_from(DTYPES))
def test_every_tail_offset_and_step_gives_the_bits_of_a_single_element(size, offset, step, dtype):
    base = torch.linspace(-30, 30, 600, dtype=torch.float64).to(dtype)
    logits = base[offset : offset + size * step : step]

    grad = bce_with_logits(logits, target=0.9, scale=float(size)).grads[0]

    last = bce_with_logits(logits[-1], target=0.9).grads[0]
    assert_same_bits(grad[-1], last)


# --- determinism ------------------------------------------------------------------------------------------------------


def everything(real, fake):
    result = bce_with_logits_pair(real, fake)
    return b"".join(tensor.numpy().tobytes() for tensor in (result.value, *result.grads, result.statistics))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_bits_do_not_depend_on_the_number_of_threads(dtype):
    torch.manual_seed(0)
    inputs = [(torch.randn(size, dtype=dtype), torch.randn(size // 3, dtype=dtype)) for size in range(5000, 150_000, 9973)]
    before = torch.get_num_threads()
    seen = set()
    try:
        for threads in (1, 2, 3, 4, 8):
            torch.set_num_threads(threads)
            seen.add(b"".join(everything(*pair) for pair in inputs))
    finally:
        torch.set_num_threads(before)

    assert len(seen) == 1


def test_eight_python_threads_at_once_get_the_same_bits():
    real, fake = torch.randn(50_000), torch.randn(20_000)

    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(lambda _: everything(real, fake), range(64)))

    assert len(seen) == 1


def test_flushing_subnormals_changes_nothing_above_them():
    x = torch.arange(-32768, 32768, dtype=torch.int32).to(torch.int16).view(torch.float16)
    x = x[x.isfinite()][:4096]
    usual = bce_with_logits(x, target=0.0, scale=4096.0)
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormal numbers")
    try:
        flushed = bce_with_logits(x, target=0.0, scale=4096.0)
    finally:
        torch.set_flush_denormal(False)

    assert_same_bits(flushed.value, usual.value)
    assert_same_bits(flushed.grads[0], usual.grads[0])


# --- derivatives ------------------------------------------------------------------------------------------------------


def test_the_value_is_differentiable_and_gives_the_bits_of_the_fused_gradients():
    real, fake = torch.randn(5, requires_grad=True), torch.randn(3, 2, requires_grad=True)

    result = bce_with_logits_pair(real, fake, real_target=0.9)
    result.value.backward()

    assert_same_bits(real.grad, result.grads[0])
    assert_same_bits(fake.grad, result.grads[1])


@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_first_and_second_derivatives_of_both_forms(target):
    torch.manual_seed(0)
    real = torch.tensor([0.0, -3.0, 2.0, 0.5], dtype=torch.float64, requires_grad=True)
    fake = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)

    def both(a, b):
        return bce_with_logits_pair(a, b, real_target=target, fake_target=0.2).value * 3

    def one(a):
        return bce_with_logits(a, target=target).value.square()

    assert torch.autograd.gradcheck(both, (real, fake), nondet_tol=0.0)
    assert torch.autograd.gradgradcheck(both, (real, fake), nondet_tol=0.0)
    assert torch.autograd.gradcheck(one, (real,), nondet_tol=0.0)
    assert torch.autograd.gradgradcheck(one, (real,), nondet_tol=0.0)


def test_derivatives_of_order_two_to_four_at_zero_and_elsewhere():
    x = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    derivatives = [bce_with_logits(x, target=1.0).value]
    for _ in range(4):
        derivatives += torch.autograd.grad(derivatives[-1], x, create_graph=True)

    got = [derivative.item() for derivative in derivatives[1:]]
    assert got == pytest.approx([-0.5, 0.25, 0.0, -0.125], abs=1e-15)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_16_bit_second_derivative_is_that_of_float32_rounded(dtype):
    x = torch.linspace(-8, 8, 65).to(dtype).requires_grad_()
    first = torch.autograd.grad(bce_with_logits(x, target=1.0).value, x, create_graph=True)[0]

    second = torch.autograd.grad(first.sum(), x)[0]

    sigma = x.detach().double().sigmoid()
    torch.testing.assert_close(second, (sigma * (1 - sigma) / 65).to(dtype), rtol=2**-7, atol=2**-24)


def test_the_fused_gradients_and_statistics_are_not_differentiable():
    real = torch.randn(4, requires_grad=True)

    result = bce_with_logits_pair(real, torch.randn(4))

    assert result.value.requires_grad
    assert not any(tensor.requires_grad for tensor in (*result.grads, result.statistics))
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.autograd.grad(result.grads[0].sum(), real)


def test_only_the_side_that_asks_gets_a_gradient():
    real, fake = torch.randn(4), torch.randn(4, requires_grad=True)

    bce_with_logits_pair(real, fake).value.backward()

    assert real.grad is None
    assert fake.grad is not None


def test_an_in_place_edit_before_backward_is_refused():
    real = torch.randn(4, requires_grad=True).clone()
    value = bce_with_logits_pair(real, torch.randn(4)).value
    real.add_(1.0)

    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.backward()


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # torch's own, on its first forward derivative
def test_forward_mode_is_refused():
    forward_ad = torch.autograd.forward_ad
    with forward_ad.dual_level():
        logits = forward_ad.make_dual(torch.randn(3), torch.ones(3))
        with pytest.raises(NotImplementedError, match="the logits carry a forward-mode tangent"):
            bce_with_logits(logits, target=1.0)
    with pytest.raises(NotImplementedError, match="the logits carry a forward-mode tangent"):
        torch.func.jvp(lambda x: bce_with_logits(x, target=1.0).value, (torch.randn(3),), (torch.ones(3),))


def test_vmap_gives_what_a_loop_gives():
    logits = torch.randn(3, 5)

    got = torch.func.vmap(lambda x: bce_with_logits(x, target=1.0).value)(logits)

    assert_same_bits(got, torch.stack([bce_with_logits(x, target=1.0).value for x in logits]))


def test_autocast_leaves_16_bit_logits_the_value_of_float32():
    logits = torch.randn(100).to(torch.bfloat16)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = bce_with_logits(logits, target=1.0).value

    assert_same_bits(value, bce_with_logits(logits.float(), target=1.0).value)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64, torch.uint8])
def test_logits_that_are_not_floating_point_are_refused(dtype):
    name = str(dtype).removeprefix("torch.")
    bad, good = torch.zeros(3, dtype=dtype), torch.zeros(3)

    with pytest.raises(TypeError, match=f"expected logits of float64, float32, bfloat16 or float16, got {name}"):
        bce_with_logits(bad, target=1.0)
    with pytest.raises(TypeError, match=f"expected real logits of .*, got {name}"):
        bce_with_logits_pair(bad, good)
    with pytest.raises(TypeError, match=f"expected fake logits of .*, got {name}"):
        bce_with_logits_pair(good, bad)


def test_two_dtypes_are_refused():
    with pytest.raises(TypeError, match="expected real and fake logits of one dtype, got float32 and float64"):
        bce_with_logits_pair(torch.zeros(3), torch.zeros(3, dtype=torch.float64))


def test_two_devices_are_refused():
    with pytest.raises(ValueError, match="expected real and fake logits on one device, got cpu and meta"):
        bce_with_logits_pair(torch.zeros(3), torch.zeros(3, device="meta"))


def test_a_scale_of_several_numbers_is_refused():
    with pytest.raises(ValueError, match=r"expected scale to be a number or a 0-dim tensor, got a tensor of shape \[1\]"):
        bce_with_logits(torch.zeros(3), target=1.0, scale=torch.ones(1))


def test_an_integer_scale_tensor_is_refused():
    with pytest.raises(TypeError, match="expected scale of float32 or float64, got int64"):
        bce_with_logits(torch.zeros(3), target=1.0, scale=torch.tensor(2))


def test_a_scale_on_another_device_is_refused():
    with pytest.raises(ValueError, match="expected scale on the logits' device cpu, got meta"):
        bce_with_logits(torch.zeros(3), target=1.0, scale=torch.ones((), device="meta"))


def test_the_native_operator_checks_what_reaches_it_without_the_public_face():
    library.kernel_status()
    operators = torch.ops.ganreg
    x = torch.zeros(3)

    with pytest.raises(RuntimeError, match="expected logits of float64, float32, bfloat16 or float16, got Long"):
        operators.bce_with_logits(x.long(), 1.0, False, 1.0, None)
    with pytest.raises(RuntimeError, match="expected real and fake logits of one dtype, got Float and Double"):
        operators.bce_with_logits_pair(x, x.double(), 1.0, 0.0, 1.0, None)
    with pytest.raises(RuntimeError, match="expected scale to be a 0-dim tensor, got 1 dimensions"):
        operators.bce_with_logits(x, 1.0, False, 1.0, torch.ones(1))
    with pytest.raises(RuntimeError, match="expected scale of float64 or float32, got Long"):
        operators.bce_with_logits(x, 1.0, False, 1.0, torch.tensor(1))


# --- tracing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["contiguous", "strided", "0-dim", "empty", "requires_grad"])
def test_the_operators_pass_opcheck(dtype, layout):
    shapes = {"0-dim": (), "empty": (0, 2)}
    logits = torch.linspace(-3, 3, 12).reshape(4, 3).to(dtype)
    logits = logits.t() if layout == "strided" else torch.zeros(shapes[layout], dtype=dtype) if layout in shapes else logits
    if layout == "requires_grad":
        logits = logits.requires_grad_()
    scale = torch.tensor(0.5)
    # The last check compares outputs without letting a nan equal itself: it cannot pass where a slot is nan by design.
    by_shape = ("test_schema", "test_autograd_registration", "test_faketensor")
    checks = by_shape if layout == "empty" else (*by_shape, "test_aot_dispatch_dynamic")

    operators = torch.ops.ganreg
    pair_arguments = (logits, logits.detach() + 1, 1.0, 0.0, 2.0, None)
    torch.library.opcheck(operators.bce_with_logits_pair.default, pair_arguments, test_utils=checks)
    torch.library.opcheck(operators.bce_with_logits.default, (logits, 1.0, False, 1.0, scale), test_utils=by_shape)
    backward_arguments = (logits, torch.tensor(1.0), 0.9)
    torch.library.opcheck(operators.bce_with_logits_backward.default, backward_arguments, test_utils=checks)


@pytest.mark.parametrize("dynamic", [False, True])
def test_both_forms_compile_into_one_graph(dynamic):
    def both(real, fake):
        result = bce_with_logits_pair(real, fake, scale=0.5)
        single = bce_with_logits(fake, target=1.0)
        return result.value + single.value, *result.grads, *single.grads, result.statistics, single.statistics

    compiled = torch.compile(both, fullgraph=True, dynamic=dynamic, backend="aot_eager")
    for size in (5, 9):
        real, fake = torch.randn(size, requires_grad=True), torch.randn(size, 2, requires_grad=True)
        wanted, got = both(real, fake), compiled(real, fake)

        for a, b in zip(got, wanted, strict=True):
            assert_same_bits(a, b)
        assert_same_bits(torch.autograd.grad(got[0], fake)[0], torch.autograd.grad(wanted[0], fake)[0])


def test_a_meta_tensor_gives_shapes_alone():
    result = bce_with_logits_pair(torch.empty(4, 1, device="meta"), torch.empty(6, device="meta"))

    assert result.value.device.type == "meta"
    assert [grad.shape for grad in result.grads] == [(4, 1), (6,)]
    assert result.statistics.shape == (len(STATISTICS),)
