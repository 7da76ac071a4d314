"""The CUDA kernels: their bars, and what they promise about layouts, streams, graphs and repeats."""

import math

import pytest
import torch

from ganreg.contracts import STATISTICS
from ganreg.ops import library, reference
from ganreg.ops.pointwise_loss import DTYPES, paired_loss, pointwise_loss, pointwise_loss_pair
from tests.ops.ulps import (
    LONG_DOUBLE_IS_WIDER,
    NARROW,
    TARGETS,
    WIDE,
    exact_of_inputs,
    inputs,
    worst,
)

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="not run: no CUDA device"),
]

INF, NAN = math.inf, math.nan
LOSSES = tuple(reference.FORMULAS)
SIZES = (0, 1, 7, 8, 9, 17, 4095, 4096, 4097, 4 * 4096, 4 * 4096 + 1, 65_537, 1_000_003)
MANY = 8192 * 4096 + 4097  # a block takes several chunks
CLOSE = {torch.float64: (1e-13, 1e-14), torch.float32: (1e-6, 1e-6), torch.bfloat16: (8e-3, 8e-3), torch.float16: (1e-3, 1e-3)}
"""rtol and atol of elements of about 1; the bars in ulps are measured apart."""

OPERATORS = torch.ops.ganreg
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: str(dtype).removeprefix("torch."))
each_size = pytest.mark.parametrize("size", SIZES)
each_loss = pytest.mark.parametrize("loss", LOSSES)
each_reduction = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])


@pytest.fixture(scope="module", autouse=True)
def _native():
    """Nothing here may be answered by the reference."""
    status = library.kernel_status("cuda")
    assert status.kind != "reference", status.reason


def draw(size, dtype, seed=0, spread=6.0):
    generator = torch.Generator().manual_seed(seed)
    return (spread * torch.randn(size, generator=generator, dtype=torch.float64)).to(dtype).cuda()


def unit(size, dtype, seed):
    return torch.rand(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype).cuda()


def assert_same_bits(got, wanted):
    """Equal bits, except that any nan equals any nan."""
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


def scale_of(reduction, size):
    """What makes gradients of about 1, so that an absolute tolerance says something."""
    return float(max(size, 1)) if reduction == "mean" else 0.5


def assert_agree(got, wanted):
    """Value or losses, gradients and statistics of the operator and of its definition."""
    value, *grads, statistics = got
    wanted_value, *wanted_grads, wanted_statistics = wanted
    terms = max(sum(grad.numel() for grad in grads), 1) if value.dim() == 0 else 1
    for one, other, added in ((value, wanted_value, terms), *((*both, 1) for both in zip(grads, wanted_grads, strict=True))):
        rtol, atol = CLOSE[one.dtype]
        torch.testing.assert_close(one, other, rtol=rtol, atol=atol * math.sqrt(added), equal_nan=True)
    torch.testing.assert_close(statistics, wanted_statistics, rtol=1e-5, atol=1e-6, equal_nan=True)


# --- agreement with the definition ------------------------------------------------------------------------------------


@each_size
@each_dtype
@each_reduction
@each_loss
def test_one_side_agrees_with_the_reference(loss, reduction, dtype, size):
    x = draw(size, dtype)

    for is_real in (True, False):
        arguments = (x, loss, 0.75, is_real, scale_of(reduction, size), None, reduction)
        assert_agree(OPERATORS.pointwise_loss(*arguments), reference.pointwise_loss(*arguments))


@each_size
@each_dtype
@each_reduction
@each_loss
def test_targets_weights_and_pos_weight_agree_with_the_reference(loss, reduction, dtype, size):
    x, y, w = draw(size, dtype), unit(size, dtype, 1), unit(size, dtype, 2)

    for targets, weights, pos_weight in ((y, None, 1.0), (None, w, 1.0), (y, w, 3.0 if loss == "bce" else 1.0)):
        arguments = (x, loss, 0.75, True, scale_of(reduction, size), None, reduction, pos_weight, targets, weights)
        assert_agree(OPERATORS.pointwise_loss(*arguments), reference.pointwise_loss(*arguments))


