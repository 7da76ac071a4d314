"""The fully connected discriminator against its definition."""

import pytest
import torch
from torch import nn

from ganreg.components.discriminators.mlp import MLPDiscriminator
from ganreg.contracts import DataSpec

POINTS = DataSpec((2,))


@pytest.mark.parametrize("shape", [(2,), (1, 28, 28), (3, 8, 5), (4, 3)])
def test_each_sample_of_any_shape_gets_one_logit(shape):
    assert MLPDiscriminator(DataSpec(shape), hidden=(4,))(torch.randn(5, *shape)).shape == (5,)


@pytest.mark.parametrize("conditioning", ["concat", "projection", "acgan"])
def test_a_class_changes_its_logits_or_stands_beside_them(conditioning):
    discriminator = MLPDiscriminator(DataSpec((2,), 3), hidden=(4,), conditioning=conditioning)
    answer = discriminator(torch.ones(3, 2), torch.arange(3))

    if conditioning == "acgan":
        assert answer.class_logits.shape == (3, 3)
    else:
        assert len(set(answer.tolist())) == 3


def test_hidden_layers_have_the_widths_asked_for():
    layers = MLPDiscriminator(DataSpec((3, 2)), hidden=(5, 4)).modules()

    widths = [(layer.in_features, layer.out_features) for layer in layers if isinstance(layer, nn.Linear)]

    assert widths == [(6, 5), (5, 4), (4, 1)]


def test_the_leak_is_a_fifth_and_the_answer_a_logit():
    discriminator = MLPDiscriminator(DataSpec((1,)), hidden=(1,))
    for layer in (discriminator.layers[1], discriminator.head.linear):
        nn.init.ones_(layer.weight)
        nn.init.zeros_(layer.bias)

    torch.testing.assert_close(discriminator(torch.tensor([[-10.0], [10.0]])), torch.tensor([-2.0, 10.0]))


def test_the_samples_are_left_as_they_were():
    samples = torch.tensor([[-1.0, 1.0]])

    MLPDiscriminator(POINTS, hidden=())(samples)

    assert samples.tolist() == [[-1.0, 1.0]]


def test_every_parameter_has_a_gradient():
    torch.manual_seed(0)
    discriminator = MLPDiscriminator(POINTS, hidden=(8, 8))

    discriminator(torch.randn(16, 2)).pow(2).sum().backward()

    assert [name for name, p in discriminator.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_labels_change_nothing():
    discriminator = MLPDiscriminator(POINTS)
    samples = torch.randn(4, 2)

    torch.testing.assert_close(discriminator(samples, torch.arange(4)), discriminator(samples), rtol=0, atol=0)


def test_one_seed_gives_the_same_discriminator_twice():
    twins = []
    for _ in range(2):
        torch.manual_seed(5)
        twins.append(MLPDiscriminator(POINTS).state_dict())

    torch.testing.assert_close(twins[0], twins[1], rtol=0, atol=0)


def test_hes_weights_tell_two_points_apart_from_the_start():
    torch.manual_seed(0)
    points = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    deep = (64,) * 8

    faint = MLPDiscriminator(DataSpec((2,)), hidden=deep)(points)
    clear = MLPDiscriminator(DataSpec((2,)), hidden=deep, init="he")(points)

    assert (faint[0] - faint[1]).abs() < 0.05 < 0.2 < (clear[0] - clear[1]).abs()
