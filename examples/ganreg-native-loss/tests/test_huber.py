"""The kernel beside its formula."""

import math

import pytest
import torch
from ganreg_native_loss.loss import FUSED, Huber, formula

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


def test_a_distance_of_three_costs_two_and_a_half_and_pulls_with_one():
    found = FUSED.single(torch.tensor([4.0]), target=1.0)

    assert found.value.item() == 2.5
    assert found.grads[0].item() == 1.0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 17, 4095, 4097])
def test_the_kernel_says_what_the_formula_says(count: int, dtype: torch.dtype):
    logits = (4 * torch.randn(count, generator=torch.Generator().manual_seed(count))).to(dtype)
    found = FUSED.single(logits, target=0.75, parameter=0.5, reduction="none")
    loss, derivative = formula(logits.double(), torch.tensor(0.75), 0.5)

    torch.testing.assert_close(found.value, loss.to(dtype))
    torch.testing.assert_close(found.grads[0], derivative.to(dtype))


def test_infinite_logits_have_their_limits_and_a_nan_stays_one():
    found = FUSED.single(torch.tensor([math.inf, -math.inf, math.nan]), target=1.0, reduction="none")

    assert found.value.tolist()[:2] == [math.inf, math.inf]
    assert found.grads[0].tolist()[:2] == [1.0, -1.0]
    assert found.value[2].isnan()
    assert found.grads[0][2].isnan()


def test_at_its_equilibrium_the_discriminator_gains_nothing_by_moving():
    for width in (0.25, 1.0):
        logits = torch.full((4,), 0.5)
        result = Huber(width=width).discriminator_value_and_grad(logits, logits)

        assert result.value.item() == pytest.approx(Huber(width=width).equilibrium[0])
        assert (result.grads[0] + result.grads[1]).abs().max() == 0