@each_size
@each_dtype
@each_loss
def test_both_sides_agree_with_the_reference(loss, dtype, size):
    for other in (size, 0, 5000):
        real, fake = draw(size, dtype), draw(other, dtype, 1)
        y, w = unit(other, dtype, 2), unit(size, dtype, 3)
        for reduction in ("mean", "sum"):
            for rest in ((), (1.0, None, w, y, None)):
                arguments = (real, fake, loss, 0.9, -0.25, scale_of(reduction, size), None, reduction, *rest)
                assert_agree(OPERATORS.pointwise_loss_pair(*arguments), reference.pointwise_loss_pair(*arguments))


@each_size
@each_dtype
@each_reduction
@each_loss
def test_pairs_agree_with_the_reference(loss, reduction, dtype, size):
    arguments = (draw(size, dtype), draw(size, dtype, 1), loss, 0.9, scale_of(reduction, size), None, reduction)

    assert_agree(OPERATORS.paired_loss(*arguments), reference.paired_loss(*arguments))


@each_size
@each_dtype
@each_loss
def test_derivatives_agree_with_the_reference(loss, dtype, size):
    x, y, w, factors = draw(size, dtype), unit(size, dtype, 1), unit(size, dtype, 2), draw(size, dtype, 3)
    number = torch.tensor(0.37, device="cuda")

    for factor in (number, number.double(), factors):
        for order in (1, 2):
            for targets, weights in ((None, None), (y, w)):
                arguments = (x, factor, order, loss, 0.75, 1.0, targets, weights)
                rtol, atol = CLOSE[dtype]
                wanted = reference.pointwise_derivative(*arguments)
                torch.testing.assert_close(OPERATORS.pointwise_derivative(*arguments), wanted, rtol=rtol, atol=atol)


