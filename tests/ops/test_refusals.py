"""What the fused losses refuse, and in which words."""

import math
import re

import pytest
import torch

from ganreg.ops import library
from ganreg.ops.pointwise_loss import paired_loss, pointwise_loss, pointwise_loss_pair

INF, NAN = math.inf, math.nan


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


def test_an_integer_that_no_float_holds_and_a_side_that_is_no_truth_value_are_refused():
    x = torch.zeros(2)

    for name in ("target", "pos_weight"):
        with pytest.raises(ValueError, match=f"expected {name} within ±1.8e\\+308, got an integer of 1329 bits"):
            pointwise_loss(x, **{"target": 1.0, name: 10**400})
    with pytest.raises(TypeError, match="expected is_real to be True or False, got str"):
        pointwise_loss(x, target=1.0, is_real="no")


def test_compiled_code_cannot_read_a_target_back():
    def checked(logits, targets):
        return pointwise_loss(logits, target=targets, check_target=True).value

    with pytest.raises(Exception, match="check_target reads the target back, which compiled code cannot"):
        torch.compile(checked, fullgraph=True, backend="eager")(torch.zeros(2), torch.zeros(2))


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


def test_sparse_tensors_are_refused():
    x = torch.zeros(3)

    with pytest.raises(TypeError, match="expected strided logits, got sparse_coo"):
        pointwise_loss(x.to_sparse(), target=1.0)
    with pytest.raises(TypeError, match="expected strided target, got sparse_coo"):
        pointwise_loss(x, target=x.to_sparse())
    with pytest.raises(TypeError, match=r"pointwise_loss: expected strided tensors, got torch\.sparse_coo"):
        torch.ops.ganreg.pointwise_loss(x.to_sparse(), "bce", 1.0, True, 1.0)


def test_a_tensor_where_a_number_belongs_is_refused():
    x, number = torch.zeros(3), torch.tensor(2.0)

    with pytest.raises(TypeError, match="expected pos_weight to be a number, got a tensor"):
        pointwise_loss(x, target=1.0, pos_weight=number)
    with pytest.raises(TypeError, match="expected target to be a number, got a tensor"):
        paired_loss(x, x + 1, target=number)


@pytest.mark.parametrize("scale", [INF, NAN, 1e39, -1e39])
def test_a_scale_that_float32_does_not_hold_is_refused(scale):
    with pytest.raises(ValueError, match=r"expected a scale within ±3.4e\+38, got"):
        pointwise_loss(torch.zeros(3), target=1.0, scale=scale)
    assert math.isinf(scale) or math.isnan(scale) or pointwise_loss(torch.zeros(3).double(), target=1.0, scale=scale)


def test_meta_tensors_are_held_to_the_same_shapes():
    x = torch.zeros(5, device="meta")

    with pytest.raises(ValueError, match=r"expected target of the logits' shape \[5\], got \[5, 1\]"):
        pointwise_loss(x, target=torch.zeros(5, 1, device="meta"))


def test_what_is_no_tensor_or_no_number_is_refused_with_its_type():
    x = torch.zeros(3)

    for wrong, told in (
        ({"weight": 2.0}, "expected weight to be a tensor, got float"),
        ({"scale": None}, "expected scale to be a number or a 0-dim tensor, got NoneType"),
        ({"scale": 1j}, "expected scale to be a number or a 0-dim tensor, got complex"),
        ({"target": "1"}, "expected target to be a number or a tensor, got str"),
        ({"scale": torch.tensor(2.0).to_sparse()}, "expected strided scale, got sparse_coo"),
    ):
        with pytest.raises(TypeError, match=told):
            pointwise_loss(x, **{"target": 1.0} | wrong)
    with pytest.raises(TypeError, match="expected logits to be a tensor, got list"):
        pointwise_loss([1.0, 2.0], target=1.0)
    with pytest.raises(ValueError, match="expected a fused loss of"):
        pointwise_loss(x, target=1.0, loss=["bce"])
    with pytest.raises(TypeError, match="expected strided tensors, got"):
        torch.ops.ganreg.pointwise_loss(x, "bce", 1.0, False, 1.0, targets=x.to_sparse())


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in prototype stage")
def test_nested_tensors_are_refused():
    nested = torch.nested.nested_tensor([torch.randn(2), torch.randn(3)])

    with pytest.raises(TypeError, match="expected strided logits, got nested"):
        pointwise_loss(nested, target=1.0)
