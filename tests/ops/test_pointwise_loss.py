"""What the fused losses mean: values, gradients, statistics, layouts, refusals."""

import math
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from ganreg.contracts import STATISTICS
from ganreg.errors import UsageError
from ganreg.ops import library, reference, sources
from ganreg.ops.pointwise_loss import DTYPES, paired_loss, pointwise_loss, pointwise_loss_pair

INF, NAN = math.inf, math.nan
LN2 = math.log(2.0)
SIZES = (0, 1, 7, 8, 9, 17, 4095, 4096, 4097, 12_289)


@pytest.fixture
def single(kernel):
    """Binary cross-entropy of one side by each implementation: (logits, target, is_real, scale, scale_tensor)."""
    operator = reference.pointwise_loss if kernel == "reference" else torch.ops.ganreg.pointwise_loss
    return lambda logits, *rest: operator(logits, "bce", *rest)


@pytest.fixture
def pair(kernel):
    """Binary cross-entropy of both sides: (real, fake, real_target, fake_target, scale, scale_tensor)."""
    operator = reference.pointwise_loss_pair if kernel == "reference" else torch.ops.ganreg.pointwise_loss_pair
    return lambda real, fake, *rest: operator(real, fake, "bce", *rest)


def assert_same_bits(got, wanted):
    """Equal bits, except that any nan equals any nan."""
    torch.testing.assert_close(got, wanted, rtol=0, atol=0, equal_nan=True)


def slots(statistics):
    return dict(zip(STATISTICS, statistics.tolist(), strict=True))


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


# --- in place ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["offset", "transposed", "every second", "channels last", "zero-dimensional", "empty"])
def test_the_in_place_form_leaves_the_gradient_where_the_logits_were(kernel, layout, monkeypatch):
    if kernel == "reference":
        monkeypatch.setattr(library, "_native_kernel_serves", lambda *_: False)
    logits = torch.empty(0, 3) if layout == "empty" else every_layout()[layout].clone(memory_format=torch.preserve_format)
    other = torch.randn(9)
    wanted = pointwise_loss_pair(logits.clone(), other.clone(), scale=2.0)
    version, at = logits._version, logits.data_ptr()

    result = pointwise_loss_pair(logits, other, scale=2.0, in_place=True)

    assert result.grads[0] is logits
    assert result.grads[1] is other
    assert logits.data_ptr() == at
    for got, right in zip((result.value, *result.grads, result.statistics), (wanted[0], *wanted[1], wanted[2]), strict=True):
        assert_same_bits(got, right)
    assert logits._version > version


def test_each_operator_has_its_in_place_form(kernel):
    logits, other = torch.randn(5000), torch.randn(5000)
    single, pairs = pointwise_loss(logits, target=1.0), paired_loss(logits, other)

    in_place_single = pointwise_loss(logits.clone(), target=1.0, in_place=True)
    in_place_pairs = paired_loss(logits.clone(), other.clone(), in_place=True)

    assert_same_bits(in_place_single.grads[0], single.grads[0])
    assert_same_bits(in_place_single.value, single.value)
    for got, wanted in zip(in_place_pairs.grads, pairs.grads, strict=True):
        assert_same_bits(got, wanted)


def test_a_graph_that_needs_the_logits_notices_that_they_are_gone():
    x = torch.randn(4, requires_grad=True)
    logits = x.exp()  # saves its result
    with torch.no_grad():
        pointwise_loss(logits.detach(), target=1.0, in_place=True)

    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        logits.sum().backward()


def test_logits_that_require_a_gradient_are_not_overwritten():
    logits = torch.randn(3, requires_grad=True)

    with pytest.raises(RuntimeError, match="pointwise_loss_ overwrites logits that require a gradient"):
        pointwise_loss(logits, target=1.0, in_place=True)
    with pytest.raises(RuntimeError, match="pointwise_loss_pair_ overwrites logits that require a gradient"):
        torch.ops.ganreg.pointwise_loss_pair_(torch.randn(3), logits, "bce", 1.0, 0.0, 1.0)


