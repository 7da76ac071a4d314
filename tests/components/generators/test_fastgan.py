"""FastGAN's generator against its definition."""

import pytest
import torch
from torch import nn

from ganreg.components.generators.fastgan import FastGANGenerator
from ganreg.contracts import DataSpec
from ganreg.errors import MismatchError
from ganreg.nn.modulated import Noise


def spec(*shape):
    return DataSpec(shape or (1, 16, 16), value_range=(-1.0, 1.0))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 16, 16), (1, 28, 28), (4, 32, 32), (3, 12, 16)])
def test_latents_become_images_of_the_spec_inside_its_range(shape):
    generator = FastGANGenerator(spec(*shape), latent_dim=6, width=2)

    images = generator(torch.randn(3, 6))

    assert images.shape == (3, *shape)
    assert images.abs().max().item() <= 1.0
    assert generator.latent_dim == 6


def test_each_map_has_one_convolution_and_half_the_channels_of_the_one_before():
    generator = FastGANGenerator(spec(3, 64, 64), latent_dim=100, width=32)

    made = [(double[1].in_channels, double[1].out_channels // 2) for double in generator.doublings]

    assert generator.base[0].weight.shape == (2 * 512 * 16, 100)
    assert made == [(512, 256), (256, 128), (128, 64), (64, 32)]


def test_a_doubling_is_a_convolution_noise_batch_norm_and_a_gate():
    layers = [type(layer) for layer in FastGANGenerator(spec()).doublings[0]]

    assert layers == [nn.Upsample, nn.Conv2d, Noise, nn.BatchNorm2d, nn.GLU]


def test_a_map_is_doubled_by_repeating_its_places():
    double = FastGANGenerator(spec()).doublings[0][0]

    assert double(torch.tensor([[[[1.0, 5.0]]]])).tolist() == [[[[1.0, 1.0, 5.0, 5.0]] * 2]]


@pytest.mark.parametrize(
    ("side", "pairs"),
    [(16, []), (32, [("3", 64, 16)]), (64, [("4", 64, 8)]), (256, [("5", 32, 4), ("6", 32, 2)])],
)
def test_small_maps_weigh_large_ones(side, pairs):
    generator = FastGANGenerator(spec(1, side, side), latent_dim=2, width={16: 16, 32: 16, 64: 8, 256: 2}[side])

    found = [(level, one.weigh[1].in_channels, one.weigh[1].out_channels) for level, one in generator.excitations.items()]

    assert found == pairs


def test_the_image_is_made_of_the_map_that_was_weighed():
    torch.manual_seed(0)
    generator = FastGANGenerator(DataSpec((1, 32, 32)), latent_dim=4, width=2).eval()
    z = torch.randn(2, 4)
    weigh, (last, _) = generator.excitations["3"].weigh, generator.to_image
    nn.init.zeros_(last.bias)
    nn.init.zeros_(weigh[3].weight)
    nn.init.constant_(weigh[3].bias, 0.0)  # sigmoid: 1/2
    half = generator(z)
    nn.init.constant_(weigh[3].bias, 40.0)  # sigmoid: 1

    torch.testing.assert_close(generator(z), 2 * half)


def test_noise_is_new_in_training_and_fixed_after():
    torch.manual_seed(0)
    generator, z = FastGANGenerator(spec(), latent_dim=4, width=4), torch.randn(2, 4)
    for one in generator.modules():
        if isinstance(one, Noise):
            nn.init.constant_(one.gain, 0.5)

    assert not torch.equal(generator(z), generator(z))
    assert torch.equal(generator.eval()(z), generator(z))


def test_the_defaults():
    generator = FastGANGenerator(spec())

    assert generator.latent_dim == 256
    assert generator.to_image[0].in_channels == 32


def test_every_weight_has_a_gradient():
    torch.manual_seed(0)
    generator = FastGANGenerator(spec(1, 32, 32), latent_dim=6, width=4)

    (generator(torch.randn(4, 6)) * torch.randn(4, 1, 32, 32)).sum().backward()

    assert [name for name, one in generator.named_parameters() if one.grad is None or not one.grad.abs().sum() > 0] == []


def test_two_batches_can_be_made_before_a_backward():
    generator = FastGANGenerator(spec(1, 32, 32), latent_dim=6, width=4)

    (generator(torch.randn(2, 6)).sum() + generator(torch.randn(2, 6)).sum()).backward()


def test_unbounded_data_get_no_tanh():
    generator = FastGANGenerator(DataSpec((1, 16, 16)), latent_dim=6, width=4)
    nn.init.constant_(generator.to_image[0].bias, 7.0)

    assert generator(torch.randn(4, 6)).max().item() > 1.0


def test_labels_change_nothing():
    torch.manual_seed(0)
    generator = FastGANGenerator(spec(), latent_dim=6, width=4).eval()
    z = torch.randn(4, 6)

    torch.testing.assert_close(generator(z, torch.arange(4)), generator(z), rtol=0, atol=0)


def test_points_are_refused():
    with pytest.raises(MismatchError, match=r"expected images \[C, H, W\]") as refusal:
        FastGANGenerator(DataSpec((2,)))

    assert refusal.value.at == "generator fastgan"
