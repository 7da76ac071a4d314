"""The fully connected generator against its definition."""

import pytest
import torch
from torch import nn

from ganreg.components.generators.mlp import MLPGenerator
from ganreg.contracts import DataSpec

POINTS = DataSpec((2,))


@pytest.mark.parametrize("shape", [(2,), (1, 28, 28), (3, 8, 5), (4, 3)])
def test_latents_become_samples_of_any_shape(shape):
    assert MLPGenerator(DataSpec(shape), latent_dim=3, hidden=(4,))(torch.randn(5, 3)).shape == (5, *shape)


def test_hidden_layers_have_the_widths_asked_for():
    generator = MLPGenerator(POINTS, latent_dim=3, hidden=(4, 5))

    widths = [(layer.in_features, layer.out_features) for layer in generator.layers if isinstance(layer, nn.Linear)]

    assert widths == [(3, 4), (4, 5), (5, 2)]
    assert generator.latent_dim == 3


def test_without_hidden_layers_it_is_one_linear_map():
    generator = MLPGenerator(POINTS, latent_dim=3, hidden=())
    weight, bias = generator.layers[0].weight, generator.layers[0].bias
    z = torch.randn(4, 3)

    torch.testing.assert_close(generator(z), z @ weight.T + bias)


def test_the_leak_is_a_fifth():
    generator = MLPGenerator(DataSpec((1,)), latent_dim=1, hidden=(1,))
    for layer in (generator.layers[0], generator.layers[2]):
        nn.init.ones_(layer.weight)
        nn.init.zeros_(layer.bias)

    torch.testing.assert_close(generator(torch.tensor([[-10.0], [10.0]])), torch.tensor([[-2.0], [10.0]]))


def test_data_with_a_range_stay_inside_it_and_points_do_not():
    far = 1e4 * torch.randn(8, 3, generator=torch.Generator().manual_seed(0))

    bounded = MLPGenerator(DataSpec((2,), value_range=(-1.0, 1.0)), latent_dim=3)(far)
    unbounded = MLPGenerator(POINTS, latent_dim=3)(far)

    assert bounded.abs().max().item() <= 1.0
    assert unbounded.abs().max().item() > 1.0


def test_every_parameter_has_a_gradient():
    torch.manual_seed(0)
    generator = MLPGenerator(POINTS, latent_dim=3, hidden=(8, 8))

    generator(torch.randn(16, 3)).pow(2).sum().backward()

    assert [name for name, p in generator.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_labels_change_nothing():
    generator = MLPGenerator(POINTS, latent_dim=3)
    z = torch.randn(4, 3)

    torch.testing.assert_close(generator(z, torch.arange(4)), generator(z), rtol=0, atol=0)


def test_one_seed_gives_the_same_generator_twice():
    twins = []
    for _ in range(2):
        torch.manual_seed(5)
        twins.append(MLPGenerator(POINTS).state_dict())

    torch.testing.assert_close(twins[0], twins[1], rtol=0, atol=0)


def test_a_class_changes_what_is_made():
    generator = MLPGenerator(DataSpec((2,), 3), latent_dim=4, conditioning="concat")
    made = generator(torch.ones(3, 4), torch.arange(3))

    assert made.shape == (3, 2)
    assert len({tuple(one) for one in made.tolist()}) == 3


def test_a_deep_one_passes_its_latents_on_with_hes_weights():
    torch.manual_seed(0)
    z = torch.randn(256, 16)
    deep = {"latent_dim": 16, "hidden": (64,) * 8}

    faint = MLPGenerator(POINTS, **deep)(z).std(0)
    clear = MLPGenerator(POINTS, init="he", **deep)(z).std(0)

    assert (faint < 0.05).all()
    assert (clear > 0.3).all()
