"""What the fused losses mean: values, gradients, statistics, the reference beside them."""

import math
import re

import pytest
import torch
from torch.nn import functional as F

from ganreg.ops import library, reference, sources
from ganreg.ops.pointwise_loss import DTYPES, pointwise_loss, pointwise_loss_pair
from tests.ops.losses import SIZES, assert_same_bits, slots

INF, NAN = math.inf, math.nan
LN2 = math.log(2.0)


# --- values a reader can verify ---------------------------------------------------------------------------------------


def test_an_undecided_discriminator_loses_twice_ln_2():
    result = pointwise_loss_pair(torch.zeros(4), torch.zeros(6))

    assert result.value.item() == pytest.approx(2 * LN2, abs=1e-7)
    assert result.grads[0].tolist() == [-0.125] * 4  # -1/2 over 4 reals
    torch.testing.assert_close(result.grads[1], torch.full((6,), 0.5 / 6))


def test_an_undecided_discriminator_costs_the_generator_ln_2():
    result = pointwise_loss(torch.zeros(2), target=1.0)

    assert result.value.item() == pytest.approx(LN2, abs=1e-7)
    assert result.grads[0].tolist() == [-0.25, -0.25]


def test_ln_3_stands_for_a_probability_of_three_quarters():
    logits = torch.tensor([math.log(3.0)], dtype=torch.float64)

    real = pointwise_loss(logits, target=1.0)
    fake = pointwise_loss(logits, target=0.0)

    assert real.value.item() == pytest.approx(math.log(4 / 3), rel=1e-15)
    assert real.grads[0].item() == pytest.approx(-0.25, rel=1e-15)
    assert fake.value.item() == pytest.approx(math.log(4), rel=1e-15)
    assert fake.grads[0].item() == pytest.approx(0.75, rel=1e-15)


def test_each_side_is_divided_by_its_own_size():
    reals, fakes = torch.tensor([0.0]), torch.tensor([[0.0, 0.0], [0.0, 0.0]])

    result = pointwise_loss_pair(reals, fakes)

    assert result.value.item() == pytest.approx(2 * LN2, abs=1e-7)
    assert result.grads[0].tolist() == [-0.5]
    assert result.grads[1].tolist() == [[0.125, 0.125], [0.125, 0.125]]


def test_the_slots_of_the_statistics():
    result = pointwise_loss_pair(torch.tensor([0.0, 100.0, 100.0, -100.0]), torch.tensor([-100.0, 0.0]))

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


def test_the_flag_of_losses_that_are_not_reduced_looks_at_their_sum(kernel):
    operator = reference.pointwise_loss if kernel == "reference" else torch.ops.ganreg.pointwise_loss

    for logits, finite in (([3e38], 1.0), ([3e38, 3e38], 0.0)):
        assert slots(operator(torch.tensor(logits), "bce", 0.0, False, 1.0, None, "none")[2])["finite"] == finite


def test_a_mean_is_finite_when_its_sum_is_not(single):
    assert single(torch.full((4,), 3e38), 0.0, False, 1.0, None)[0].item() == pytest.approx(3e38)


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


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_margin_that_rounds_to_zero_keeps_its_side(kernel, dtype):
    operator = reference.pointwise_loss if kernel == "reference" else torch.ops.ganreg.pointwise_loss
    x = torch.tensor([-2.0, 2.0], dtype=dtype)

    real = operator(x, "hinge", 5e-324, True, 1.0, None, "sum")
    fake = operator(x, "hinge", -5e-324, False, 1.0, None, "sum")
    tensor = operator(x, "hinge", 0.0, False, 1.0, None, "sum", 1.0, torch.full_like(x, -0.0))

    assert real[1].tolist() == [-1.0, 0.0]
    assert fake[1].tolist() == tensor[1].tolist() == [0.0, 1.0]
    assert real[0].item() == fake[0].item() == tensor[0].item() == 2.0


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

    number = pointwise_loss_pair(real, fake, scale=0.3125)
    tensor = pointwise_loss_pair(real, fake, scale=torch.tensor(0.3125, dtype=dtype))

    for got, wanted in zip(tensor.grads, number.grads, strict=True):
        assert_same_bits(got, wanted)


def test_a_16_bit_gradient_is_rounded_after_it_was_scaled(single):
    logits = torch.full((4096,), -12.0, dtype=torch.float16)

    grad = single(logits, 0.0, False, 4096.0, None)[1]  # 6e-6 / 4096 alone would be 0 in float16

    torch.testing.assert_close(grad, torch.full_like(grad, 1 / (1 + math.exp(12.0))), rtol=2**-6, atol=0)
    assert grad[0] > 0


# --- native against the reference -------------------------------------------------------------------------------------

TOLERANCE = {torch.float64: 1e-13, torch.float32: 1e-6, torch.bfloat16: 2**-8, torch.float16: 2**-10}
LOSSES = tuple(reference.FORMULAS)
REST = {
    "constant": {},
    "sum": {"reduction": "sum"},
    "none": {"reduction": "none"},
    "targets": {"targets": 1},
    "weights": {"weights": 2, "reduction": "sum"},
    "both, none": {"targets": 1, "weights": 2, "reduction": "none"},
}


