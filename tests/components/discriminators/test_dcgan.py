"""DCGAN's discriminator against its definition."""

import pytest
import torch
from torch import nn

from ganreg.components.discriminators.dcgan import DCGANDiscriminator
from ganreg.contracts import DataSpec
from ganreg.errors import MismatchError


def spec(size, channels=1):
    return DataSpec((channels, size, size), value_range=(-1.0, 1.0))


@pytest.mark.parametrize("size", [8, 16, 32, 64, 128])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_each_image_gets_one_logit(size, channels):
    discriminator = DCGANDiscriminator(spec(size, channels), width=2)

    assert discriminator(torch.randn(3, channels, size, size)).shape == (3,)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 48, 32), (4, 16, 24)])
@pytest.mark.parametrize("conditioning", ["none", "concat", "projection", "acgan"])
def test_other_sides_and_classes_are_judged_too(shape, conditioning):
    discriminator = DCGANDiscriminator(DataSpec(shape, 3, (-1.0, 1.0)), width=2, conditioning=conditioning)
    images, labels = torch.randn(2, *shape).repeat(2, 1, 1, 1), torch.tensor([0, 0, 1, 2])

    answer = discriminator.eval()(images, labels)
    logits = getattr(answer, "logits", answer)

    assert logits.shape == (4,)
    assert getattr(answer, "class_logits", None) is None or answer.class_logits.shape == (4, 3)
    assert torch.equal(logits[:2], logits[2:]) == (conditioning in ("none", "acgan"))  # the same images, other classes


def test_no_map_has_more_than_sixteen_times_the_width():
    discriminator = DCGANDiscriminator(spec(256), width=1)

    assert [layer.out_channels for layer in discriminator.layers if isinstance(layer, nn.Conv2d)] == [1, 2, 4, 8, 16, 16]


def test_channels_double_while_the_map_halves_to_4x4():
    discriminator = DCGANDiscriminator(spec(64, 3), width=64)

    convolutions = [layer for layer in discriminator.layers if isinstance(layer, nn.Conv2d)]

    assert [(layer.in_channels, layer.out_channels) for layer in convolutions] == [
        (3, 64),
        (64, 128),
        (128, 256),
        (256, 512),
    ]
    assert {(layer.kernel_size, layer.stride, layer.padding) for layer in convolutions} == {((4, 4), (2, 2), (1, 1))}
    assert discriminator.head.linear.weight.shape == (1, 512 * 4 * 4)


def test_the_first_layer_has_no_batch_norm_and_every_other_one_has():
    layers = [type(layer) for layer in DCGANDiscriminator(spec(32)).layers]

    assert layers == [
        *[nn.Conv2d, nn.LeakyReLU],
        *[nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU],
        *[nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU],
        nn.Flatten,
    ]


def test_the_leak_is_a_fifth():
    layers = DCGANDiscriminator(spec(32)).layers

    assert {layer.negative_slope for layer in layers if isinstance(layer, nn.LeakyReLU)} == {0.2}


def test_the_answer_is_a_logit_and_no_probability():
    torch.manual_seed(0)
    discriminator = DCGANDiscriminator(spec(16), width=8)
    nn.init.constant_(discriminator.head.linear.bias, -5.0)

    assert discriminator(torch.randn(8, 1, 16, 16)).mean().item() < -1.0


def test_weights_start_small():
    torch.manual_seed(0)
    discriminator = DCGANDiscriminator(spec(32), width=64)

    for layer in (*discriminator.layers, discriminator.head.linear):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("size", [8, 16, 128])
def test_every_parameter_has_a_gradient(size):
    torch.manual_seed(0)
    discriminator = DCGANDiscriminator(spec(size), width=4)

    discriminator(torch.randn(8, 1, size, size)).pow(2).sum().backward()

    assert [name for name, p in discriminator.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_the_gradient_reaches_the_images():
    torch.manual_seed(0)
    images = torch.randn(2, 1, 16, 16, requires_grad=True)

    DCGANDiscriminator(spec(16), width=4)(images).sum().backward()

    assert images.grad is not None
    assert images.grad.abs().sum().item() > 0


def test_labels_change_nothing():
    torch.manual_seed(0)
    discriminator = DCGANDiscriminator(spec(16), width=4)
    images = torch.randn(4, 1, 16, 16)

    torch.testing.assert_close(discriminator(images, torch.arange(4)), discriminator(images), rtol=0, atol=0)


def test_noise_is_added_to_each_image_anew_while_training_and_never_after():
    discriminator = DCGANDiscriminator(spec(16), width=4, input_noise=0.25)
    seen = []
    discriminator.layers.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    images = torch.linspace(-1, 1, 256).view(1, 1, 16, 16).repeat(64, 1, 1, 1)
    torch.manual_seed(0)

    discriminator(images)
    discriminator(images)
    discriminator.eval()(images)

    noise, again, after = (passed - images for passed in seen)
    assert noise.mean().item() == pytest.approx(0.0, abs=0.01)  # 16,384 draws: standard error 0.002
    assert noise.std().item() == pytest.approx(0.25, rel=0.03)
    assert not torch.equal(noise, again)
    assert not torch.equal(noise[0], noise[1])
    assert after.abs().max().item() == 0.0


def test_without_noise_no_random_number_is_drawn():
    discriminator = DCGANDiscriminator(spec(16), width=4)
    before = torch.get_rng_state()

    discriminator(torch.zeros(2, 1, 16, 16))

    assert torch.equal(torch.get_rng_state(), before)


def test_one_seed_gives_the_same_discriminator_twice():
    twins = []
    for _ in range(2):
        torch.manual_seed(5)
        twins.append(DCGANDiscriminator(spec(16), width=4).state_dict())

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
        DCGANDiscriminator(DataSpec(shape))

    assert refusal.value.what.endswith(what)
    assert refusal.value.at == "discriminator dcgan"
    assert refusal.value.fix
