"""Minibatch standard deviation on batches whose deviation is plain to see."""

from __future__ import annotations

import pytest
import torch

from ganreg.nn.minibatch_stddev import MinibatchStddev


def batch(*values):
    """One image of 2 channels, 3x2 pixels, for each value."""
    return torch.tensor(values)[:, None, None, None].expand(-1, 2, 3, 2).clone()


def told(x, group):
    """The number that each sample is told."""
    channel = MinibatchStddev(group)(x)[:, -1].flatten(1)
    torch.testing.assert_close(channel, channel[:, :1].expand_as(channel))
    return channel[:, 0].tolist()


def test_one_channel_is_added_and_the_others_stay():
    x = torch.randn(4, 3, 2, 5)

    out = MinibatchStddev()(x)

    assert out.shape == (4, 4, 2, 5)
    torch.testing.assert_close(out[:, :3], x, rtol=0, atol=0)


def test_zero_and_two_deviate_by_one():
    assert told(batch(0.0, 2.0), 4) == pytest.approx([1.0, 1.0])


def test_deviations_are_averaged_over_channels_and_pixels():
    x = torch.zeros(2, 1, 1, 2)
    x[1, 0, 0] = torch.tensor([2.0, 6.0])  # deviations 1 and 3

    assert told(x, 4) == pytest.approx([2.0, 2.0])


def test_each_group_has_its_own_number():
    assert told(batch(0.0, 2.0, 5.0, 11.0), 2) == pytest.approx([1.0, 1.0, 3.0, 3.0])


@pytest.mark.parametrize(
    ("count", "group", "size"), [(8, 4, 4), (6, 4, 3), (2, 4, 2), (5, 4, 1), (9, 4, 3), (10, 4, 2), (12, 32, 12), (4, 1, 1)]
)
def test_a_group_is_the_largest_divisor_of_the_batch(count, group, size):
    x = torch.randn(count, 2, 2, 2)

    deviation = x.view(-1, size, 8).var(1, correction=0).add(1e-8).sqrt().mean(1)

    assert told(x, group) == pytest.approx(deviation.repeat_interleave(size).tolist())


def test_a_batch_without_variety_is_told_the_root_of_epsilon():
    assert told(batch(3.0, 3.0), 4) == pytest.approx([1e-4, 1e-4])
    assert told(batch(3.0), 4) == pytest.approx([1e-4])


def test_sixteen_bits_lose_no_deviation():
    assert told(batch(-300.0, 300.0).half(), 4) == [300.0, 300.0]  # their variance, 90000, is no float16


def test_sixteen_bits_have_a_slope_where_nothing_varies():
    x = batch(3.0, 3.0).half().requires_grad_()  # and 1e-8 is 0 there

    MinibatchStddev()(x).sum().backward()

    assert x.grad.isfinite().all()


@pytest.mark.parametrize("values", [(0.0, 2.0), (1.0, 1.0)])
def test_both_derivatives_are_finite(values):
    x = batch(*values).requires_grad_()

    (slope,) = torch.autograd.grad(MinibatchStddev()(x).square().sum(), x, create_graph=True)
    slope.square().sum().backward()

    assert slope.isfinite().all()
    assert x.grad.isfinite().all()


def test_the_second_derivative_is_that_of_finite_differences():
    x = torch.randn(4, 1, 2, 1, dtype=torch.float64, requires_grad=True)

    assert torch.autograd.gradgradcheck(lambda x: MinibatchStddev(2)(x).square(), x)


def test_it_compiles_to_one_graph():
    x = torch.randn(6, 2, 2, 2)
    module = MinibatchStddev()

    torch.testing.assert_close(torch.compile(module, backend="aot_eager", fullgraph=True)(x), module(x))