@pytest.mark.parametrize("bad", [torch.zeros(1).expand(4), torch.zeros(9).as_strided((3, 3), (1, 2))])
def test_logits_that_share_memory_are_not_overwritten(bad):
    with pytest.raises(ValueError, match="expected logits that do not share memory for the in-place form"):
        pointwise_loss(bad, target=1.0, in_place=True)


def test_a_target_weight_or_scale_inside_the_logits_is_refused_in_place():
    both = torch.randn(9)

    for bad in ({"target": both[1:]}, {"target": 1.0, "weight": both[1:]}, {"target": 1.0, "scale": both[3]}):
        with pytest.raises(ValueError, match="expected targets, weights and scale that do not overlap the logits"):
            pointwise_loss(both[:-1], in_place=True, **bad)


def test_sides_that_share_memory_are_not_overwritten_but_neighbours_are():
    both = torch.randn(8)
    wanted = pointwise_loss_pair(both[:4].clone(), both[4:].clone())

    with pytest.raises(ValueError, match="expected real and fake logits that do not overlap for the in-place form"):
        pointwise_loss_pair(both[:5], both[4:], in_place=True)
    pointwise_loss_pair(both[:4], both[4:], in_place=True)

    assert_same_bits(both, torch.cat(wanted.grads))


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

    grad = pointwise_loss(logits, target=0.9, scale=float(size)).grads[0]

    last = pointwise_loss(logits[-1], target=0.9).grads[0]
    assert_same_bits(grad[-1], last)


# --- determinism ------------------------------------------------------------------------------------------------------


