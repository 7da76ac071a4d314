"""What the reference computes beside its formulas, which the tests of the operators hold against the native kernel."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganreg.ops import reference


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@given(number=st.floats(allow_nan=False))
def test_a_number_is_rounded_as_torch_rounds_it(dtype, number):
    assert reference.rounded(number, dtype) == torch.tensor(number, dtype=torch.float64).to(dtype).item()


def test_numbers_at_the_edges_are_rounded_as_torch_rounds_them():
    numbers = [0.0, 1e-45, 2.0**-150, 65519.9, 65520.0, 3.4e38, 3.5e38, 0.1, 0.9, -0.3, 2.0**-24, 2.0**-25, math.inf, -math.inf]
    for number in numbers:
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            wanted = torch.tensor(number, dtype=torch.float64).to(dtype).item()
            assert reference.rounded(number, dtype) == wanted, (number, dtype)
    assert math.isnan(reference.rounded(math.nan, torch.float16))
