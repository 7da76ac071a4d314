"""Self-attention against its definition."""

from math import exp

import pytest
import torch
from torch import nn

from ganreg.nn.attention import SelfAttention, place


def ready(channels, gamma=0.7):
    torch.manual_seed(0)
    layer = SelfAttention(channels)
    nn.init.constant_(layer.gamma, gamma)
    return layer


def weigh(convolution, weight):
    convolution.weight.data = torch.tensor(weight).view_as(convolution.weight)


def test_at_first_a_map_passes_unchanged():
    x = torch.randn(2, 8, 4, 4)

    assert torch.equal(SelfAttention(8)(x), x)


def test_where_there_is_one_key_everybody_gets_the_largest_value():
    layer = ready(2, gamma=0.5)
    weigh(layer.value, [1.0, 0.0])
    weigh(layer.out, [1.0, 10.0])
    x = torch.tensor([[[[1.0, 2.0], [4.0, 3.0]], [[9.0, 9.0], [9.0, 9.0]]]])

    out = layer(x)

    torch.testing.assert_close(out[0, 0], x[0, 0] + 0.5 * 4)
    torch.testing.assert_close(out[0, 1], x[0, 1] + 0.5 * 40)


def test_a_position_asks_all_keys_and_takes_their_values_by_softmax():
    layer = ready(1, gamma=1.0)
    weigh(layer.query, [1.0])
    weigh(layer.key, [0.5])
    weigh(layer.value, [2.0])
    weigh(layer.out, [1.0])
    x = torch.tensor([1.0, 2.0, 0.0, -1.0]).repeat(2, 1).view(1, 1, 2, 4)  # keys 0.5 · (2, 0), values 2 · (2, 0)

    out = layer(x)

    for column, query in enumerate((1.0, 2.0, 0.0, -1.0)):
        share = exp(query * 1.0) / (exp(query * 1.0) + exp(0.0))
        assert out[0, 0, 0, column].item() == pytest.approx(query + share * 4.0, rel=1e-6)


def test_it_is_the_formula_position_by_position():
    layer = ready(16)
    x = torch.randn(2, 16, 4, 6)
    query, key, value, out = (one.weight.flatten(1) for one in (layer.query, layer.key, layer.value, layer.out))

    made = layer(x)

    for n in range(2):
        pixels = x[n].flatten(1)
        keys = (key @ pixels).view(2, 2, 2, 3, 2).amax((2, 4)).flatten(1)
        values = (value @ pixels).view(8, 2, 2, 3, 2).amax((2, 4)).flatten(1)
        for position in range(24):
            share = torch.softmax((query @ pixels[:, position]) @ keys, dim=0)
            wanted = pixels[:, position] + 0.7 * out @ (values @ share)
            torch.testing.assert_close(made[n].flatten(1)[:, position], wanted)


def test_queries_and_keys_have_an_eighth_of_the_channels_and_values_half():
    layer = SelfAttention(64)

    assert {name: tuple(one.shape) for name, one in layer.named_parameters()} == {
        "query.weight": (8, 64, 1, 1),
        "key.weight": (8, 64, 1, 1),
        "value.weight": (32, 64, 1, 1),
        "out.weight": (64, 32, 1, 1),
        "gamma": (),
    }


@pytest.mark.parametrize("channels", [1, 3, 8])
@pytest.mark.parametrize("size", [(4, 4), (7, 7), (5, 8), (1, 1)])
def test_any_width_and_any_sides_work(channels, size):
    x = torch.randn(2, channels, *size)

    assert ready(channels)(x).shape == x.shape


def test_of_odd_sides_the_last_row_and_column_are_seen():
    layer = ready(8)
    x = torch.randn(1, 8, 5, 5)
    x.requires_grad_()

    layer(x)[0, :, 0, 0].sum().backward()

    assert x.grad[0, :, 4, :].abs().sum().item() > 0
    assert x.grad[0, :, :, 4].abs().sum().item() > 0


def test_gamma_learns_first_and_the_rest_from_the_second_step_on():
    torch.manual_seed(0)
    layer = SelfAttention(8)
    x = torch.randn(2, 8, 4, 4)

    layer(x).square().sum().backward()
    assert layer.gamma.grad.abs().item() > 0
    assert layer.query.weight.grad.abs().sum().item() == 0
    torch.optim.SGD(layer.parameters(), lr=0.01).step()
    layer(x).square().sum().backward()

    assert [name for name, one in layer.named_parameters() if not one.grad.abs().sum() > 0] == []


def test_it_can_be_differentiated_twice():
    layer = ready(8).double()
    x = torch.randn(1, 8, 4, 4, dtype=torch.float64, requires_grad=True)

    assert torch.autograd.gradgradcheck(layer, (x,))


def test_no_sample_sees_another():
    layer = ready(8)
    x = torch.randn(3, 8, 4, 4)

    torch.testing.assert_close(layer(x)[1:2], layer(x[1:2]))


def test_softmax_is_taken_in_float32_under_autocast():
    # 300 keys alike: bfloat16 shares of 1/300 would be summed with three digits each.
    layer = ready(1, gamma=1.0)
    for one in (layer.query, layer.key, layer.value, layer.out):
        weigh(one, [1.0])
    x = torch.ones(1, 1, 40, 30)

    seen = []
    real = torch.Tensor.softmax

    def spy(tensor, *args, **kwargs):
        out = real(tensor, *args, **kwargs)
        seen.append(out.dtype)
        return out

    with pytest.MonkeyPatch.context() as patch, torch.autocast("cpu", dtype=torch.bfloat16):
        patch.setattr(torch.Tensor, "softmax", spy)
        out = layer(x)

    assert seen == [torch.float32]
    torch.testing.assert_close(out.float(), torch.full_like(x, 2.0), rtol=0.01, atol=0)


def test_every_layer_of_weights_is_wrapped():
    wrapped = []

    layer = SelfAttention(8, wrap=lambda module: wrapped.append(module) or module)

    assert wrapped == [layer.query, layer.key, layer.value, layer.out]


def test_attention_finds_the_first_map_of_its_side():
    assert place(0, [16, 8, 8, 8]) is None
    assert place(16, [16, 8, 8, 8]) == 0
    assert place(8, [16, 8, 8, 8]) == 1


def test_a_side_that_no_map_has_is_refused_with_those_that_are():
    with pytest.raises(ValueError, match="attention must be 0 or the side of a map after a block, here 8, 16; got 12"):
        place(12, [16, 8, 8, 8])