def everything(real, fake):
    result = pointwise_loss_pair(real, fake)
    return b"".join(tensor.numpy().tobytes() for tensor in (result.value, *result.grads, result.statistics))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_bits_do_not_depend_on_the_number_of_threads(dtype):
    torch.manual_seed(0)
    inputs = [(torch.randn(size, dtype=dtype), torch.randn(size // 3, dtype=dtype)) for size in range(5000, 64_900, 300)]
    before = torch.get_num_threads()
    seen = set()
    try:
        for threads in (1, 2, 3, 4, 8, 16):
            torch.set_num_threads(threads)
            seen.add(b"".join(everything(*pair) for pair in inputs))
    finally:
        torch.set_num_threads(before)

    assert len(seen) == 1


def test_a_thousand_runs_give_the_same_bits():
    real, fake = torch.randn(9000), torch.randn(5000)

    assert len({everything(real, fake) for _ in range(1000)}) == 1


def test_the_vector_variants_agree_on_every_element():
    x = torch.linspace(-120, 120, 9001)
    grads = []
    before = library.kernel_status().variant
    try:
        for name in ("avx2", "avx512"):
            library.use_variant(name)
            grads.append([pointwise_loss(x.to(dtype), target=0.9, reduction="none") for dtype in DTYPES])
    except UsageError as error:
        pytest.skip(error.what)
    finally:
        library.use_variant(before)

    for left, right in zip(*grads, strict=True):
        assert_same_bits(left.grads[0], right.grads[0])
        assert_same_bits(left.value, right.value)


def test_eight_python_threads_at_once_get_the_same_bits():
    real, fake = torch.randn(50_000), torch.randn(20_000)

    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(lambda _: everything(real, fake), range(64)))

    assert len(seen) == 1


def test_flushing_subnormals_changes_nothing_above_them():
    x = torch.arange(-32768, 32768, dtype=torch.int32).to(torch.int16).view(torch.float16)
    x = x[x.isfinite()][:4096]
    usual = pointwise_loss(x, target=0.0, scale=4096.0)
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormal numbers")
    try:
        flushed = pointwise_loss(x, target=0.0, scale=4096.0)
    finally:
        torch.set_flush_denormal(False)

    assert_same_bits(flushed.value, usual.value)
    assert_same_bits(flushed.grads[0], usual.grads[0])


# --- derivatives ------------------------------------------------------------------------------------------------------


def test_the_value_is_differentiable_and_gives_the_bits_of_the_fused_gradients():
    real, fake = torch.randn(5, requires_grad=True), torch.randn(3, 2, requires_grad=True)

    result = pointwise_loss_pair(real, fake, real_target=0.9)
    result.value.backward()

    assert_same_bits(real.grad, result.grads[0])
    assert_same_bits(fake.grad, result.grads[1])


@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_first_and_second_derivatives_of_both_forms(target):
    torch.manual_seed(0)
    real = torch.tensor([0.0, -3.0, 2.0, 0.5], dtype=torch.float64, requires_grad=True)
    fake = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)

    def both(a, b):
        return pointwise_loss_pair(a, b, real_target=target, fake_target=0.2).value * 3

    def one(a):
        return pointwise_loss(a, target=target).value.square()

    assert torch.autograd.gradcheck(both, (real, fake), nondet_tol=0.0)
    assert torch.autograd.gradgradcheck(both, (real, fake), nondet_tol=0.0)
    assert torch.autograd.gradcheck(one, (real,), nondet_tol=0.0)
    assert torch.autograd.gradgradcheck(one, (real,), nondet_tol=0.0)


def test_derivatives_of_order_two_to_four_at_zero_and_elsewhere():
    x = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    derivatives = [pointwise_loss(x, target=1.0).value]
    for _ in range(4):
        derivatives += torch.autograd.grad(derivatives[-1], x, create_graph=True)

    got = [derivative.item() for derivative in derivatives[1:]]
    assert got == pytest.approx([-0.5, 0.25, 0.0, -0.125], abs=1e-15)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_16_bit_second_derivative_is_that_of_float32_rounded(dtype):
    x = torch.linspace(-8, 8, 65).to(dtype).requires_grad_()
    first = torch.autograd.grad(pointwise_loss(x, target=1.0).value, x, create_graph=True)[0]

    second = torch.autograd.grad(first.sum(), x)[0]

    sigma = x.detach().double().sigmoid()
    torch.testing.assert_close(second, (sigma * (1 - sigma) / 65).to(dtype), rtol=2**-7, atol=2**-24)


def test_the_fused_gradients_and_statistics_are_not_differentiable():
    real = torch.randn(4, requires_grad=True)

    result = pointwise_loss_pair(real, torch.randn(4))

    assert result.value.requires_grad
    assert not any(tensor.requires_grad for tensor in (*result.grads, result.statistics))
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.autograd.grad(result.grads[0].sum(), real)


def test_only_the_side_that_asks_gets_a_gradient():
    real, fake = torch.randn(4), torch.randn(4, requires_grad=True)

    pointwise_loss_pair(real, fake).value.backward()

    assert real.grad is None
    assert fake.grad is not None


def test_an_in_place_edit_before_backward_is_refused():
    real = torch.randn(4, requires_grad=True).clone()
    value = pointwise_loss_pair(real, torch.randn(4)).value
    real.add_(1.0)

    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.backward()


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # torch's own, on its first forward derivative
def test_forward_mode_is_refused():
    forward_ad = torch.autograd.forward_ad
    with forward_ad.dual_level():
        logits = forward_ad.make_dual(torch.randn(3), torch.ones(3))
        with pytest.raises(NotImplementedError, match="the logits carry a forward-mode tangent"):
            pointwise_loss(logits, target=1.0)
    for name in ("target", "weight", "scale"):
        one, given = torch.ones(() if name == "scale" else 3), {"target": 1.0}
        with pytest.raises(NotImplementedError, match=f"{name} carries a forward-mode tangent"):
            torch.func.jvp(
                lambda t, name=name, given=given: pointwise_loss(torch.zeros(3), **given | {name: t}).value, (one,), (one,)
            )
    with pytest.raises(NotImplementedError, match="the logits carry a forward-mode tangent"):
        torch.func.jvp(lambda x: pointwise_loss(x, target=1.0).value, (torch.randn(3),), (torch.ones(3),))


def test_vmap_gives_what_a_loop_gives():
    logits = torch.randn(3, 5)

    got = torch.func.vmap(lambda x: pointwise_loss(x, target=1.0).value)(logits)

    assert_same_bits(got, torch.stack([pointwise_loss(x, target=1.0).value for x in logits]))


def test_transforms_that_the_operators_do_not_have_are_refused():
    logits = torch.randn(3, 5)

    with pytest.raises(RuntimeError, match="Batching rule not implemented for ganreg::pointwise_loss_"):
        torch.func.vmap(lambda x: pointwise_loss(x, target=1.0, in_place=True).value)(logits)
    with pytest.raises(RuntimeError, match="functorch transforms"):
        torch.func.grad(lambda x: pointwise_loss(x, target=1.0).value)(logits)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_judges_16_bit_logits_in_float32(dtype):
    logits, other, target = torch.randn(3, 100).to(dtype)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = (pointwise_loss(logits, target=target), pointwise_loss_pair(logits, other), paired_loss(logits, other))

    logits, other, target = logits.float(), other.float(), target.float()
    wanted = (pointwise_loss(logits, target=target), pointwise_loss_pair(logits, other), paired_loss(logits, other))
    for result, right in zip(got, wanted, strict=True):
        assert_same_bits(result.value, right.value)
        for grad, grad_right in zip(result.grads, right.grads, strict=True):
            assert grad.dtype == torch.float32
            assert_same_bits(grad, grad_right)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64, torch.uint8])
