"""The residual generator against its definition."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from ganreg.components.generators.resnet import ResNetGenerator
from ganreg.contracts import DataSpec
from ganreg.errors import MismatchError
from ganreg.nn.conditioning import ConditionalBatchNorm2d

SPLIT = {"conditioning": "conditional-bn", "split_latents": True}
FORMS = [
    {},
    {"conditioning": "concat"},
    {"conditioning": "conditional-bn"},
    {"conditioning": "conditional-bn", "spectral_norm": True},
    {**SPLIT, "embedding_dim": 5},
    {**SPLIT, "spectral_norm": True, "attention": 8, "init": "orthogonal", "growth": "doubling"},
]


def spec(height, channels=1, *, width=None, num_classes=0):
    return DataSpec((channels, height, width or height), num_classes=num_classes, value_range=(-1.0, 1.0))


def small(**settings):
    torch.manual_seed(0)
    return ResNetGenerator(spec(16, num_classes=4), **{"latent_dim": 6, "width": 2, **settings})


def shapes(generator):
    return [(block.first.in_channels, block.first.out_channels) for block in generator.blocks]


@pytest.mark.parametrize("size", [(8, 8), (28, 28), (32, 32), (16, 24), (48, 32)])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("growth", ["flat", "doubling"])
def test_latents_become_images_of_the_spec_inside_its_range(size, channels, growth):
    generator = ResNetGenerator(spec(size[0], channels, width=size[1]), latent_dim=6, width=2, growth=growth)

    images = generator(torch.randn(3, 6))

    assert images.shape == (3, channels, *size)
    assert images.abs().max().item() <= 1.0
    assert generator.latent_dim == 6


def test_the_defaults_are_the_published_net_for_32x32():
    generator = ResNetGenerator(spec(32, 3))

    assert generator.latent_dim == 128
    assert generator.linear.weight.shape == (256 * 4 * 4, 128)
    assert shapes(generator) == [(256, 256)] * 3
    assert [type(norm) for norm in generator.blocks[0].norms] == [nn.BatchNorm2d] * 2
    assert (type(generator.last_norm), generator.last.weight.shape) == (nn.BatchNorm2d, (3, 256, 3, 3))
    assert type(generator.output) is nn.Tanh
    assert generator.attention is None


def test_a_doubling_net_is_biggans_for_128x128():
    generator = ResNetGenerator(spec(128, 3), width=3, growth="doubling")

    assert shapes(generator) == [(48, 48), (48, 24), (24, 12), (12, 6), (6, 3)]  # 16, 16, 8, 4, 2, 1 times the width


def test_before_the_last_convolution_stand_a_norm_and_a_relu():
    generator = small()
    nn.init.constant_(generator.last_norm.weight, 0.0)
    nn.init.constant_(generator.last_norm.bias, -1.0)
    nn.init.constant_(generator.last.bias, 0.5)

    images = generator(torch.randn(3, 6))

    torch.testing.assert_close(images, torch.full((3, 1, 16, 16), 0.5).tanh())


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_parameter_has_a_gradient_within_three_steps(form):
    generator = small(**form)
    optimizer = torch.optim.SGD(generator.parameters(), lr=0.01)
    waiting = {name for name, _ in generator.named_parameters()}
    for _ in range(3):
        optimizer.zero_grad()
        (generator(torch.randn(4, 6), torch.arange(4)) * torch.randn(4, 1, 16, 16)).sum().backward()
        waiting -= {name for name, one in generator.named_parameters() if one.grad is not None and one.grad.any()}
        optimizer.step()

    assert waiting == set()


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_copy_in_eval_mode_makes_the_same_images_each_time(form):
    generator = small(**form)
    z, labels = torch.randn(3, 6), torch.tensor([0, 3, 1])
    generator(z, labels)

    twin = deepcopy(generator).eval()

    assert torch.equal(twin(z, labels), generator.eval()(z, labels))
    assert torch.equal(twin(z, labels), twin(z, labels))
    assert twin(z, labels).isfinite().all()


@pytest.mark.parametrize("form", FORMS[-1:], ids=str)
def test_it_compiles_and_can_be_exported(form):
    generator = small(**form)
    z, labels = torch.randn(3, 6), torch.tensor([0, 3, 1])
    twin = deepcopy(generator)
    torch._dynamo.reset()

    out = torch.compile(generator, backend="aot_eager", fullgraph=True)(z, labels)
    out.sum().backward()

    torch.testing.assert_close(out, twin(z, labels), rtol=1e-4, atol=1e-5)
    torch.export.export(twin.eval(), (z, labels))


@pytest.mark.parametrize("form", FORMS[1:], ids=str)
def test_a_class_changes_the_images_once_it_was_learned(form):
    generator = small(**form).eval()
    for module in generator.modules():
        if isinstance(module, nn.Linear) and not hasattr(module, "parametrizations"):
            nn.init.normal_(module.weight)
    z = torch.randn(1, 6).repeat(2, 1)

    images = generator(z, torch.tensor([1, 2]))

    assert (images[0] - images[1]).abs().max().item() > 1e-4
    with pytest.raises(ValueError, match="expected labels"):
        generator(z)


def test_without_conditioning_labels_change_nothing():
    generator = small()
    z = torch.randn(4, 6)

    assert torch.equal(generator(z, torch.arange(4)), generator(z))


def test_a_class_says_nothing_at_first_to_a_plain_conditional_generator():
    generator = small(conditioning="conditional-bn").eval()
    z = torch.randn(1, 6).repeat(2, 1)

    images = generator(z, torch.tensor([1, 2]))

    torch.testing.assert_close(images[0], images[1])
    assert generator.blocks[0].norms[0].gain_and_shift.weight.shape == (2 * 8, 4)
    assert type(generator.last_norm) is nn.BatchNorm2d


def test_split_latents_give_each_block_its_chunk_and_the_class():
    generator = small(**SPLIT, embedding_dim=5)
    conditions, starts = [], []
    generator.linear.register_forward_pre_hook(lambda _, given: starts.append(given[0]))
    for module in generator.modules():
        if isinstance(module, ConditionalBatchNorm2d):
            module.register_forward_pre_hook(lambda _, given: conditions.append(given[1]))
    z, labels = torch.arange(12.0).view(2, 6), torch.tensor([3, 0])

    generator(z, labels)

    shared = generator.embedding.weight[labels]
    assert starts[0].tolist() == [[0.0, 1.0], [6.0, 7.0]]
    assert len(conditions) == 4
    for condition, first in zip(conditions, (2.0, 2.0, 4.0, 4.0), strict=True):
        torch.testing.assert_close(condition[:, :5], shared)
        assert condition[:, 5:].tolist() == [[first, first + 1], [first + 6, first + 7]]


def test_the_biggan_of_the_recipes_splits_80_latents_into_20_each():
    generator = ResNetGenerator(spec(32, 3, num_classes=10), latent_dim=80, width=2, **SPLIT)

    assert generator.linear.in_features == 20
    assert generator.embedding.weight.shape == (10, 128)
    assert generator.blocks[2].norms[1].gain_and_shift.in_features == 148


def test_spectral_norm_is_on_every_layer_or_on_none():
    def normed(generator):
        layers = [one for one in generator.modules() if isinstance(one, nn.Conv2d | nn.Linear)]
        return {hasattr(one, "parametrizations") for one in layers}

    assert normed(small(**SPLIT, spectral_norm=True, attention=8)) == {True}
    assert normed(small(**SPLIT, attention=8)) == {False}


@pytest.mark.parametrize(("attention", "after"), [(8, 0), (16, 1)])
def test_attention_stands_after_the_map_of_its_side(attention, after):
    generator = small(attention=attention, growth="doubling")
    seen = []
    generator.attention.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape))

    generator(torch.randn(3, 6))

    assert seen == [(3, (4, 2)[after], attention, attention)]


def test_of_an_oblong_map_the_shorter_side_counts():
    generator = ResNetGenerator(spec(16, width=24), latent_dim=6, width=2, attention=8)
    seen = []
    generator.attention.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape))

    generator(torch.randn(3, 6))

    assert seen == [(3, 8, 8, 12)]


def test_unbounded_data_get_no_tanh():
    torch.manual_seed(0)
    generator = ResNetGenerator(DataSpec((1, 16, 16)), latent_dim=6, width=2)
    nn.init.constant_(generator.last.bias, 7.0)

    assert generator(torch.randn(4, 6)).max().item() > 1.0


def test_weights_are_drawn_as_asked():
    assert ResNetGenerator(spec(16), init="normal").blocks[0].first.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert ResNetGenerator(spec(16)).blocks[0].first.weight.abs().max().item() == pytest.approx((6 / 4608) ** 0.5, rel=0.01)


def test_one_seed_gives_the_same_generator_twice():
    twins = [small(**FORMS[-1]).state_dict() for _ in range(2)]

    torch.testing.assert_close(twins[0], twins[1], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"attention": 4}, "attention must be 0 or the side of a map after a block, here 8, 16; got 4"),
        ({"split_latents": True}, "split_latents needs conditioning 'conditional-bn', .* got 'none'"),
        ({**SPLIT, "latent_dim": 8}, "latent_dim must be a multiple of 3 to be split over 2 blocks, got 8"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(settings, text):
    with pytest.raises(ValueError, match=text):
        small(**settings)


@pytest.mark.parametrize(
    ("data", "settings", "what"),
    [
        (DataSpec((2,)), {}, "expected images [C, H, W], got samples of shape [2]"),
        (spec(9), {}, "expected images whose sides halve to 4 – 16 positions"),
        (spec(16), SPLIT, "conditioning 'conditional-bn' needs labels, and the data has none"),
    ],
)
def test_data_that_do_not_fit_are_refused(data, settings, what):
    with pytest.raises(MismatchError) as refusal:
        ResNetGenerator(data, **settings)

    assert refusal.value.what.startswith(what)
    assert refusal.value.at == "generator resnet"
    assert refusal.value.fix
