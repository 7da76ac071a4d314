"""PatchGAN's discriminator against its definition."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganreg.components.discriminators.patch import PatchDiscriminator
from ganreg.contracts import DataSpec
from ganreg.errors import MismatchError


def spec(height, width=None, channels=3, num_classes=0):
    return DataSpec((channels, height, width or height), num_classes, (-1.0, 1.0))


@pytest.mark.parametrize(("layers", "patch"), [(1, 16), (2, 34), (3, 70)])
def test_a_logit_sees_a_patch_of_the_published_size(layers, patch):
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(spec(128, channels=1), layers=layers, width=2, norm="none").double()
    image = torch.randn(1, 1, 128, 128, dtype=torch.float64, requires_grad=True)

    logits = discriminator(image)
    logits[0, logits.shape[1] // 2, logits.shape[2] // 2].backward()

    seen = image.grad[0, 0] != 0
    assert (seen.any(1).sum().item(), seen.any(0).sum().item()) == (patch, patch)


def test_it_is_c64_c128_c256_c512():
    discriminator = PatchDiscriminator(spec(32))

    convolutions = [layer for layer in discriminator.layers if isinstance(layer, nn.Conv2d)]
    assert [(layer.in_channels, layer.out_channels, layer.stride[0], layer.bias is not None) for layer in convolutions] == [
        (3, 64, 2, True),
        (64, 128, 2, False),
        (128, 256, 2, False),
        (256, 512, 1, False),
        (512, 1, 1, True),
    ]
    assert {(layer.kernel_size, layer.padding) for layer in convolutions} == {((4, 4), (1, 1))}
    assert {layer.negative_slope for layer in discriminator.layers if isinstance(layer, nn.LeakyReLU)} == {0.2}


def test_no_map_has_more_than_eight_times_the_width():
    discriminator = PatchDiscriminator(spec(96), width=1, layers=5)

    assert [one.out_channels for one in discriminator.layers if isinstance(one, nn.Conv2d)] == [1, 2, 4, 8, 8, 8, 1]


@pytest.mark.parametrize(
    ("norm", "kind"), [("batch", nn.BatchNorm2d), ("instance", nn.InstanceNorm2d), ("none", None)], ids=str
)
def test_all_maps_but_the_first_and_the_logits_are_normalised(norm, kind):
    layers = PatchDiscriminator(spec(24), norm=norm, width=2).layers
    block = [nn.Conv2d, *([kind] if kind else []), nn.LeakyReLU]

    assert [type(one) for one in layers] == [nn.Conv2d, nn.LeakyReLU, *block * 3, nn.Conv2d]


@pytest.mark.parametrize(
    ("height", "width", "layers", "logits"),
    [
        (24, 24, 3, (1, 1)),
        (28, 28, 3, (1, 1)),
        (32, 48, 3, (2, 4)),
        (33, 40, 3, (2, 3)),
        (6, 9, 1, (1, 2)),
        (64, 64, 3, (6, 6)),
    ],
)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_there_are_two_logits_less_than_pixels_of_the_halved_map(height, width, layers, logits, channels):
    discriminator = PatchDiscriminator(spec(height, width, channels), layers=layers, width=2)

    assert discriminator(torch.randn(2, channels, height, width)).shape == (2, *logits)


@pytest.mark.parametrize("norm", ["none", "batch", "instance"])
def test_a_sample_is_judged_by_itself_unless_the_norm_is_the_batchs(norm):
    torch.manual_seed(0)
    discriminator, images = PatchDiscriminator(spec(24), norm=norm, width=4), torch.randn(3, 3, 24, 24)

    alone = torch.allclose(discriminator(images)[:1], discriminator(images[:1]), atol=1e-6)

    assert alone == discriminator.per_sample == (norm != "batch")


def test_a_class_is_one_more_channel():
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(spec(24, num_classes=3), conditioning="concat", norm="none", width=4)
    images = torch.randn(1, 3, 24, 24).expand(2, 3, 24, 24)

    logits = discriminator(images, torch.tensor([0, 2]))

    assert discriminator.layers[0].in_channels == 4
    assert logits[0] != logits[1]
    with pytest.raises(ValueError, match="expected labels"):
        discriminator(images)


def test_labels_change_nothing_without_conditioning():
    torch.manual_seed(0)
    discriminator, images = PatchDiscriminator(spec(24, num_classes=3), width=2), torch.randn(2, 3, 24, 24)

    assert torch.equal(discriminator(images, torch.tensor([0, 2])), discriminator(images))


def test_the_answer_is_a_logit_and_no_probability():
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(spec(24), width=4)
    nn.init.constant_(discriminator.layers[-1].bias, -5.0)

    assert discriminator(torch.randn(4, 3, 24, 24)).mean().item() < -1.0


def test_weights_start_small():
    torch.manual_seed(0)

    for layer in PatchDiscriminator(spec(24), width=32).layers:
        if isinstance(layer, nn.Conv2d):
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("norm", ["none", "batch", "instance"])
def test_every_parameter_has_a_gradient_and_a_gradient_of_the_slope(norm):
    torch.manual_seed(0)
    discriminator, images = PatchDiscriminator(spec(32), norm=norm, width=4), torch.randn(3, 3, 32, 32, requires_grad=True)

    discriminator(images).square().sum().backward()
    assert [name for name, p in discriminator.named_parameters() if p.grad is None or not p.grad.any()] == []

    discriminator.zero_grad()
    (slope,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
    slope.square().sum().backward()
    weights = [p for p in discriminator.parameters() if p.dim() == 4]
    assert all(weight.grad is not None and weight.grad.any() for weight in weights)


@pytest.mark.parametrize(
    ("shape", "layers", "what", "fix"),
    [
        (
            (2,),
            3,
            "expected images [C, H, W], got samples of shape [2]",
            "use the networks 'mlp', which take samples of any shape",
        ),
        ((3, 16, 32), 3, "expected images of at least 24x24 for 3 layers, got [3, 16, 32]", "set its layers to 2"),
        ((3, 47, 47), 4, "expected images of at least 48x48 for 4 layers, got [3, 47, 47]", "set its layers to 3"),
        ((1, 5, 5), 1, "expected images of at least 6x6 for 1 layers, got [1, 5, 5]", "resize the images to 24x24 or more"),
    ],
)
def test_data_that_do_not_fit_are_refused_with_what_would(shape, layers, what, fix):
    with pytest.raises(MismatchError) as refusal:
        PatchDiscriminator(DataSpec(shape), layers=layers)

    assert (refusal.value.what, refusal.value.at, refusal.value.fix) == (what, "discriminator patch", fix)


def test_the_layers_that_a_refusal_names_do_fit():
    for side in range(6, 60):
        with pytest.raises(MismatchError) as refusal:
            PatchDiscriminator(spec(side), layers=6, width=1)
        fitting = int(refusal.value.fix.split()[-1])
        PatchDiscriminator(spec(side), layers=fitting, width=1)
        with pytest.raises(MismatchError):
            PatchDiscriminator(spec(side), layers=fitting + 1, width=1)


def test_conditioning_without_labels_in_the_data_is_refused():
    with pytest.raises(MismatchError, match="conditioning 'concat' needs labels"):
        PatchDiscriminator(spec(24), conditioning="concat")
