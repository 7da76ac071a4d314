"""StyleGAN2's generator against its definition."""

from __future__ import annotations

import math
from copy import deepcopy

import pytest
import torch
from torch import nn

from ganreg.components.generators.stylegan2 import Level, StyleGAN2Generator, normalised
from ganreg.contracts import DataSpec
from ganreg.errors import MismatchError
from ganreg.nn.resample import Upsample

SMALL = {"latent_dim": 6, "style_dim": 8, "mapping_layers": 2, "width": 4}


def spec(height, width=None, channels=1, num_classes=0):
    return DataSpec((channels, height, width or height), num_classes=num_classes, value_range=(-1.0, 1.0))


def made(height=8, width=None, channels=1, num_classes=0, **settings):
    return StyleGAN2Generator(spec(height, width, channels, num_classes), **(SMALL | settings))


@pytest.mark.parametrize(("height", "width"), [(8, 8), (16, 16), (28, 28), (12, 20)])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("architecture", ["skip", "residual"])
def test_latents_become_images_of_the_spec_inside_its_range(height, width, channels, architecture):
    generator = made(height, width, channels, architecture=architecture)

    images = generator(torch.randn(3, 6))

    assert images.shape == (3, channels, height, width)
    assert images.dtype == torch.float32
    assert images.abs().max().item() <= 1.0
    assert generator.latent_dim == 6


def test_the_defaults_are_the_papers():
    generator = StyleGAN2Generator(spec(8))

    assert generator.latent_dim == 512
    assert [tuple(layer.weight.shape) for layer in generator.mapping.layers] == [(512, 512)] * 8
    assert {layer.lr_multiplier for layer in generator.mapping.layers} == {0.01}
    assert generator.style_mixing == 0.9
    assert generator.w_avg.shape == (512,)


def test_channels_halve_while_the_map_doubles_and_none_has_more_than_the_most():
    synthesis = made(64, max_channels=16).synthesis

    convolutions = [level.first.convolution.weight for level in synthesis.levels]

    assert synthesis.constant.shape == (1, 16, 4, 4)
    assert [(one.shape[1], one.shape[0]) for one in convolutions] == [(16, 16), (16, 16), (16, 8), (8, 4)]


def test_each_convolution_has_a_style_one_at_the_base_and_two_for_each_doubling():
    generator = made(32)

    w = generator.mapping(torch.randn(3, 6))

    assert w.shape == (3, 1 + 2 * 3, 8)
    torch.testing.assert_close(w, w[:, :1].expand_as(w), rtol=0, atol=0)


def test_the_mapping_sees_where_z_points_and_not_how_far():
    generator, z = made(), torch.randn(3, 6)

    torch.testing.assert_close(generator.mapping(5 * z), generator.mapping(z))
    torch.testing.assert_close(normalised(torch.tensor([[3.0, 4.0]])), torch.tensor([[3.0, 4.0]]) / math.sqrt(12.5))


def test_mapping_and_synthesis_make_what_the_generator_makes():
    generator, z = made().eval(), torch.randn(3, 6)

    torch.testing.assert_close(generator.synthesis(generator.mapping(z)), generator(z), rtol=0, atol=0)


def test_a_style_reaches_its_own_layer_and_those_after_it():
    torch.manual_seed(0)
    synthesis = made(16).eval().synthesis
    seen = {}
    layers = [synthesis.first, *(layer for level in synthesis.levels for layer in (level.first, level.second))]
    for number, layer in enumerate(layers):
        layer.register_forward_hook(lambda _, __, out, number=number: seen.setdefault(number, []).append(out))
    w = torch.randn(2, 5, 8)
    changed = w.clone()
    changed[:, 3] += 1.0

    synthesis(w)
    synthesis(changed)

    assert [torch.equal(*seen[number]) for number in range(5)] == [True, True, True, False, False]


def test_skip_sums_the_images_of_its_levels():
    torch.manual_seed(0)
    synthesis = made(16).eval().synthesis
    parts = []
    for layer in synthesis.to_image:
        layer.register_forward_hook(lambda _, __, out: parts.append(out))
    nn.init.constant_(synthesis.bias, 0.25)

    image = synthesis(torch.randn(2, 5, 8))

    up = Upsample()
    assert [tuple(part.shape[2:]) for part in parts] == [(4, 4), (8, 8), (16, 16)]
    torch.testing.assert_close(image, (up(up(parts[0]) + parts[1]) + parts[2] + 0.25).tanh())


def test_residual_makes_one_image_from_the_last_map():
    synthesis = made(16, architecture="residual").synthesis

    assert [tuple(layer.weight.shape) for layer in synthesis.to_image] == [(1, 4, 1, 1)]


