"""R3GAN's discriminator against its definition."""

import pytest
import torch
from torch import nn

from ganreg.components.discriminators.r3gan import R3GANDiscriminator
from ganreg.contracts import DataSpec
from ganreg.errors import MismatchError
from ganreg.nn.r3_block import R3Block

SMALL = {"width": 8, "max_channels": 16}


def spec(*shape, num_classes=0):
    return DataSpec(shape or (1, 16, 16), num_classes=num_classes, value_range=(-1.0, 1.0))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 16, 16), (1, 28, 28), (4, 32, 32), (3, 12, 16)])
def test_images_become_one_logit_each(shape):
    assert R3GANDiscriminator(spec(*shape), **SMALL)(torch.randn(3, *shape)).shape == (3,)


def test_an_even_image_is_summed_by_the_last_look():
    discriminator = R3GANDiscriminator(spec(1, 8, 8), width=8, max_channels=8)
    nn.init.constant_(discriminator.layers[0].weight, 2.0)
    nn.init.constant_(discriminator.layers[-2].weight, 0.25)
    nn.init.constant_(discriminator.head.linear.weight, 0.5)
    nn.init.constant_(discriminator.head.linear.bias, 1.0)

    logits = discriminator(torch.tensor([1.0, -3.0]).view(2, 1, 1, 1).expand(2, 1, 8, 8))

    # Blocks start as the identity: 8 channels of 2x, each looked at in 16 places of weight 0.25, then halved: 32 x + 1.
    torch.testing.assert_close(logits, torch.tensor([33.0, -95.0]))


def test_channels_double_while_the_map_halves_to_4x4_and_the_last_look_keeps_them_apart():
    discriminator = R3GANDiscriminator(spec(3, 32, 32))

    blocks = [one.project.out_channels for one in discriminator.modules() if isinstance(one, R3Block)]
    look = discriminator.layers[-2]

    assert blocks == [64, 64, 128, 128, 256, 256, 512, 512]
    assert (look.weight.shape, look.groups) == ((512, 1, 4, 4), 512)


def test_the_last_look_is_as_large_as_the_smallest_map():
    assert R3GANDiscriminator(spec(1, 28, 28), **SMALL).layers[-2].kernel_size == (7, 7)
    assert R3GANDiscriminator(spec(1, 12, 16), **SMALL).layers[-2].kernel_size == (6, 8)


def test_fix_up_knows_how_many_blocks_there_are():
    torch.manual_seed(0)
    discriminator = R3GANDiscriminator(spec(), blocks=4, width=64, max_channels=64)  # 3 maps, 12 blocks

    block = next(one for one in discriminator.modules() if isinstance(one, R3Block))

    assert block.expand.weight.std().item() == pytest.approx(12**-0.25 * (2 / 1.04 / 64) ** 0.5, rel=0.05)


def test_biases_stand_inside_blocks_and_at_the_logit():
    names = [name for name, _ in R3GANDiscriminator(spec(), **SMALL).named_parameters() if "bias" in name]

    assert len(names) == 2 * 6 + 1
    assert [name for name in names if "expand" not in name and "grouped" not in name] == ["head.linear.bias"]


def test_it_judges_each_sample_by_itself_and_says_so():
    torch.manual_seed(0)
    discriminator = R3GANDiscriminator(spec(), **SMALL)
    images = torch.randn(4, 1, 16, 16)

    assert discriminator.per_sample
    torch.testing.assert_close(discriminator(images)[:1], discriminator(images[:1]))


@pytest.mark.parametrize("conditioning", ["concat", "projection"])
def test_a_class_changes_the_logit_and_is_asked_for(conditioning):
    torch.manual_seed(0)
    discriminator = R3GANDiscriminator(spec(num_classes=3), conditioning=conditioning, **SMALL)
    image = torch.randn(1, 1, 16, 16)

    assert discriminator(image, torch.tensor([0])) != discriminator(image, torch.tensor([1]))
    with pytest.raises(ValueError, match=r"expected labels \[N\], got none"):
        discriminator(image)


def test_acgan_answers_with_class_logits():
    answer = R3GANDiscriminator(spec(num_classes=3), conditioning="acgan", **SMALL)(torch.randn(2, 1, 16, 16))

    assert answer.logits.shape == (2,)
    assert answer.class_logits.shape == (2, 3)


def test_without_conditioning_labels_change_nothing():
    torch.manual_seed(0)
    discriminator = R3GANDiscriminator(spec(num_classes=4), **SMALL)
    images = torch.randn(4, 1, 16, 16)

    torch.testing.assert_close(discriminator(images, torch.arange(4)), discriminator(images), rtol=0, atol=0)


@pytest.mark.parametrize("conditioning", ["none", "concat", "projection", "acgan"])
def test_every_weight_has_a_gradient_by_the_second_step(conditioning):
    torch.manual_seed(0)
    discriminator = R3GANDiscriminator(spec(num_classes=2), conditioning=conditioning, **SMALL)
    optimizer = torch.optim.SGD(discriminator.parameters(), lr=0.01)
    waiting = {name for name, _ in discriminator.named_parameters()}
    for _ in range(2):  # in the first the last convolutions of blocks are 0, and nothing reaches those before
        optimizer.zero_grad()
        answer = discriminator(torch.randn(4, 1, 16, 16), torch.tensor([0, 1, 0, 1]))
        told = [answer.logits, answer.class_logits] if conditioning == "acgan" else [answer]
        sum(one.square().sum() for one in told).backward()
        waiting -= {name for name, one in discriminator.named_parameters() if one.grad.abs().sum() > 0}
        optimizer.step()

    assert waiting == set()


def test_its_slope_on_images_has_a_gradient_itself():
    torch.manual_seed(0)
    discriminator = R3GANDiscriminator(spec(1, 8, 8), width=4, max_channels=4, group_channels=4, blocks=1).double()
    for block in discriminator.modules():
        if isinstance(block, R3Block):
            nn.init.normal_(block.project.weight)

    images = torch.randn(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)

    assert torch.autograd.gradgradcheck(discriminator, (images,))


def test_widths_that_do_not_part_into_groups_are_refused():
    with pytest.raises(ValueError, match="group_channels must divide 8, 2 times the 4 channels of a map, got 16"):
        R3GANDiscriminator(spec(), width=4, max_channels=4)


def test_a_class_of_data_without_classes_is_refused():
    with pytest.raises(MismatchError, match="conditioning 'projection' needs labels, and the data has none") as refusal:
        R3GANDiscriminator(spec(), conditioning="projection")

    assert refusal.value.at == "discriminator r3gan"


def test_points_are_refused():
    with pytest.raises(MismatchError, match=r"expected images \[C, H, W\]") as refusal:
        R3GANDiscriminator(DataSpec((2,)))

    assert refusal.value.at == "discriminator r3gan"