def test_logits_that_are_not_floating_point_are_refused(dtype):
    name = str(dtype).removeprefix("torch.")
    bad, good = torch.zeros(3, dtype=dtype), torch.zeros(3)

    with pytest.raises(TypeError, match=f"expected logits of float64, float32, bfloat16 or float16, got {name}"):
        pointwise_loss(bad, target=1.0)
    with pytest.raises(TypeError, match=f"expected real logits of .*, got {name}"):
        pointwise_loss_pair(bad, good)
    with pytest.raises(TypeError, match=f"expected fake logits of .*, got {name}"):
        pointwise_loss_pair(good, bad)


def test_two_dtypes_are_refused():
    with pytest.raises(TypeError, match="expected real and fake logits of one dtype, got float32 and float64"):
        pointwise_loss_pair(torch.zeros(3), torch.zeros(3, dtype=torch.float64))


def test_two_devices_are_refused():
    with pytest.raises(ValueError, match="expected real and fake logits on one device, got cpu and meta"):
        pointwise_loss_pair(torch.zeros(3), torch.zeros(3, device="meta"))


def test_a_scale_of_several_numbers_is_refused():
    with pytest.raises(ValueError, match=r"expected scale to be a number or a 0-dim tensor, got a tensor of shape \[1\]"):
        pointwise_loss(torch.zeros(3), target=1.0, scale=torch.ones(1))


def test_an_integer_scale_tensor_is_refused():
    with pytest.raises(TypeError, match="expected scale of float32 or float64, got int64"):
        pointwise_loss(torch.zeros(3), target=1.0, scale=torch.tensor(2))


def test_a_scale_on_another_device_is_refused():
    with pytest.raises(ValueError, match="expected scale on the logits' device cpu, got meta"):
        pointwise_loss(torch.zeros(3), target=1.0, scale=torch.ones((), device="meta"))


@pytest.mark.parametrize("shapes", [((4,), (4, 1)), ((4, 1), (4,)), ((4,), (1,)), ((4,), ()), ((2, 2), (4,))])
def test_nothing_is_broadcast(shapes):
    logits, other = torch.zeros(shapes[0]), torch.zeros(shapes[1])
    told = [re.escape(str(list(shape))) for shape in shapes]

    with pytest.raises(ValueError, match=f"expected target of the logits' shape {told[0]}, got {told[1]}"):
        pointwise_loss(logits, target=other)
    with pytest.raises(ValueError, match=f"expected fake_weight of the logits' shape {told[0]}, got {told[1]}"):
        pointwise_loss_pair(torch.zeros(3), logits, fake_weight=other)
    with pytest.raises(ValueError, match=f"expected real and fake logits of one shape, got {told[0]} and {told[1]}"):
        paired_loss(logits, other)


