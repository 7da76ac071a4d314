"""DCGAN's generator against its definition."""

import pytest
import torch
from torch import nn

from ganreg.components.generators.dcgan import DCGANGenerator
from ganreg.contracts import DataSpec
from ganreg.errors import MismatchError


def spec(size, channels=1):
    return DataSpec((channels, size, size), value_range=(-1.0, 1.0))


@pytest.mark.parametrize("size", [8, 16, 32, 64, 128])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_latents_become_images_of_the_spec_inside_its_range(size, channels):
    generator = DCGANGenerator(spec(size, channels), latent_dim=6, width=2)

    images = generator(torch.randn(3, 6))

    assert images.shape == (3, channels, size, size)
    assert images.abs().max().item() <= 1.0
    assert generator.latent_dim == 6


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 48, 32), (4, 16, 24)])
@pytest.mark.parametrize("conditioning", ["none", "concat", "conditional-bn"])
def test_other_sides_and_classes_are_made_too(shape, conditioning):
    torch.manual_seed(0)
    generator = DCGANGenerator(DataSpec(shape, 3, (-1.0, 1.0)), latent_dim=6, width=2, conditioning=conditioning)
    z, labels = torch.randn(2, 6).repeat(2, 1), torch.tensor([0, 0, 1, 2])

    images = generator.eval()(z, labels)

    assert images.shape == (4, *shape)
    assert torch.equal(images[:2], images[2:]) == (conditioning == "none")  # the same latents, other classes


def test_no_map_has_more_than_sixteen_times_the_width():
    generator = DCGANGenerator(spec(256), width=1)

    assert [layer.in_channels for layer in generator.layers if isinstance(layer, nn.ConvTranspose2d)] == [16, 16, 8, 4, 2, 1]


def test_channels_halve_while_the_map_doubles_from_4x4():
    generator = DCGANGenerator(spec(64, 3), latent_dim=100, width=64)

    convolutions = [layer for layer in generator.layers if isinstance(layer, nn.ConvTranspose2d)]

    assert generator.linear.weight.shape == (512 * 4 * 4, 100)
    assert [(layer.in_channels, layer.out_channels) for layer in convolutions] == [
        (512, 256),
        (256, 128),
        (128, 64),
        (64, 3),
    ]
    assert {(layer.kernel_size, layer.stride, layer.padding) for layer in convolutions} == {((4, 4), (2, 2), (1, 1))}


def test_batch_norm_and_relu_stand_before_every_transposed_convolution_and_tanh_at_the_end():
    layers = [type(layer) for layer in DCGANGenerator(spec(16)).layers]

    assert layers == [nn.BatchNorm2d, nn.ReLU, nn.ConvTranspose2d] * 2 + [nn.Tanh]


def test_the_defaults_are_the_papers():
    generator = DCGANGenerator(spec(16))

    assert generator.latent_dim == 100
    assert generator.layers[3].num_features == 64


def test_weights_start_small_and_gains_around_one():
    torch.manual_seed(0)
    generator = DCGANGenerator(spec(32), width=64)

    assert generator.linear.weight.std().item() == pytest.approx(0.02, rel=0.02)
    for layer in generator.layers:
        if isinstance(layer, nn.ConvTranspose2d):
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1)
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.weight.mean().item() == pytest.approx(1.0, abs=0.01)
            assert 0.01 < layer.weight.std().item() < 0.03


@pytest.mark.parametrize("size", [8, 16, 128])
def test_every_parameter_has_a_gradient(size):
    torch.manual_seed(0)
    generator = DCGANGenerator(spec(size), latent_dim=6, width=4)

    generator(torch.randn(8, 6)).pow(2).sum().backward()

    assert [name for name, p in generator.named_parameters() if p.grad is None or not p.grad.abs().sum() > 1e-6] == []


def test_unbounded_data_get_no_tanh():
    torch.manual_seed(0)
    generator = DCGANGenerator(DataSpec((1, 16, 16)), latent_dim=6, width=4)
    nn.init.constant_(generator.layers[-2].bias, 7.0)

    assert generator(torch.randn(4, 6)).max().item() > 1.0


def test_labels_change_nothing():
    torch.manual_seed(0)
    generator = DCGANGenerator(spec(16), latent_dim=6, width=4)
    z = torch.randn(4, 6)

    torch.testing.assert_close(generator(z, torch.arange(4)), generator(z), rtol=0, atol=0)


def test_one_seed_gives_the_same_generator_twice():
    twins = []
    for _ in range(2):
        torch.manual_seed(5)
        twins.append(DCGANGenerator(spec(16), latent_dim=6, width=4).state_dict())

    torch.testing.assert_close(twins[0], twins[1], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("shape", "what"),
    [
        ((2,), "expected images [C, H, W], got samples of shape [2]"),
        (
            (3, 33, 33),
            "expected images whose sides halve to 4 – 16 positions, such as 28, 32, 48, 64 or 96 wide, got [3, 33, 33]",
        ),
    ],
)
def test_data_that_do_not_fit_are_refused_with_what_would(shape, what):
    with pytest.raises(MismatchError) as refusal:
        DCGANGenerator(DataSpec(shape))

    assert refusal.value.what.endswith(what)
    assert refusal.value.at == "generator dcgan"
    assert refusal.value.fix
