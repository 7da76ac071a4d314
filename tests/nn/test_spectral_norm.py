"""Spectral normalisation against its definition."""

from copy import deepcopy
from math import sqrt

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ganreg.nn.ema import EMA, EMASettings
from ganreg.nn.spectral_norm import spectral_norm


def linear(weight):
    layer = nn.Linear(len(weight[0]), len(weight), bias=False)
    layer.weight.data = torch.tensor(weight)
    return spectral_norm(layer)


def vectors(layer):
    return [tensor for name, tensor in layer.named_buffers() if name.endswith(("_u", "_v"))]


def point(layer, u, v):
    for buffer, values in zip(vectors(layer), (u, v), strict=True):
        buffer.copy_(torch.tensor(values))


def test_one_power_iteration_is_made_per_forward_in_training():
    layer = linear([[2.0, 0.0], [0.0, 1.0]])
    point(layer, (1.0, 0.0), (0.6, 0.8))

    out = layer(torch.tensor([[1.0, 0.0]]))

    # W v = (1.2, 0.8); u = (1.2, 0.8) / sqrt(2.08); W^T u = (2.4, 0.8) / sqrt(2.08) has the length sqrt(6.4 / 2.08) = sigma.
    assert out[0, 0].item() == pytest.approx(2 / sqrt(6.4 / 2.08), rel=1e-6)
    u, v = vectors(layer)
    torch.testing.assert_close(u, torch.tensor([1.2, 0.8]) / sqrt(2.08))
    torch.testing.assert_close(v, torch.tensor([2.4, 0.8]) / sqrt(6.4))


def test_after_enough_forwards_sigma_is_the_largest_singular_value():
    layer = linear([[3.0, 0.0], [0.0, -1.0]])
    point(layer, (0.0, 1.0), (0.28, 0.96))

    for _ in range(20):
        layer(torch.zeros(1, 2))

    torch.testing.assert_close(layer.eval().weight, torch.tensor([[1.0, 0.0], [0.0, -1 / 3]]))


@pytest.mark.parametrize(
    "layer",
    [nn.Linear(7, 3), nn.Conv2d(3, 5, 3), nn.Embedding(4, 6)],
    ids=lambda layer: type(layer).__name__,
)
def test_the_largest_singular_value_of_every_kind_of_layer_becomes_1(layer):
    torch.manual_seed(0)
    nn.init.normal_(layer.weight, 0.0, 5.0)
    bias = None if getattr(layer, "bias", None) is None else layer.bias.clone()

    normal = spectral_norm(layer)
    for _ in range(200):
        assert normal.weight.isfinite().all()

    assert normal is layer
    assert torch.linalg.matrix_norm(normal.weight.flatten(1), 2).item() == pytest.approx(1.0, abs=1e-4)
    assert bias is None or torch.equal(layer.bias, bias)


def test_an_embedding_looks_normalised_weights_up():
    table = nn.Embedding(2, 2)
    table.weight.data = torch.tensor([[4.0, 0.0], [0.0, 1.0]])

    torch.testing.assert_close(spectral_norm(table)(torch.tensor([1, 0])), torch.tensor([[0.0, 0.25], [1.0, 0.0]]))


def test_in_eval_mode_nothing_moves():
    layer = linear([[2.0, 0.0], [0.0, 1.0]]).eval()
    point(layer, (0.6, 0.8), (0.6, 0.8))

    first, second = layer.weight, layer.weight

    assert torch.equal(first, second)
    assert first[0, 0].item() == pytest.approx(2 / (0.36 * 2 + 0.64 * 1), rel=1e-6)  # sigma = u · W v as it stands
    assert vectors(layer)[0].tolist() == pytest.approx([0.6, 0.8])


def test_the_gradient_is_that_of_the_whole_quotient():
    # d(c · W / sigma) / dW = c / sigma - (c · W) / sigma^2 u v^T; here sigma = 2, u = v = (1, 0), c · W = 2 + 3
    layer = linear([[2.0, 0.0], [0.0, 1.0]])
    point(layer, (1.0, 0.0), (1.0, 0.0))

    (layer.weight * torch.tensor([[1.0, 5.0], [7.0, 3.0]])).sum().backward()

    grad = layer.parametrizations.weight.original.grad
    torch.testing.assert_close(grad, torch.tensor([[0.5 - 5 / 4, 2.5], [3.5, 1.5]]))