def test_a_residual_level_adds_two_paths_of_equal_weight():
    level = Level(4, 2, 8, 8, 8, noise=False, residual=True)
    x, w = torch.randn(2, 4, 4, 4), torch.randn(2, 8)
    out = level.second(level.first(x, w), w)

    torch.testing.assert_close(level(x, w, w), (out + level.shortcut(x)) / math.sqrt(2.0))
    assert Level(4, 2, 8, 8, 8, noise=False, residual=False).shortcut is None


def test_the_mean_of_w_runs_in_training_and_rests_after():
    generator, z = made(), torch.randn(4, 6)
    w = generator.mapping(z)[:, 0].detach().mean(0)

    generator(z)
    torch.testing.assert_close(generator.w_avg, 0.002 * w)
    generator(z)
    moved = generator.w_avg.clone()
    torch.testing.assert_close(moved, (1 - 0.998**2) * w)
    generator.eval()(z)

    torch.testing.assert_close(generator.w_avg, moved, rtol=0, atol=0)


def test_truncation_draws_w_towards_its_mean():
    torch.manual_seed(0)
    generator, z = made().eval(), torch.randn(3, 6)
    nn.init.normal_(generator.w_avg)
    w = generator.mapping(z)

    half = generator.synthesis(generator.w_avg + 0.5 * (w - generator.w_avg))
    mean = generator.truncated(z, psi=0.0)

    torch.testing.assert_close(generator.truncated(z, psi=0.5), half)
    torch.testing.assert_close(generator.truncated(z, psi=1.0), generator(z))
    torch.testing.assert_close(mean[0], mean[1])
    assert not torch.allclose(half[0], half[1])


def test_mixing_takes_other_layers_from_a_crossover_on():
    torch.manual_seed(0)
    generator = made(16, style_mixing=1.0)

    other = generator._mixed(torch.zeros(4000, 5, 8), torch.ones(4000, 5, 8))

    torch.testing.assert_close(other, other[..., :1].expand_as(other), rtol=0, atol=0)
    first = (other[..., 0] == 0).sum(1)  # layers before the crossover
    torch.testing.assert_close(other[..., 0], (torch.arange(5) >= first[:, None]).float())
    counts = torch.bincount(first, minlength=6) / 4000
    assert counts[[0, 5]].tolist() == [0.0, 0.0]
    assert counts[1:5].tolist() == pytest.approx([0.25] * 4, abs=0.03)


def test_mixing_is_as_frequent_as_it_is_set():
    torch.manual_seed(0)
    generator = made(16, style_mixing=0.3)

    other = generator._mixed(torch.zeros(4000, 5, 8), torch.ones(4000, 5, 8))

    assert other.amax((1, 2)).mean().item() == pytest.approx(0.3, abs=0.03)


def test_mixing_happens_in_training_alone():
    torch.manual_seed(0)
    generator, z = made(style_mixing=1.0, noise=False), torch.randn(4, 6)
    plain = generator.synthesis(generator.mapping(z))

    assert not torch.allclose(generator(z), plain)
    torch.testing.assert_close(generator.eval()(z), plain)


def test_without_mixing_and_noise_no_random_number_is_drawn():
    generator, z = made(style_mixing=0.0, noise=False), torch.randn(4, 6)
    before = torch.get_rng_state()

    generator(z)

    assert torch.equal(torch.get_rng_state(), before)


def test_noise_is_new_in_training_and_fixed_after():
    torch.manual_seed(0)
    generator = made(style_mixing=0.0)
    for name, parameter in generator.named_parameters():
        if name.endswith("noise.gain"):
            nn.init.constant_(parameter, 0.5)
    z = torch.randn(1, 6).expand(2, -1)

    once, again = generator(z), generator(z)
    fixed = generator.eval()(z)

    assert not torch.allclose(once, again)
    assert not torch.allclose(once[0], once[1])
    torch.testing.assert_close(fixed[0], fixed[1])
    torch.testing.assert_close(generator(z), fixed, rtol=0, atol=0)


