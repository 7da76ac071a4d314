"""R3GAN's generator against its definition."""

import pytest
import torch
from torch import nn

from ganreg.components.generators.r3gan import R3GANGenerator
from ganreg.contracts import DataSpec
from ganreg.errors import MismatchError
from ganreg.nn.r3_block import R3Block

SMALL = {"latent_dim": 6, "width": 8, "max_channels": 16}


def spec(*shape, num_classes=0):
    return DataSpec(shape or (1, 16, 16), num_classes=num_classes, value_range=(-1.0, 1.0))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 16, 16), (1, 28, 28), (4, 32, 32), (3, 12, 16)])
def test_latents_become_images_of_the_spec_inside_its_range(shape):
    generator = R3GANGenerator(spec(*shape), **SMALL)

    images = generator(torch.randn(3, 6))

    assert images.shape == (3, *shape)
    assert images.abs().max().item() <= 1.0
    assert generator.latent_dim == 6


def test_latents_weigh_the_channels_of_the_base_map():
    generator = R3GANGenerator(DataSpec((1, 8, 8)), latent_dim=2, width=8, max_channels=8)
    nn.init.zeros_(generator.weigh.weight)
    nn.init.ones_(generator.weigh.weight[:1])  # channel 0 gets the sum of z, all others nothing
    nn.init.constant_(generator.basis, 5.0)
    nn.init.constant_(generator.basis[0], 0.5)
    nn.init.constant_(generator.to_image[0].weight, 1.0)

    images = generator(torch.tensor([[1.0, 2.0], [-4.0, 0.0]]))

    # Blocks start as the identity, an even map stays even when it is doubled: (z1 + z2) · 0.5 everywhere.
    torch.testing.assert_close(images, torch.tensor([1.5, -2.0]).view(2, 1, 1, 1).expand(2, 1, 8, 8))


def test_channels_halve_while_the_map_doubles_from_4x4():
    generator = R3GANGenerator(spec(3, 32, 32))

    blocks = [one.project.out_channels for one in generator.modules() if isinstance(one, R3Block)]

    assert generator.basis.shape == (512, 4, 4)
    assert blocks == [512, 512, 256, 256, 128, 128, 64, 64]
    assert generator.weigh.weight.shape == (512, 64)


def test_fix_up_knows_how_many_blocks_there_are():
    torch.manual_seed(0)
    generator = R3GANGenerator(spec(), blocks=4, width=64, max_channels=64)  # 3 maps, 12 blocks

    block = next(one for one in generator.modules() if isinstance(one, R3Block))

    assert block.expand.weight.std().item() == pytest.approx(12**-0.25 * (2 / 1.04 / 64) ** 0.5, rel=0.05)


def test_the_smallest_map_starts_with_the_variance_of_the_latents():
    torch.manual_seed(0)
    generator = R3GANGenerator(spec(), latent_dim=256, width=64)

    assert generator.weigh.weight.std().item() == pytest.approx(1 / 16, rel=0.03)  # sqrt(256) = 16
    assert generator.basis.std().item() == pytest.approx(1.0, rel=0.05)


def test_biases_stand_inside_blocks_alone():
    names = [name for name, _ in R3GANGenerator(spec(), **SMALL).named_parameters() if "bias" in name]

    assert len(names) == 2 * 6
    assert all("expand" in name or "grouped" in name for name in names)


def test_there_is_no_normalisation_so_that_no_image_depends_on_another():
    torch.manual_seed(0)
    generator = R3GANGenerator(spec(), **SMALL)
    z = torch.randn(4, 6)

    torch.testing.assert_close(generator(z)[:1], generator(z[:1]))


def test_images_start_neither_flat_nor_against_the_limits_of_their_range():
    torch.manual_seed(0)

    assert 0.3 < R3GANGenerator(spec(3, 32, 32), width=16)(torch.randn(8, 64)).std().item() < 0.8


def test_unbounded_data_get_no_tanh():
    torch.manual_seed(0)
    generator = R3GANGenerator(DataSpec((1, 16, 16)), **SMALL)

    assert generator(9 * torch.randn(4, 6)).max().item() > 1.0


def test_a_class_changes_what_is_made_and_is_asked_for():
    torch.manual_seed(0)
    generator = R3GANGenerator(spec(num_classes=3), conditioning="concat", **SMALL)
    z = torch.randn(1, 6)

    assert not torch.equal(generator(z, torch.tensor([0])), generator(z, torch.tensor([1])))
    with pytest.raises(ValueError, match=r"expected labels \[N\], got none"):
        generator(z)


def test_without_conditioning_labels_change_nothing():
    torch.manual_seed(0)
    generator = R3GANGenerator(spec(num_classes=4), **SMALL)
    z = torch.randn(4, 6)

    torch.testing.assert_close(generator(z, torch.arange(4)), generator(z), rtol=0, atol=0)


@pytest.mark.parametrize("conditioning", ["none", "concat"])
def test_every_weight_has_a_gradient_by_the_second_step(conditioning):
    torch.manual_seed(0)
    generator = R3GANGenerator(spec(num_classes=2), conditioning=conditioning, **SMALL)
    optimizer = torch.optim.SGD(generator.parameters(), lr=0.01)
    waiting = {name for name, _ in generator.named_parameters()}
    for _ in range(2):  # in the first the last convolutions of blocks are 0, and nothing reaches those before
        optimizer.zero_grad()
        generator(torch.randn(4, 6), torch.tensor([0, 1, 0, 1])).square().sum().backward()
        waiting -= {name for name, one in generator.named_parameters() if one.grad.abs().sum() > 0}
        optimizer.step()

    assert waiting == set()


def test_widths_that_do_not_part_into_groups_are_refused():
    with pytest.raises(ValueError, match="group_channels must divide 8, 2 times the 4 channels of a map, got 16"):
        R3GANGenerator(spec(), width=4, max_channels=4)


def test_a_class_of_data_without_classes_is_refused():
    with pytest.raises(MismatchError, match="conditioning 'concat' needs labels, and the data has none") as refusal:
        R3GANGenerator(spec(), conditioning="concat")

    assert refusal.value.at == "generator r3gan"


def test_points_are_refused():
    with pytest.raises(MismatchError, match=r"expected images \[C, H, W\]") as refusal:
        R3GANGenerator(DataSpec((2,)))

    assert refusal.value.at == "generator r3gan"
