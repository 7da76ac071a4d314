import math

import pytest
import torch

from ganreg.components.losses.softplus import softplus


@pytest.mark.parametrize("x", [-700.0, -30.0, -1.0, 0.0, 1.0, 19.0, 21.0, 30.0, 700.0])
def test_it_is_log_of_one_plus_e_to_the_x_in_float64_on_both_sides_of_torchs_threshold(x):
    expected = max(x, 0.0) + math.log1p(math.exp(-abs(x)))

    assert softplus(torch.tensor(x, dtype=torch.float64)).item() == pytest.approx(expected, rel=1e-14)


def test_its_slope_is_the_logistic_function_beyond_torchs_threshold_too():
    x = torch.tensor([0.0, 21.0, 30.0], dtype=torch.float64, requires_grad=True)

    (slope,) = torch.autograd.grad(softplus(x).sum(), x)

    torch.testing.assert_close(1.0 - slope, torch.exp(-x.detach()) * slope, rtol=1e-3, atol=0)


def test_infinities_have_their_limits_and_a_nan_stays_one():
    values = softplus(torch.tensor([-math.inf, math.inf, math.nan]))

    assert values[0] == 0
    assert values[1] == math.inf
    assert values[2].isnan()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sixteen_bit_logits_are_widened(dtype):
    assert softplus(torch.zeros(3, dtype=dtype)).dtype == torch.float32
