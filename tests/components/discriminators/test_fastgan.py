"""FastGAN's discriminator against its definition, and what it hands out to be compared."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ganreg.components.discriminators.fastgan import FastGANDiscriminator, Half, decoder, random_part, smaller
from ganreg.contracts import DataSpec, DiscriminatorOutput
from ganreg.errors import MismatchError


def spec(*shape):
    return DataSpec(shape or (1, 16, 16), value_range=(-1.0, 1.0))


@pytest.mark.parametrize(
    ("shape", "patches"),
    [((1, 8, 8), 1), ((3, 16, 16), 25), ((1, 28, 28), 11 * 11), ((4, 32, 32), 25), ((3, 64, 64), 25), ((3, 24, 32), 9 * 13)],
)
def test_images_become_a_logit_for_each_patch_of_the_last_map(shape, patches):
    # 8x8, looked at through 4x4, is 5x5 patches; 28x28 ends at 14x14, 24x32 at 12x16.
    logits = FastGANDiscriminator(spec(*shape), width=2).eval()(torch.randn(3, *shape))

    assert logits.shape == (3, patches)


@pytest.mark.parametrize(
    ("shape", "whole", "part"),
    [
        ((1, 8, 8), (8, 8), None),
        ((3, 16, 16), (16, 16), None),
        ((3, 32, 32), (32, 32), (16, 16)),
        ((1, 64, 64), (64, 64), (32, 32)),
        ((3, 24, 32), (24, 32), None),
        ((1, 48, 64), (48, 64), (24, 32)),
        ((1, 512, 512), (128, 128), (128, 128)),  # four doublings, and no more
    ],
)
def test_drawings_come_with_targets_of_their_size_while_it_learns(shape, whole, part):
    extras = FastGANDiscriminator(spec(*shape), width=2)(torch.randn(2, *shape)).extras

    names = ["reconstruction", "reconstruction_target"]
    names += ["reconstruction_part", "reconstruction_part_target"] if part else []
    assert list(extras) == names
    for name, size in zip(names, [whole, whole, part, part], strict=False):
        assert extras[name].shape == (2, shape[0], *size)
    assert extras["reconstruction"].abs().max() <= 1.0


def test_a_target_is_what_it_was_shown_without_a_graph():
    images = torch.randn(2, 1, 32, 32, requires_grad=True)

    extras = FastGANDiscriminator(spec(1, 32, 32), width=2)(images).extras
    target, part = extras["reconstruction_target"], extras["reconstruction_part_target"]

    assert torch.equal(target, images)
    assert not target.requires_grad
    assert not part.requires_grad
    # 16 pixels of 32, beginning at one of 9 even places in either direction
    places = [(y, x) for y in range(0, 17, 2) for x in range(0, 17, 2)]
    assert sum(torch.equal(part, images[:, :, y : y + 16, x : x + 16]) for y, x in places) == 1


def test_images_are_averaged_to_the_size_of_a_drawing():
    images = torch.tensor([[[[0.0, 4.0, 1.0, 1.0], [0.0, 4.0, 1.0, 5.0]]]])

    assert smaller(images, torch.zeros(1, 1, 1, 2)).flatten().tolist() == [2.0, 2.0]


def test_a_random_part_is_the_same_part_of_map_and_images():
    images = torch.randn(2, 3, 16, 32)
    seen = set()
    torch.manual_seed(0)
    for _ in range(200):
        features, part = random_part(F.avg_pool2d(images, 4), images)  # a map of 4x8
        assert features.shape == (2, 3, 2, 4)
        assert part.shape == (2, 3, 8, 16)
        torch.testing.assert_close(features, F.avg_pool2d(part, 4))
        places = [(y, x) for y in range(3) for x in range(5)]
        seen |= {(y, x) for y, x in places if torch.equal(part, images[:, :, 4 * y : 4 * y + 8, 4 * x : 4 * x + 16])}

    assert seen == set(places)  # all 15; one of them is missed by 200 draws once in 65,000 seeds


def test_the_whole_is_drawn_from_the_last_map_and_the_part_from_the_one_before():
    discriminator = FastGANDiscriminator(spec(1, 32, 32), width=4)
    seen = []
    for network in (discriminator.decode_whole, discriminator.decode_part):
        network.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape))

    discriminator(torch.randn(2, 1, 32, 32))

    assert seen == [(2, 8, 8, 8), (2, 4, 8, 8)]


def test_a_decoder_doubles_up_to_four_times():
    assert decoder(32, spec(3, 256, 256), 5)(torch.randn(2, 32, 2, 3)).shape == (2, 3, 32, 48)
    assert decoder(32, spec(3, 256, 256), 1)(torch.randn(2, 32, 2, 3)).shape == (2, 3, 4, 6)


@pytest.mark.parametrize("at_rest", ["in eval mode", "frozen in G's turn", "without decoders"])
def test_otherwise_it_answers_with_logits_alone(at_rest):
    discriminator = FastGANDiscriminator(spec(1, 32, 32), width=2, reconstruct=at_rest != "without decoders")
    discriminator.train(at_rest != "in eval mode").requires_grad_(at_rest != "frozen in G's turn")
    before = torch.get_rng_state()

    assert isinstance(discriminator(torch.randn(2, 1, 32, 32, generator=torch.Generator())), torch.Tensor)
    assert torch.equal(torch.get_rng_state(), before)


def test_without_decoders_it_has_no_weights_of_theirs():
    names = [name for name, _ in FastGANDiscriminator(spec(1, 32, 32), width=2, reconstruct=False).named_parameters()]

    assert not any("decode" in name for name in names)


def test_a_half_is_the_mean_of_its_two_ways():
    half = Half(2, 3).eval()
    x = torch.randn(2, 2, 8, 6)

    assert half(x).shape == (2, 3, 4, 3)
    torch.testing.assert_close(half(x), (half.strided(x) + half.pooled(x)) / 2)
    nn.init.constant_(half.pooled[1].weight, 1.0)
    torch.testing.assert_close(  # fresh batch norm: running mean 0, variance 1 + 1e-5
        half.pooled(x)[:, 0], F.leaky_relu(F.avg_pool2d(x, 2).sum(1), 0.2), rtol=1e-4, atol=1e-4
    )


def test_channels_double_while_the_map_halves_to_8x8():
    discriminator = FastGANDiscriminator(spec(3, 256, 256), width=32)

    assert discriminator.first[0].out_channels == 32
    assert [half.pooled[1].out_channels for half in discriminator.halves] == [64, 128, 256, 512]


def test_every_weight_has_a_gradient_from_logits_and_drawings():
    torch.manual_seed(0)
    discriminator = FastGANDiscriminator(spec(1, 32, 32), width=4)

    answer = discriminator(torch.randn(4, 1, 32, 32))
    drawn = [answer.extras[name] for name in ("reconstruction", "reconstruction_part")]
    sum((one * torch.randn(one.shape)).sum() for one in (answer.logits, *drawn)).backward()

    assert [name for name, one in discriminator.named_parameters() if one.grad is None or not one.grad.any()] == []


def test_drawings_teach_the_maps_that_they_are_made_of():
    discriminator = FastGANDiscriminator(spec(1, 32, 32), width=4)

    discriminator(torch.randn(4, 1, 32, 32)).extras["reconstruction"].square().sum().backward()

    assert discriminator.first[0].weight.grad.abs().sum() > 0
    assert discriminator.judge[0].weight.grad is None


def test_reals_and_fakes_can_both_be_judged_before_a_backward():
    discriminator = FastGANDiscriminator(spec(1, 32, 32), width=4)

    answers = [discriminator(torch.randn(2, 1, 32, 32)) for _ in range(2)]
    sum(answer.logits.sum() + answer.extras["reconstruction_part"].sum() for answer in answers).backward()


def test_its_slope_on_images_has_a_gradient_itself():
    torch.manual_seed(0)
    discriminator = FastGANDiscriminator(spec(1, 16, 16), width=2, reconstruct=False).double()
    nn.init.normal_(discriminator.first[0].weight)
    images = torch.randn(2, 1, 16, 16, dtype=torch.float64, requires_grad=True)

    assert torch.autograd.gradgradcheck(lambda x: discriminator(x).square().sum(), (images,))


def test_a_learning_one_compiles_into_one_graph():
    discriminator = FastGANDiscriminator(spec(1, 32, 32), width=2)

    answer = torch.compile(discriminator, backend="aot_eager", fullgraph=True)(torch.randn(2, 1, 32, 32))

    assert isinstance(answer, DiscriminatorOutput)
    assert answer.extras["reconstruction_part"].shape == (2, 1, 16, 16)


def test_it_does_not_say_per_sample_since_batch_norm_mixes():
    assert not getattr(FastGANDiscriminator(spec(), width=2), "per_sample", False)


def test_labels_change_nothing():
    torch.manual_seed(0)
    discriminator = FastGANDiscriminator(spec(), width=4).eval()
    images = torch.randn(4, 1, 16, 16)

    torch.testing.assert_close(discriminator(images, torch.arange(4)), discriminator(images), rtol=0, atol=0)


def test_points_are_refused():
    with pytest.raises(MismatchError, match=r"expected images \[C, H, W\]") as refusal:
        FastGANDiscriminator(DataSpec((2,)))

    assert refusal.value.at == "discriminator fastgan"