@pytest.mark.parametrize("settings", [{}, {"architecture": "residual"}, {"conditioning": "concat"}, {"noise": False}])
def test_every_parameter_has_a_gradient(settings):
    torch.manual_seed(0)
    generator = made(16, num_classes=3, **settings)

    images = generator(torch.randn(4, 6), torch.tensor([0, 1, 2, 0]))
    (images * torch.randn_like(images)).sum().backward()

    assert [name for name, p in generator.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_two_forwards_may_stand_before_one_backward():
    generator, z = made(), torch.randn(4, 6)

    (generator(z) + generator(z)).sum().backward()

    assert generator.synthesis.constant.grad.isfinite().all()


def test_the_class_stands_beside_z_and_counts_as_much():
    torch.manual_seed(0)
    generator, z = made(num_classes=3, conditioning="concat").eval(), torch.randn(4, 6)
    labels = torch.tensor([0, 1, 2, 0])
    seen = []
    generator.mapping.layers[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    before = generator(z, labels)

    assert not torch.allclose(generator(z, labels.flip(0)), before)
    assert seen[0].shape == (4, 12)
    torch.testing.assert_close(seen[0][:, :6], normalised(z))
    torch.testing.assert_close(seen[0][:, 6:], normalised(generator.mapping.embedding.weight[labels]))
    with torch.no_grad():
        generator.mapping.embedding.weight *= 9.0
    torch.testing.assert_close(generator(z, labels), before, rtol=1e-4, atol=1e-5)


def test_truncation_knows_the_class():
    generator, z = made(num_classes=3, conditioning="concat").eval(), torch.randn(4, 6)
    labels = torch.tensor([0, 1, 2, 0])

    torch.testing.assert_close(generator.truncated(z, labels, psi=1.0), generator(z, labels))


def test_labels_change_nothing_without_conditioning():
    generator, z = made(num_classes=3).eval(), torch.randn(4, 6)

    torch.testing.assert_close(generator(z, torch.tensor([0, 1, 2, 0])), generator(z), rtol=0, atol=0)


def test_unbounded_data_get_no_tanh():
    generator = StyleGAN2Generator(DataSpec((1, 8, 8)), **SMALL)
    nn.init.constant_(generator.synthesis.bias, 70.0)

    assert generator(torch.randn(4, 6)).max().item() > 1.0


@pytest.mark.parametrize("conditioning", ["none", "concat"])
def test_training_compiles_to_one_graph(conditioning):
    torch.manual_seed(0)
    generator = made(num_classes=3, conditioning=conditioning)

    compiled = torch.compile(generator, backend="aot_eager", fullgraph=True)
    compiled(torch.randn(4, 6), torch.tensor([0, 1, 2, 0])).sum().backward()

    assert generator.w_avg.abs().sum().item() > 0
    assert generator.mapping.layers[0].weight.grad.abs().sum().item() > 0


def test_under_bfloat16_images_stay_near_those_of_float32():
    torch.manual_seed(0)
    generator, z = made(16).eval(), torch.randn(4, 6)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        images = generator(z)

    torch.testing.assert_close(images.float(), generator(z), rtol=0.0, atol=0.1)


def test_a_copy_makes_the_same_images():
    generator, z = made().eval(), torch.randn(4, 6)
    generator(z)

    torch.testing.assert_close(deepcopy(generator)(z), generator(z), rtol=0, atol=0)


def test_one_seed_gives_the_same_generator_twice():
    twins = []
    for _ in range(2):
        torch.manual_seed(5)
        twins.append(made().state_dict())

    torch.testing.assert_close(twins[0], twins[1], rtol=0, atol=0)


def test_a_class_is_needed_where_it_is_conditioned_on():
    with pytest.raises(ValueError, match=r"expected labels \[N\], got none"):
        made(num_classes=3, conditioning="concat")(torch.randn(2, 6))


def test_data_without_labels_are_refused_where_they_are_needed():
    with pytest.raises(MismatchError) as refusal:
        made(conditioning="concat")

    assert refusal.value.what == "conditioning 'concat' needs labels, and the data has none"
    assert refusal.value.at == "generator stylegan2"


@pytest.mark.parametrize(
    ("shape", "what"),
    [
        ((2,), "expected images [C, H, W], got samples of shape [2]"),
        ((3, 10, 15), "expected images whose sides halve to 4 – 16 positions"),
    ],
)
def test_data_that_do_not_fit_are_refused(shape, what):
    with pytest.raises(MismatchError) as refusal:
        StyleGAN2Generator(DataSpec(shape))

    assert refusal.value.what.startswith(what)
    assert refusal.value.at == "generator stylegan2"
    assert refusal.value.fix


def test_it_exports_for_batches_of_any_size():
    generator = made(16).eval()
    batch = torch.export.Dim("batch", min=1, max=64)

    program = torch.export.export(generator, (torch.randn(3, 6),), dynamic_shapes=({0: batch},))

    z = torch.randn(7, 6)
    torch.testing.assert_close(program.module()(z), generator(z))
    assert not any("autocast" in str(node.target) for node in program.graph.nodes)