@each_dtype
def test_a_block_that_takes_several_chunks_agrees_with_the_reference(dtype):
    real, fake = draw(4096, dtype).repeat(MANY // 4096 + 1)[:MANY], draw(5000, dtype, 1)
    arguments = (real, fake, "bce", 1.0, 0.0, float(MANY))

    assert_agree(OPERATORS.pointwise_loss_pair(*arguments), reference.pointwise_loss_pair(*arguments))


@each_size
@each_dtype
def test_the_in_place_form_gives_the_same_bits(dtype, size):
    real, fake = draw(size, dtype), draw(size, dtype, 1)
    y, w = unit(size, dtype, 2), unit(size, dtype, 3)

    for rest in ((), (1.0, y, w)):
        kept = real.clone()
        single = ("bce", 0.9, True, 0.5, None, "mean", *rest)
        value, grad, statistics = OPERATORS.pointwise_loss(real, *single)
        assert_same_bits((*OPERATORS.pointwise_loss_(kept, *single), kept), (value, statistics, grad))

    kept, kept_fake = real.clone(), fake.clone()
    value, *grads, statistics = OPERATORS.pointwise_loss_pair(real, fake, "bce", 1.0, 0.0, 0.5)
    in_place = OPERATORS.pointwise_loss_pair_(kept, kept_fake, "bce", 1.0, 0.0, 0.5)
    assert_same_bits((*in_place, kept, kept_fake), (value, statistics, *grads))

    kept, kept_fake = real.clone(), fake.clone()
    value, *grads, statistics = OPERATORS.paired_loss(real, fake, "bce", 1.0, 0.5)
    assert_same_bits((*OPERATORS.paired_loss_(kept, kept_fake, "bce", 1.0, 0.5), kept, kept_fake), (value, statistics, *grads))


# --- accuracy ---------------------------------------------------------------------------------------------------------

needs_long_double = pytest.mark.skipif(not LONG_DOUBLE_IS_WIDER, reason="long double is no wider than float64")
measured = [pytest.param(dtype, marks=needs_long_double if dtype == torch.float64 else ()) for dtype in (*WIDE, *NARROW)]


def elements(dtype, target):
    """The losses and derivatives of `inputs`, each logit's own."""
    losses, derivatives, _ = OPERATORS.pointwise_loss(inputs(dtype).cuda(), "bce", target, True, 1.0, None, "none")
    return losses.cpu(), derivatives.cpu()


@pytest.mark.parametrize("dtype", measured)
@pytest.mark.parametrize("target", TARGETS)
def test_a_loss_is_within_its_bar(dtype, target):
    wanted = exact_of_inputs(dtype, target).loss

    assert worst(elements(dtype, target)[0], wanted, dtype) <= (6.0 if dtype in WIDE else 0.51)


@pytest.mark.parametrize("dtype", measured)
@pytest.mark.parametrize("target", TARGETS)
def test_a_derivative_is_within_its_bar(dtype, target):
    wanted = exact_of_inputs(dtype, target)

    soft = 0 < target < 1
    bar = 6.0 if dtype in WIDE else 1.0 if soft else 0.51
    assert worst(elements(dtype, target)[1], wanted.derivative, dtype, wanted.scale if soft else None) <= bar


@pytest.mark.parametrize("dtype", measured)
def test_a_second_derivative_is_within_six_ulps(dtype):
    one = torch.ones((), device="cuda", dtype=torch.float64)
    found = OPERATORS.pointwise_derivative(inputs(dtype).cuda(), one, 2, "bce", 1.0).cpu()

    assert worst(found, exact_of_inputs(dtype, 1.0).curvature, dtype) <= (6.0 if dtype in WIDE else 0.51)


@each_dtype
@pytest.mark.parametrize("size", [4097, 1_000_003])
def test_a_sum_is_that_of_its_own_elements(dtype, size):
    x = draw(size, dtype)
    wide = x.double() if dtype == torch.float64 else x.float()  # the elements before they are rounded to 16 bits
    losses = OPERATORS.pointwise_loss(wide, "bce", 1.0, True, 1.0, None, "none")[0].cpu()
    wanted = math.fsum(losses.tolist())

    value = OPERATORS.pointwise_loss(x, "bce", 1.0, True, 1.0, None, "sum")[0]

    spacing = torch.finfo(value.dtype).eps * 2.0 ** math.floor(math.log2(wanted))
    assert abs(value.item() - wanted) <= (8 if dtype == torch.float64 else 1) * spacing


# --- special values ---------------------------------------------------------------------------------------------------

SPECIAL = [
    (0.0, 0.693147182, 0.5),
    (-0.0, 0.693147182, 0.5),
    (1e-45, 0.693147182, 0.5),
    (-16.64, 5.933898e-08, 5.93389764e-08),
    (-87.3, 1.21924331e-38, 1.21924331e-38),
    (-88.0, 6.05460149e-39, 6.05460149e-39),
    (-103.97, 2.0**-149, 2.0**-149),
    (-104.0, 0.0, 0.0),
    (-3e38, 0.0, 0.0),
    (88.8, 88.8, 1.0),
    (3e38, 3e38, 1.0),
    (INF, INF, 1.0),
    (-INF, 0.0, 0.0),
    (NAN, NAN, NAN),
]


@pytest.mark.parametrize(("x", "loss", "derivative"), SPECIAL)
def test_special_values(x, loss, derivative):
    found = OPERATORS.pointwise_loss(torch.tensor([x], device="cuda"), "bce", 0.0, True, 1.0, None, "none")

    for got, wanted in zip(found[:2], (loss, derivative), strict=True):
        torch.testing.assert_close(got.cpu(), torch.tensor([wanted]), rtol=5e-7, atol=2 * 2.0**-149, equal_nan=True)


@each_dtype
@pytest.mark.parametrize("bad", [NAN, INF, -INF])
@pytest.mark.parametrize("place", [0, 5000, 99_999])
def test_one_logit_that_is_not_finite_clears_the_flag(dtype, bad, place):
    x = draw(100_000, dtype)
    flag = STATISTICS.index("finite")
    assert OPERATORS.pointwise_loss(x, "bce", 1.0, True, 1.0)[2][flag].item() == 1.0

    x[place] = bad

    assert OPERATORS.pointwise_loss(x, "bce", 1.0, True, 1.0)[2][flag].item() == 0.0


def test_a_mean_is_finite_where_its_sum_is_not():
    value = OPERATORS.pointwise_loss(torch.full((4,), 3e38, device="cuda"), "bce", 0.0, True, 1.0)[0]

    assert value.item() == pytest.approx(3e38)


def test_what_is_empty_has_no_mean_a_sum_of_zero_and_no_losses():
    empty = torch.empty(0, 3, device="cuda")

    assert math.isnan(pointwise_loss(empty, target=1.0).value.item())
    assert pointwise_loss(empty, target=1.0, reduction="sum").value.item() == 0.0
    assert pointwise_loss(empty, target=1.0, reduction="none").value.shape == (0, 3)
    assert math.isnan(paired_loss(empty, empty).value.item())


# --- layouts ----------------------------------------------------------------------------------------------------------

LAYOUTS = {
    "transposed": lambda x: x.reshape(-1, 30).t(),
    "every third": lambda x: x[::3],
    "one off": lambda x: x[1:],
    "channels last": lambda x: x[:9000].reshape(5, 6, 30, 10).to(memory_format=torch.channels_last),
    "expanded": lambda x: x[:700].reshape(1, 700).expand(9, 700),
    "a window": lambda x: x.reshape(-1, 30)[3:70, 2:29],
    "five dimensions": lambda x: x[:7200].reshape(4, 5, 6, 10, 6).permute(3, 0, 4, 2, 1),
    "nine dimensions": lambda x: x[:7680].reshape(2, 2, 2, 2, 2, 2, 2, 2, 30).permute(8, 1, 0, 3, 2, 5, 4, 7, 6),
    "no dimension": lambda x: x[5],
}


@each_dtype
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_strides_give_the_bits_of_a_contiguous_copy(layout, dtype, reduction):
    x, y, w = (LAYOUTS[layout](tensor) for tensor in (draw(120_000, dtype), unit(120_000, dtype, 1), unit(120_000, dtype, 2)))
    plain, *copies = (tensor.clone(memory_format=torch.contiguous_format) for tensor in (x, y, w))

    for theirs, ours in (((), ()), ((1.0, y, w), (1.0, *copies)), ((1.0, *copies), (1.0, y, w))):
        rest = ("bce", 0.9, True, 0.5, None, reduction)
        strided = OPERATORS.pointwise_loss(x, *rest, *theirs)
        assert strided[1].is_contiguous()
        assert_same_bits(strided, OPERATORS.pointwise_loss(plain, *rest, *ours))
    paired = OPERATORS.paired_loss(x, y, "bce", 0.9, 0.5, None, reduction)
    assert_same_bits(paired, OPERATORS.paired_loss(plain, copies[0], "bce", 0.9, 0.5, None, reduction))


@each_dtype
@pytest.mark.parametrize("layout", sorted(LAYOUTS.keys() - {"expanded"}))
def test_the_in_place_form_writes_through_the_strides(layout, dtype):
    whole = draw(120_000, dtype)
    x, before = LAYOUTS[layout](whole), whole.clone()
    wanted = OPERATORS.pointwise_loss(x, "bce", 1.0, True, 1.0)[1]

    OPERATORS.pointwise_loss_(x, "bce", 1.0, True, 1.0)

    assert_same_bits([x.contiguous()], [wanted])
    if layout != "channels last":  # a copy
        judged = torch.zeros_like(whole, dtype=torch.bool)
        LAYOUTS[layout](judged).fill_(True)
        assert torch.equal(whole[~judged], before[~judged])


@each_dtype
@pytest.mark.parametrize("layout", LAYOUTS)
def test_backward_through_the_strides_gives_the_gradient_that_came_beside_the_value(layout, dtype):
    logits = LAYOUTS[layout](draw(120_000, dtype)).detach().requires_grad_()

    result = pointwise_loss(logits, target=0.9, reduction="sum")
    result.value.backward()

    assert logits.grad.shape == logits.shape
    assert_same_bits([logits.grad.contiguous()], [result.grads[0]])


@pytest.mark.parametrize("size", range(1, 130))
def test_a_bit_depends_neither_on_place_nor_on_neighbours(size):
    x = draw(5000, torch.float32)
    whole = OPERATORS.pointwise_loss(x, "bce", 1.0, True, 1.0, None, "none")[:2]

    part = OPERATORS.pointwise_loss(x[size : 2 * size], "bce", 1.0, True, 1.0, None, "none")[:2]

    assert_same_bits(part, [tensor[size : 2 * size] for tensor in whole])


# --- streams, graphs, repeats -----------------------------------------------------------------------------------------


def every_form(x, z):
    scale = torch.full((), 0.5, device=x.device)  # made on the card: a copy from the host would wait
    return (
        *OPERATORS.pointwise_loss(x, "bce", 1.0, True, 1.0, scale),
        *OPERATORS.pointwise_loss_pair(x, z, "bce", 1.0, 0.0, 1.0, scale),
        *OPERATORS.paired_loss(x, z, "bce", 1.0, 1.0, scale),
        OPERATORS.pointwise_derivative(x, scale, 2, "bce", 1.0),
    )


@pytest.mark.parametrize("size", [100, 100_003])
def test_the_current_stream_is_used(size):
    x, z = draw(size, torch.float32), draw(size, torch.float32, 1)
    wanted = every_form(x, z)
    torch.cuda.synchronize()
    stream = torch.cuda.Stream()

    with torch.cuda.stream(stream):
        late = torch.empty_like(x)
        torch.cuda._sleep(50_000_000)
        late.copy_(x)  # a kernel on another stream would read what was there before
        got = every_form(late, z)
    stream.synchronize()

    assert_same_bits(got, wanted)


@pytest.mark.parametrize("size", [100, 100_003])
def test_a_captured_graph_judges_what_its_inputs_hold_when_it_is_replayed(size):
    x, z = draw(size, torch.float32), draw(size, torch.float32, 1)
    every_form(x, z)
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        got = every_form(x, z)

    x.copy_(draw(size, torch.float32, 2))
    graph.replay()
    torch.cuda.synchronize()

    assert_same_bits(got, every_form(x, z))


@pytest.mark.parametrize("size", [100, 4 * 4096, 100_003])
@each_dtype
def test_a_thousand_repeats_give_the_same_bits(size, dtype):
    x, z = draw(size, dtype), draw(size, dtype, 1)
    first = every_form(x, z)
    same = torch.ones((), dtype=torch.bool, device="cuda")

    for _ in range(1000):
        for one, other in zip(every_form(x, z), first, strict=True):
            same &= ((one == other) | (one.isnan() & other.isnan())).all()

    assert same.item()


@pytest.mark.parametrize("size", [0, 100, 100_003])
def test_nothing_waits_for_the_card(size):
    x, z = draw(size, torch.float32), draw(size, torch.float32, 1)
    real, fake = x.clone().requires_grad_(), z.clone()
    every_form(x, z)
    torch.cuda.set_sync_debug_mode("error")
    try:
        every_form(x, z)
        pointwise_loss_pair(real, fake).value.backward()
        pointwise_loss_pair(x, z, in_place=True)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@each_dtype
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_a_scale_on_the_card_is_a_scale(dtype, kind):
    x = draw(10_000, dtype)

    got = pointwise_loss(x, target=1.0, scale=torch.tensor(0.25, device="cuda", dtype=kind))
    wanted = pointwise_loss(x, target=1.0, scale=0.25)

    assert_same_bits((got.value, *got.grads, got.statistics), (wanted.value, *wanted.grads, wanted.statistics))


def test_a_scale_on_another_device_is_refused():
    with pytest.raises(RuntimeError, match="expected scale on the logits' device"):
        OPERATORS.pointwise_loss(draw(5, torch.float32), "bce", 1.0, True, 1.0, torch.tensor(1.0))


def test_sides_on_two_devices_are_refused():
    with pytest.raises(RuntimeError, match="expected fake logits on the logits' device"):
        OPERATORS.pointwise_loss_pair(draw(5, torch.float32), torch.zeros(5), "bce", 1.0, 0.0, 1.0)


def test_a_second_card_is_used_where_the_logits_are():
    if torch.cuda.device_count() < 2:
        pytest.skip("not run: one CUDA device")
    x, z = draw(100_003, torch.float32), draw(100_003, torch.float32, 1)

    got = every_form(x.to("cuda:1"), z.to("cuda:1"))

    assert {tensor.device.index for tensor in got} == {1}
    assert torch.cuda.current_device() == 0
    assert_same_bits([tensor.cpu() for tensor in got], [tensor.cpu() for tensor in every_form(x, z)])


def test_more_logits_than_32_bits_can_count():
    count = 2**31 + 4097
    if torch.cuda.mem_get_info()[0] < 3 * count:
        pytest.skip("not run: less free memory than 6 GiB")
    x = torch.zeros(count, dtype=torch.bfloat16, device="cuda")
    x[-1] = 4.0

    value, statistics = OPERATORS.pointwise_loss_(x, "linear", 1.0, True, 1.0, None, "sum")

    assert value.item() == 4.0
    assert statistics[2].item() == pytest.approx(1 / count)
    assert x[:10].tolist() == x[-10:].tolist() == [1.0] * 10
    assert x.min().item() == x.max().item() == 1.0


# --- torch ------------------------------------------------------------------------------------------------------------


@each_dtype
@pytest.mark.parametrize("layout", ["contiguous", "strided", "0-dim", "empty", "requires_grad"])
def test_the_operators_pass_opcheck(dtype, layout):
    whole = draw(40, dtype).reshape(5, 8)
    logits = {"strided": whole.t(), "0-dim": whole[0, 0].clone(), "empty": whole[:0]}.get(layout, whole)
    other = logits.clone(memory_format=torch.contiguous_format) + 1
    if layout == "requires_grad":
        logits = logits.requires_grad_()
    # The last check compares outputs without letting a nan equal itself: it cannot pass where a slot is nan by design.
    by_shape = ("test_schema", "test_autograd_registration", "test_faketensor")
    every = by_shape if layout == "empty" else (*by_shape, "test_aot_dispatch_dynamic")

    def check(operator, arguments, checks=every):
        torch.library.opcheck(operator.default, arguments, test_utils=checks)

    check(OPERATORS.pointwise_loss, (logits, "bce", 1.0, True, 1.0), by_shape)
    check(OPERATORS.pointwise_loss_pair, (logits, other, "bce", 1.0, 0.0, 1.0))
    check(OPERATORS.paired_loss, (logits, other, "bce", 1.0, 1.0))
    check(OPERATORS.pointwise_derivative, (logits, other, 2, "bce", 1.0))
    plain = logits.detach().clone()
    check(OPERATORS.pointwise_loss_, (plain, "bce", 1.0, True, 1.0), by_shape)
    check(OPERATORS.pointwise_loss_pair_, (plain, other, "bce", 1.0, 0.0, 1.0))
    check(OPERATORS.paired_loss_, (plain, other, "bce", 1.0, 1.0))


@each_loss
def test_first_and_second_derivatives(loss):
    x, z = (draw(12, torch.float64, seed, spread=1.0).requires_grad_() for seed in (0, 1))
    one_side = lambda x: pointwise_loss(x, target=0.7, loss=loss).value  # noqa: E731
    both = lambda x, z: pointwise_loss_pair(x, z, real_target=0.7, fake_target=0.2, loss=loss).value  # noqa: E731
    pairs = lambda x, z: paired_loss(x, z, target=0.7, loss=loss).value  # noqa: E731

    for function, given in ((one_side, (x,)), (both, (x, z)), (pairs, (x, z))):
        assert torch.autograd.gradcheck(function, given, nondet_tol=0.0)
        assert torch.autograd.gradgradcheck(function, given, nondet_tol=0.0)