def test_a_target_or_weight_of_another_dtype_or_device_is_refused():
    with pytest.raises(TypeError, match="expected target of the logits' dtype float32, got float64"):
        pointwise_loss(torch.zeros(3), target=torch.zeros(3).double())
    with pytest.raises(TypeError, match="expected weight of the logits' dtype float32, got int64"):
        pointwise_loss(torch.zeros(3), target=1.0, weight=torch.ones(3, dtype=torch.int64))
    with pytest.raises(ValueError, match="expected real_target on the logits' device cpu, got meta"):
        pointwise_loss_pair(torch.zeros(3), torch.zeros(3), real_target=torch.zeros(3, device="meta"))


def test_a_target_that_asks_for_a_gradient_is_refused():
    logits, target = torch.zeros(3), torch.zeros(3, requires_grad=True)

    with pytest.raises(NotImplementedError, match="target asks for a gradient"):
        pointwise_loss(logits, target=target)
    with pytest.raises(NotImplementedError, match="scale asks for a gradient"):
        pointwise_loss(logits, target=1.0, scale=torch.ones((), requires_grad=True))
    value = torch.ops.ganreg.pointwise_loss(logits, "bce", 0.0, True, 1.0, targets=target)[0]
    with pytest.raises(NotImplementedError, match="differentiable in the logits alone"):
        value.backward()


def test_unknown_names_are_refused():
    x = torch.zeros(3)

    with pytest.raises(ValueError, match="expected a fused loss of bce, minimax, hinge, least-squares, linear, got 'hinje'"):
        pointwise_loss(x, target=1.0, loss="hinje")
    with pytest.raises(ValueError, match="expected a reduction of mean, sum or none, got 'max'"):
        pointwise_loss(x, target=1.0, reduction="max")
    with pytest.raises(ValueError, match="expected a reduction of mean or sum for two sides, got 'none'"):
        pointwise_loss_pair(x, x, reduction="none")
    with pytest.raises(ValueError, match="expected a pos_weight of 1 for the loss 'hinge'"):
        pointwise_loss(x, target=1.0, loss="hinge", pos_weight=2.0)


def test_targets_outside_0_and_1_are_refused_on_request():
    x = torch.zeros(2)

    with pytest.raises(ValueError, match=r"expected target in \[0, 1\], got 1.5"):
        pointwise_loss(x, target=1.5, check_target=True)
    with pytest.raises(ValueError, match=r"expected fake_target in \[0, 1\], got numbers from -1.0 to 1.0"):
        pointwise_loss_pair(x, x, fake_target=torch.tensor([-1.0, 1.0]), check_target=True)
    assert pointwise_loss(x, target=1.5).value.isfinite()


def test_the_native_operator_checks_what_reaches_it_without_the_public_face():
    library.kernel_status()
    operators = torch.ops.ganreg
    x = torch.zeros(3)

    with pytest.raises(RuntimeError, match="expected logits of float64, float32, bfloat16 or float16, got Long"):
        operators.pointwise_loss(x.long(), "bce", 1.0, False, 1.0)
    with pytest.raises(RuntimeError, match="expected real and fake logits of one dtype, got Float and Double"):
        operators.pointwise_loss_pair(x, x.double(), "bce", 1.0, 0.0, 1.0)
    with pytest.raises(RuntimeError, match="expected scale to be a 0-dim tensor, got 1 dimensions"):
        operators.pointwise_loss(x, "bce", 1.0, False, 1.0, torch.ones(1))
    with pytest.raises(RuntimeError, match="expected scale of float64 or float32, got Long"):
        operators.pointwise_loss(x, "bce", 1.0, False, 1.0, torch.tensor(1))
    with pytest.raises(RuntimeError, match=r"expected targets of the logits' shape \[3\], got \[3, 1\]"):
        operators.pointwise_loss(x, "bce", 1.0, False, 1.0, targets=torch.zeros(3, 1))
    with pytest.raises(RuntimeError, match=r"expected fake logits of the logits' shape \[3\], got \[2\]"):
        operators.paired_loss(x, x[:2], "bce", 1.0, 1.0)
    with pytest.raises(RuntimeError, match="expected the name of a fused loss, got 'hinje'"):
        operators.pointwise_loss(x, "hinje", 1.0, False, 1.0)
    with pytest.raises(RuntimeError, match="expected a derivative of order 1 or 2, got 3"):
        operators.pointwise_derivative(x, torch.tensor(1.0), 3, "bce", 1.0)


