"""StyleGAN2's discriminator against its definition."""

from __future__ import annotations

import math
from copy import deepcopy

import pytest
import torch
from torch import nn

from ganreg.components.discriminators.stylegan2 import Block, StyleGAN2Discriminator
from ganreg.contracts import DataSpec, DiscriminatorOutput
from ganreg.errors import MismatchError
from ganreg.nn.equalized import EqualizedConv2d, EqualizedEmbedding, EqualizedLinear

CONDITIONS = ["none", "concat", "projection", "acgan"]


def spec(height, width=None, channels=1, num_classes=0):
    return DataSpec((channels, height, width or height), num_classes=num_classes, value_range=(-1.0, 1.0))


def made(height=8, width=None, channels=1, num_classes=0, **settings):
    return StyleGAN2Discriminator(spec(height, width, channels, num_classes), **({"width": 4} | settings))


def logits_of(answer):
    return answer.logits if isinstance(answer, DiscriminatorOutput) else answer


@pytest.mark.parametrize(("height", "width"), [(8, 8), (16, 16), (28, 28), (12, 20)])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("architecture", ["residual", "plain"])
def test_each_image_gets_one_logit(height, width, channels, architecture):
    discriminator = made(height, width, channels, architecture=architecture)

    assert discriminator(torch.randn(3, channels, height, width)).shape == (3,)


def test_channels_double_while_the_map_halves_and_none_has_more_than_the_most():
    discriminator = made(64, channels=3, max_channels=16)

    assert discriminator.from_image.weight.shape == (4, 3, 1, 1)
    assert [(block.second.in_channels, block.second.out_channels) for block in discriminator.blocks] == [
        (4, 8),
        (8, 16),
        (16, 16),
        (16, 16),
    ]
    assert discriminator.linear.weight.shape == (16, 16 * 4 * 4)


def test_the_defaults_are_residual_with_groups_of_four():
    discriminator = StyleGAN2Discriminator(spec(16))

    assert all(block.shortcut is not None for block in discriminator.blocks)
    assert discriminator.stddev.group == 4
    assert discriminator.convolution.in_channels == 4 * 64 + 1
    assert not discriminator.per_sample


def test_a_block_halves_a_map_and_adds_two_paths_of_equal_weight():
    torch.manual_seed(0)
    block, plain = Block(4, 6, residual=True), Block(4, 6, residual=False)
    plain.load_state_dict({name: one for name, one in block.state_dict().items() if not name.startswith("shortcut")})
    x = torch.randn(2, 4, 8, 6)

    assert block(x).shape == (2, 6, 4, 3)
    torch.testing.assert_close(block(x), (plain(x) + block.shortcut(x)) / math.sqrt(2.0))


def test_plain_blocks_have_no_shortcut():
    assert all(block.shortcut is None for block in made(16, architecture="plain").blocks)


@pytest.mark.parametrize("conditioning", CONDITIONS[1:])
def test_every_layer_of_weights_is_equalized(conditioning):
    discriminator = made(num_classes=3, conditioning=conditioning)

    layers = [one for one in discriminator.modules() if isinstance(one, nn.Linear | nn.Conv2d | nn.Embedding)]
    plain = [one for one in layers if not isinstance(one, EqualizedConv2d | EqualizedEmbedding | EqualizedLinear)]

    assert plain == ([discriminator.concat.embedding] if conditioning == "concat" else [])


def test_a_logit_depends_on_its_batch_through_the_deviation_alone():
    torch.manual_seed(0)
    x = torch.randn(4, 1, 8, 8)
    changed = torch.cat([x[:3], 3 * x[3:]])

    seen, alone = made(), made(stddev_group=0)

    assert alone.per_sample
    assert (seen.convolution.in_channels, alone.convolution.in_channels) == (9, 8)
    torch.testing.assert_close(alone(changed)[:3], alone(x)[:3])
    assert not torch.allclose(seen(changed)[:3], seen(x)[:3], atol=1e-5)


def test_logits_start_at_the_scale_of_one():
    torch.manual_seed(0)
    images = torch.randn(32, 3, 1, 1).expand(-1, -1, 16, 16)  # no pattern that the filter takes out

    spread = torch.stack([made(16, channels=3, width=16)(images) for _ in range(8)]).std().item()

    assert 0.3 < spread < 3.0