def assert_close_to_reference(native, wanted, dtype):
    assert [tensor.dtype for tensor in native] == [tensor.dtype for tensor in wanted]
    wide = 1e-13 if dtype == torch.float64 else 1e-6
    for place, (got, right) in enumerate(zip(native, wanted, strict=True)):
        is_statistics = place == len(native) - 1
        rtol = 1e-5 if is_statistics else TOLERANCE[dtype] if got.dtype == dtype else wide
        torch.testing.assert_close(got, right, rtol=rtol, atol=1e-6 if dtype != torch.float64 else 1e-12, equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("loss", LOSSES)
def test_both_sides_agree_with_the_reference(variant, loss, dtype, size):
    torch.manual_seed(size)
    real, fake = (4 * torch.randn(2, size)).to(dtype)
    arguments = (real, fake[: size // 2], loss, 0.9, -0.5, 0.5)

    native = torch.ops.ganreg.pointwise_loss_pair(*arguments)

    assert_close_to_reference(native, reference.pointwise_loss_pair(*arguments), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rest", REST)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("size", [3, 4097])
def test_targets_weights_and_reductions_agree_with_the_reference(variant, loss, rest, dtype, size):
    torch.manual_seed(0)
    drawn = [(4 * torch.randn(size)).to(dtype), torch.rand(size).to(dtype), torch.rand(size).to(dtype)]
    keywords = {name: drawn[value] if isinstance(value, int) else value for name, value in REST[rest].items()}
    arguments = (drawn[0], loss, 0.9, True, 0.5)

    native = torch.ops.ganreg.pointwise_loss(*arguments, **keywords)

    assert_close_to_reference(native, reference.pointwise_loss(*arguments, **keywords), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_a_certain_target_takes_a_shorter_way_to_the_numbers_of_a_tensor_of_it(variant, dtype, target):
    torch.manual_seed(0)
    special = [0.0, -0.0, INF, -INF, NAN, 1e-30, -1e-30, 88.0, -104.0, 6e4, -6e4]
    logits = torch.cat([torch.tensor(special), 20 * torch.randn(5000)]).to(dtype)
    short = torch.ops.ganreg.pointwise_loss(logits, "bce", target, True, 1.0, reduction="none")
    long = torch.ops.ganreg.pointwise_loss(
        logits, "bce", 0.5, True, 1.0, reduction="none", targets=torch.full_like(logits, target)
    )

    for got, wanted in zip(short, long, strict=True):
        assert_same_bits(got, wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("target", [0.0, 1.0, 0.25])
def test_a_positive_weight_agrees_with_the_reference_and_torch(kernel, dtype, target):
    x = torch.linspace(-9, 9, 101).to(dtype)
    operator = reference.pointwise_loss if kernel == "reference" else torch.ops.ganreg.pointwise_loss

    value, grad, _ = operator(x, "bce", target, True, 1.0, None, "mean", 3.0)

    wide = x.double().requires_grad_()
    wanted = F.binary_cross_entropy_with_logits(wide, torch.full_like(wide, target), pos_weight=torch.tensor(3.0).double())
    wanted.backward()
    torch.testing.assert_close(value.double(), wanted.detach(), rtol=1e-6, atol=0)
    torch.testing.assert_close(grad.double(), wide.grad, rtol=TOLERANCE[dtype], atol=1e-7)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_pairs_agree_with_the_reference(variant, dtype, size, reduction):
    torch.manual_seed(size)
    real, fake = (4 * torch.randn(2, size)).to(dtype)
    for loss in LOSSES:
        arguments = (real, fake, loss, 1.0, 0.5, None, reduction)
        native = torch.ops.ganreg.paired_loss(*arguments)
        assert_close_to_reference(native, reference.paired_loss(*arguments), dtype)


def test_the_relativistic_pair_by_hand(kernel):
    real, fake = torch.tensor([1.0, 0.0]), torch.tensor([1.0, math.log(3.0)])
    operator = reference.paired_loss if kernel == "reference" else torch.ops.ganreg.paired_loss

    value, grad_real, grad_fake, statistics = operator(real, fake, "bce", 1.0, 1.0)

    assert value.item() == pytest.approx((LN2 + math.log(4.0)) / 2)  # softplus(-0), softplus(ln 3)
    torch.testing.assert_close(grad_real, torch.tensor([-0.25, -0.375]))  # -1/2 and -3/4, over 2
    assert_same_bits(grad_fake, -grad_real)
    assert slots(statistics)["real_logit"] == 0.5
    assert slots(statistics)["fake_accuracy"] == 0.0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("loss", LOSSES)
def test_derivatives_agree_with_the_reference(variant, loss, order, dtype):
    torch.manual_seed(0)
    x, y, w, factors = (3 * torch.randn(4, 4099)).to(dtype)
    derivative = torch.ops.ganreg.pointwise_derivative
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    for factor in (factors, torch.tensor(0.7, dtype=wide)):
        for rest in ((loss, 0.9), (loss, 0.0, 1.0, y, w)):
            got, wanted = derivative(x, factor, order, *rest), reference.pointwise_derivative(x, factor, order, *rest)
            torch.testing.assert_close(got, wanted, rtol=4 * TOLERANCE[dtype], atol=2e-6 if dtype != torch.float64 else 1e-12)


def test_the_library_knows_the_losses_that_the_reference_knows():
    library.kernel_status()
    for loss in LOSSES:
        torch.ops.ganreg.pointwise_loss(torch.zeros(1), loss, 1.0, True, 1.0)
    named = re.findall(r'each\(\w+, "([\w-]+)"\)', (sources.folder() / "pointwise.h").read_text())
    assert named == list(LOSSES)


def test_the_library_serves_every_operator():
    library.kernel_status()
    names = [name.rpartition("::")[2] for name in torch._C._dispatch_get_all_op_names() if name.startswith("ganreg::")]
    served = {name for name in names if not name.startswith("_")}
    assert len(served) == 7
    for name in served:
        operator = getattr(torch.ops.ganreg, name).default
        assert operator.has_kernel_for_dispatch_key(torch._C.DispatchKey.CPU), name