# --- tracing ----------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # opcheck's own, from torch 2.14 on
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["contiguous", "strided", "0-dim", "empty", "requires_grad"])
def test_the_operators_pass_opcheck(dtype, layout):
    shapes = {"0-dim": (), "empty": (0, 2)}
    logits = torch.linspace(-3, 3, 12).reshape(4, 3).to(dtype)
    logits = logits.t() if layout == "strided" else torch.zeros(shapes[layout], dtype=dtype) if layout in shapes else logits
    other, wide = logits.detach() + 1, torch.float64 if dtype == torch.float64 else torch.float32
    target, weight = torch.rand_like(other), torch.rand_like(other)
    scale, one = torch.tensor(0.5), torch.ones((), dtype=wide)
    if layout == "requires_grad":
        logits = logits.requires_grad_()
    # The last check compares outputs without letting a nan equal itself: it cannot pass where a slot is nan by design.
    by_shape = ("test_schema", "test_autograd_registration", "test_faketensor")
    whole = by_shape if layout == "empty" else (*by_shape, "test_aot_dispatch_dynamic")
    operators = torch.ops.ganreg

    def check(operator, arguments, checks=whole, **keywords):
        torch.library.opcheck(operator.default, arguments, keywords, test_utils=checks)

    check(operators.pointwise_loss_pair, (logits, other, "bce", 1.0, 0.0, 2.0))
    check(operators.pointwise_loss_pair, (logits, other, "bce", 1.0, 0.0, 2.0), real_targets=target, fake_weights=weight)
    check(operators.pointwise_loss, (logits, "hinge", 1.0, False, 1.0, scale), by_shape)
    check(operators.pointwise_loss, (logits, "bce", 0.0, True, 1.0, None, "none", 2.0, target, weight), by_shape)
    check(operators.paired_loss, (logits, other, "bce", 1.0, 1.0))
    check(operators.pointwise_derivative, (logits, one, 1, "bce", 0.9))
    check(operators.pointwise_derivative, (logits, other, 2, "bce", 0.0, 1.0, target, weight))
    plain = logits.detach().clone()
    check(operators.pointwise_loss_, (plain, "bce", 1.0, False, 1.0), by_shape)
    check(operators.pointwise_loss_pair_, (plain, other, "bce", 1.0, 0.0, 1.0))
    check(operators.paired_loss_, (plain, other, "bce", 1.0, 1.0))


@pytest.mark.parametrize("dynamic", [False, True])
def test_all_forms_compile_into_one_graph(dynamic):
    def all_forms(real, fake):
        both, one = pointwise_loss_pair(real, fake, scale=0.5), pointwise_loss(fake, target=1.0, reduction="none")
        pairs = paired_loss(real, real * 2)
        written = pointwise_loss(fake.detach().clone(), target=torch.ones_like(fake).detach(), in_place=True)
        results = (both, one, pairs, written)
        grads = [grad for result in results for grad in result.grads]
        return both.value + one.value.sum() + pairs.value, *grads, *(result.statistics for result in results)

    compiled = torch.compile(all_forms, fullgraph=True, dynamic=dynamic, backend="aot_eager")
    for size in (5, 9):
        real, fake = torch.randn(size, requires_grad=True), torch.randn(size, 2, requires_grad=True)
        wanted, got = all_forms(real, fake), compiled(real, fake)

        for a, b in zip(got, wanted, strict=True):
            assert_same_bits(a, b)
        assert_same_bits(torch.autograd.grad(got[0], fake)[0], torch.autograd.grad(wanted[0], fake)[0])


def test_a_meta_tensor_gives_shapes_alone():
    result = pointwise_loss_pair(torch.empty(4, 1, device="meta"), torch.empty(6, device="meta"))
    each = pointwise_loss(torch.empty(4, 1, device="meta"), target=1.0, reduction="none")

    assert result.value.device.type == "meta"
    assert [grad.shape for grad in result.grads] == [(4, 1), (6,)]
    assert result.statistics.shape == (len(STATISTICS),)
    assert each.value.shape == (4, 1)