@pytest.mark.parametrize("architecture", ["residual", "plain"])
@pytest.mark.parametrize("conditioning", CONDITIONS)
def test_every_parameter_has_a_gradient(architecture, conditioning):
    torch.manual_seed(0)
    discriminator = made(num_classes=3, conditioning=conditioning, architecture=architecture)

    answer = discriminator(torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 0]))
    value = logits_of(answer).pow(2).sum()
    if conditioning == "acgan":
        value = value + answer.class_logits.pow(2).sum()
    value.backward()

    assert [name for name, p in discriminator.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@pytest.mark.parametrize("conditioning", CONDITIONS)
def test_the_gradient_at_the_images_has_a_gradient_in_the_weights(conditioning):
    torch.manual_seed(0)
    discriminator = made(num_classes=3, conditioning=conditioning)
    images = torch.randn(4, 1, 8, 8, requires_grad=True)

    logits = logits_of(discriminator(images, torch.tensor([0, 1, 2, 0])))
    (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    slope.square().sum().backward()

    assert slope.abs().sum().item() > 0
    assert discriminator.from_image.weight.grad.abs().sum().item() > 0
    assert all(one.grad.isfinite().all() for one in discriminator.parameters() if one.grad is not None)


def test_the_second_derivative_is_finite_where_all_images_are_one():
    discriminator = made()
    images = torch.full((4, 1, 8, 8), -1.0, requires_grad=True)

    (slope,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
    slope.square().sum().backward()

    assert all(one.grad.isfinite().all() for one in discriminator.parameters() if one.grad is not None)


@pytest.mark.parametrize("conditioning", ["concat", "projection"])
def test_the_class_changes_the_logit(conditioning):
    torch.manual_seed(0)
    discriminator = made(num_classes=3, conditioning=conditioning)
    images = torch.randn(1, 1, 8, 8).expand(2, -1, -1, -1)

    logits = discriminator(images, torch.tensor([0, 1]))

    assert abs(logits[0] - logits[1]).item() > 1e-4


def test_projection_adds_the_class_times_the_features_over_the_root_of_their_number():
    torch.manual_seed(0)
    discriminator = made(num_classes=3, conditioning="projection")
    seen = []
    discriminator.head.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    labels = torch.tensor([0, 2])

    logits = discriminator(torch.randn(2, 1, 8, 8), labels)

    (features,) = seen
    root = math.sqrt(features.shape[1])
    plain = features @ discriminator.head.linear.weight[0] / root
    torch.testing.assert_close(logits, plain + (discriminator.head.embedding.weight[labels] * features).sum(1) / root)


def test_the_auxiliary_classifier_gives_class_logits():
    answer = made(num_classes=3, conditioning="acgan")(torch.randn(2, 1, 8, 8))

    assert answer.logits.shape == (2,)
    assert answer.class_logits.shape == (2, 3)


def test_labels_change_nothing_without_conditioning():
    discriminator, images = made(num_classes=3), torch.randn(4, 1, 8, 8)

    torch.testing.assert_close(discriminator(images, torch.tensor([0, 1, 2, 0])), discriminator(images), rtol=0, atol=0)


@pytest.mark.parametrize("conditioning", CONDITIONS)
def test_training_compiles_to_one_graph(conditioning):
    torch.manual_seed(0)
    discriminator = made(num_classes=3, conditioning=conditioning)
    images, labels = torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 0])

    compiled = torch.compile(discriminator, backend="aot_eager", fullgraph=True)
    got = logits_of(compiled(images, labels))

    torch.testing.assert_close(got, logits_of(discriminator(images, labels)), rtol=1e-4, atol=1e-5)


def test_under_bfloat16_logits_stay_near_those_of_float32():
    torch.manual_seed(0)
    discriminator, images = made(16), torch.randn(4, 1, 16, 16)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = discriminator(images)

    torch.testing.assert_close(logits.float(), discriminator(images), rtol=0.0, atol=0.1)


def test_a_copy_answers_alike():
    discriminator, images = made(), torch.randn(4, 1, 8, 8)

    torch.testing.assert_close(deepcopy(discriminator)(images), discriminator(images), rtol=0, atol=0)


def test_one_seed_gives_the_same_discriminator_twice():
    twins = []
    for _ in range(2):
        torch.manual_seed(5)
        twins.append(made().state_dict())

    torch.testing.assert_close(twins[0], twins[1], rtol=0, atol=0)


@pytest.mark.parametrize("conditioning", CONDITIONS[1:])
def test_data_without_labels_are_refused_where_they_are_needed(conditioning):
    with pytest.raises(MismatchError) as refusal:
        made(conditioning=conditioning)

    assert refusal.value.what == f"conditioning '{conditioning}' needs labels, and the data has none"
    assert refusal.value.at == "discriminator stylegan2"


@pytest.mark.parametrize(
    ("shape", "what"),
    [
        ((2,), "expected images [C, H, W], got samples of shape [2]"),
        ((3, 10, 15), "expected images whose sides halve to 4 – 16 positions"),
    ],
)
def test_data_that_do_not_fit_are_refused(shape, what):
    with pytest.raises(MismatchError) as refusal:
        StyleGAN2Discriminator(DataSpec(shape))

    assert refusal.value.what.startswith(what)
    assert refusal.value.at == "discriminator stylegan2"
    assert refusal.value.fix
