"""What torch may do with the operators: differentiate, map, cast, trace and compile them."""

import pytest
import torch

from ganreg.contracts import STATISTICS
from ganreg.ops.pointwise_loss import DTYPES, paired_loss, pointwise_loss, pointwise_loss_pair
from tests.ops.losses import assert_same_bits

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
