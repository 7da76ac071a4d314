"""Layers of equalized learning rate on numbers worked out by hand."""

from __future__ import annotations

import math
from copy import deepcopy

import pytest
import torch
from torch import nn

from ganreg.nn.equalized import EqualizedConv2d, EqualizedEmbedding, EqualizedLinear, equalized, leaky_relu

ROOT = math.sqrt(2.0)


def test_the_activation_leaks_a_fifth_and_gains_the_root_of_two():
    torch.testing.assert_close(leaky_relu(torch.tensor([-1.0, 0.0, 2.0])), torch.tensor([-0.2 * ROOT, 0.0, 2.0 * ROOT]))


def test_a_linear_layer_divides_by_the_root_of_its_inputs():
    layer = EqualizedLinear(4, 1, bias_init=1.0)
    nn.init.constant_(layer.weight, 2.0)

    assert layer(torch.ones(1, 4)).item() == pytest.approx(4 * 2 / 2 + 1)


def test_a_convolution_divides_by_the_root_of_all_that_it_sums():
    layer = EqualizedConv2d(4, 1, 3)
    nn.init.constant_(layer.weight, 1.0)

    assert layer(torch.ones(1, 4, 3, 3)).item() == pytest.approx(36 / 6)


def test_a_convolution_keeps_stride_and_padding():
    assert EqualizedConv2d(2, 3, 3, stride=2, padding=1, bias=False)(torch.randn(1, 2, 8, 8)).shape == (1, 3, 4, 4)


def test_a_row_of_an_embedding_is_divided_by_the_root_of_its_length():
    layer = EqualizedEmbedding(3, 16)
    nn.init.constant_(layer.weight, 2.0)

    torch.testing.assert_close(layer(torch.tensor([1])), torch.full((1, 16), 0.5))


@pytest.mark.parametrize(
    "made", [lambda: EqualizedLinear(400, 300), lambda: EqualizedConv2d(40, 300, 3), lambda: EqualizedEmbedding(40, 300)]
)
def test_stored_weights_are_standard_normal(made):
    torch.manual_seed(0)

    weight = made().weight

    assert weight.mean().item() == pytest.approx(0.0, abs=0.02)
    assert weight.std().item() == pytest.approx(1.0, rel=0.02)


def test_a_signal_keeps_its_scale_through_layer_and_activation():
    torch.manual_seed(0)

    out = leaky_relu(EqualizedLinear(256, 256)(torch.randn(256, 256)))

    assert out.square().mean().item() == pytest.approx(2 * (0.5 + 0.5 * 0.2**2), rel=0.03)


def test_a_multiplier_of_the_learning_rate_changes_no_output_at_the_start():
    torch.manual_seed(0)
    plain = EqualizedLinear(8, 5, bias_init=0.5)
    torch.manual_seed(0)
    slow = EqualizedLinear(8, 5, bias_init=0.5, lr_multiplier=0.01)
    x = torch.randn(3, 8)

    torch.testing.assert_close(slow(x), plain(x))


@pytest.mark.parametrize("kind", ["linear", "convolution"])
def test_a_step_of_equal_size_moves_the_output_by_the_multiplier(kind):
    moved = []
    for multiplier in (1.0, 0.01):
        layer = (
            EqualizedLinear(4, 1, lr_multiplier=multiplier)
            if kind == "linear"
            else EqualizedConv2d(4, 1, 1, lr_multiplier=multiplier)
        )
        x = torch.ones(1, 4) if kind == "linear" else torch.ones(1, 4, 1, 1)
        before = layer(x).item()
        with torch.no_grad():
            layer.weight += 1.0
            layer.bias += 1.0
        moved.append(layer(x).item() - before)

    assert moved == pytest.approx([4 / 2 + 1, 0.01 * 3], rel=1e-3)


def test_layers_become_their_equalized_twins():
    linear, embedding = equalized(nn.Linear(3, 2, bias=False)), equalized(nn.Embedding(4, 5))

    assert isinstance(linear, EqualizedLinear)
    assert (linear.in_features, linear.out_features, linear.bias) == (3, 2, None)
    assert isinstance(embedding, EqualizedEmbedding)
    assert (embedding.num_embeddings, embedding.embedding_dim) == (4, 5)


def test_another_layer_has_no_twin():
    with pytest.raises(TypeError, match="expected a Linear or an Embedding, got a ReLU"):
        equalized(nn.ReLU())


def test_a_copy_answers_alike():
    layer = EqualizedLinear(4, 2, lr_multiplier=0.1)
    x = torch.randn(3, 4)

    torch.testing.assert_close(deepcopy(layer)(x), layer(x), rtol=0, atol=0)
