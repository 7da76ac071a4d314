"""The last function of a generator."""

import pytest
import torch
from torch import nn

from ganreg.nn.output import output_function

EVERYTHING = torch.tensor([-1e9, 0.0, 1e9])


def test_images_end_in_a_plain_tanh():
    assert isinstance(output_function((-1.0, 1.0)), nn.Tanh)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 1.0), (-3.0, 5.0)])
def test_the_range_is_reached_and_never_left(low, high):
    bounded = output_function((low, high))(EVERYTHING)

    assert bounded.tolist() == [low, (low + high) / 2, high]


def test_unbounded_data_pass_unchanged():
    assert torch.equal(output_function(None)(EVERYTHING), EVERYTHING)