def test_two_forwards_before_one_backward_give_the_sum_of_both_gradients():
    torch.manual_seed(0)
    layer = linear(torch.randn(4, 6).tolist())
    point(layer, torch.full((4,), 0.5).tolist(), F.normalize(torch.randn(6), dim=0).tolist())
    real, fake = torch.randn(3, 6), torch.randn(3, 6)
    apart = deepcopy(layer)

    first, second = layer(real).square().sum(), layer(fake).square().sum()
    (first - second).backward()
    apart(real).square().sum().backward()
    (-apart(fake).square().sum()).backward()

    wanted = apart.parametrizations.weight.original.grad
    torch.testing.assert_close(layer.parametrizations.weight.original.grad, wanted)
    assert wanted.abs().sum().item() > 0.1


def test_it_can_be_differentiated_twice():
    torch.manual_seed(0)
    layer = linear(torch.randn(3, 4).tolist())
    x = torch.randn(2, 4, requires_grad=True)

    (slope,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
    slope.square().sum().backward()

    assert layer.parametrizations.weight.original.grad.abs().sum().item() > 0


def test_a_copy_has_vectors_of_its_own():
    layer = linear([[2.0, 0.0], [0.0, 1.0]])
    point(layer, (1.0, 0.0), (0.6, 0.8))
    twin = deepcopy(layer)

    layer(torch.zeros(1, 2))

    assert vectors(twin)[1].tolist() == pytest.approx([0.6, 0.8])
    torch.testing.assert_close(twin.weight, layer.eval().weight)


def test_weights_and_vectors_are_the_whole_state():
    torch.manual_seed(0)
    one, other = (spectral_norm(nn.Conv2d(2, 3, 3)) for _ in range(2))
    x = torch.randn(1, 2, 5, 5)

    other.load_state_dict(one.state_dict())

    torch.testing.assert_close(other(x), one(x), rtol=0, atol=0)


def test_what_is_assigned_is_kept():
    layer = linear([[2.0, 0.0], [0.0, 1.0]])

    layer.weight = torch.tensor([[8.0, 0.0], [0.0, 2.0]])

    assert layer.parametrizations.weight.original[0, 0].item() == 8.0
    torch.testing.assert_close(layer.weight, torch.tensor([[1.0, 0.0], [0.0, 0.25]]))


def test_an_average_of_vectors_is_taken_for_its_direction():
    # An average of (1, 0) and (0, 1) is (0.5, 0.5): sigma = 0.25 · (2 + 1) would make the layer twice too strong.
    layer = linear([[2.0, 0.0], [0.0, 1.0]])
    point(layer, (1.0, 0.0), (1.0, 0.0))
    ema = EMA(layer, EMASettings(half_life=8, ramp=None))
    point(layer, (0.0, 1.0), (0.0, 1.0))
    ema.update(batch_size=8, images=8, closed=torch.zeros(()))

    assert vectors(ema.module)[0].tolist() == pytest.approx([0.5, 0.5])
    torch.testing.assert_close(ema.module.weight, torch.tensor([[2 / 1.5, 0.0], [0.0, 1 / 1.5]]))


def test_autocast_does_not_reach_sigma():
    layer = linear([[2.0, 0.0], [0.0, 1.0]])
    seen = []
    inner = layer.parametrizations.weight[0].estimate
    inner.register_forward_pre_hook(lambda *_: seen.append(torch.is_autocast_enabled("cpu")))

    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = layer(torch.ones(1, 2))

    assert seen == [False]
    assert layer.weight.dtype == torch.float32
    assert out.dtype == torch.bfloat16  # the product itself is autocast's


@pytest.mark.parametrize("training", [True, False])
def test_it_compiles_to_one_graph_with_the_same_numbers_and_vectors(training):
    torch.manual_seed(0)
    layer = nn.Sequential(linear(torch.randn(4, 6).tolist())).train(training)
    point(layer, torch.full((4,), 0.5).tolist(), F.normalize(torch.randn(6), dim=0).tolist())
    twin = deepcopy(layer)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    x = torch.randn(2, 6)

    for _ in range(2):
        torch.testing.assert_close(compiled(x), twin(x))
    (compiled(x) + compiled(2 * x)).sum().backward()
    (twin(x) + twin(2 * x)).sum().backward()

    torch.testing.assert_close(vectors(layer), vectors(twin))
    for one, other in zip(layer.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_weights_that_are_all_zero_are_refused():
    layer = nn.Linear(2, 2)
    nn.init.zeros_(layer.weight)

    with pytest.raises(ValueError, match=r"expected weights that are not all zero, got Linear.* draw them first"):
        spectral_norm(layer)
