"""The U-Net discriminator: the weight of its global logit among the pixels', and what each of them sees."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ganreg.components.discriminators.unet import UNetDiscriminator
from ganreg.components.losses.hinge import Hinge
from ganreg.contracts import DataSpec, DiscriminatorOutput
from ganreg.engine import value_and_grad
from ganreg.errors import MismatchError


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def spec(*shape, num_classes=0):
    return DataSpec(shape or (3, 16, 16), num_classes, (-1.0, 1.0))


def silent(discriminator):
    """Every weight and bias 0: logits are the biases of the two last layers."""
    for parameter in discriminator.parameters():
        nn.init.zeros_(parameter)
    return discriminator


def test_the_global_logit_weighs_as_much_as_all_pixels_together():
    discriminator = silent(UNetDiscriminator(spec(), width=2, spectral_norm=False))
    nn.init.constant_(discriminator.head.linear.bias, -3.0)
    nn.init.constant_(discriminator.pixels.linear.bias, -1.0)

    logits = discriminator(torch.randn(2, 3, 16, 16))
    value = F.softplus(-logits).mean()  # of reals
    value.backward()

    assert value.item() == pytest.approx((F.softplus(torch.tensor(3.0)) + F.softplus(torch.tensor(1.0))).item() / 2)
    slopes = [-torch.sigmoid(torch.tensor(one)).item() / 2 for one in (3.0, 1.0)]
    assert discriminator.head.linear.bias.grad.item() == pytest.approx(slopes[0])
    assert discriminator.pixels.linear.bias.grad.item() == pytest.approx(slopes[1])


def test_the_engine_makes_half_the_papers_loss_of_it():
    discriminator = UNetDiscriminator(spec(), width=4)
    real, fake = (discriminator(torch.randn(3, 3, 16, 16)) for _ in range(2))

    result = value_and_grad.discriminator(Hinge(), real, fake)

    paper = sum(F.relu(1 - real[:, one]).mean() + F.relu(1 + fake[:, one]).mean() for one in (0, 1))
    assert result.value.item() == pytest.approx(paper.item() / 2, rel=1e-5)


def test_the_global_logit_stands_at_every_pixel():
    whole, pixels = UNetDiscriminator(spec(), width=4)(torch.randn(2, 3, 16, 16)).unbind(1)

    assert torch.equal(whole, whole[:, :1, :1].expand_as(whole))
    assert not torch.equal(pixels, pixels[:, :1, :1].expand_as(pixels))
    assert whole[0, 0, 0] != whole[1, 0, 0]


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 28), (3, 48, 32), (4, 16, 24), (3, 64, 64)])
@pytest.mark.parametrize("conditioning", ["none", "concat", "projection", "acgan"])
def test_sides_and_classes_of_all_kinds_are_judged(shape, conditioning):
    discriminator = UNetDiscriminator(spec(*shape, num_classes=3), width=2, conditioning=conditioning).eval()
    images, labels = torch.randn(2, *shape).repeat(2, 1, 1, 1), torch.tensor([0, 0, 1, 2])

    answer = discriminator(images, labels)
    logits = getattr(answer, "logits", answer)

    assert logits.shape == (4, 2, *shape[1:])
    for one in logits.unbind(1):  # the same images, other classes: of both kinds of logits
        assert torch.equal(one[:2], one[2:]) == (conditioning in ("none", "acgan"))
    assert isinstance(answer, DiscriminatorOutput) == (conditioning == "acgan")
    assert conditioning != "acgan" or answer.class_logits.shape == (4, 3)


def test_a_pixels_logit_projects_the_class_on_its_own_features():
    discriminator = silent(UNetDiscriminator(spec(num_classes=2), width=2, conditioning="projection", spectral_norm=False))
    nn.init.constant_(discriminator.decoder[-1].second.bias, 1.0)  # features (1, 1) at each pixel
    with torch.no_grad():
        discriminator.pixels.linear.bias.fill_(0.5)
        discriminator.pixels.embedding.weight.copy_(torch.tensor([[1.0, 2.0], [-4.0, 0.0]]))

    pixels = discriminator(torch.randn(2, 3, 16, 16), torch.tensor([0, 1]))[:, 1]

    torch.testing.assert_close(pixels, torch.tensor([3.5, -3.5]).view(2, 1, 1).expand(2, 16, 16))


def test_maps_double_in_channels_going_down_and_meet_their_equals_going_up():
    discriminator = UNetDiscriminator(spec(3, 64, 64), width=8)

    def channels(blocks):
        return [(block.first.in_channels, block.second.out_channels) for block in blocks]

    assert channels(discriminator.encoder) == [(3, 8), (8, 16), (16, 32), (32, 64)]
    assert channels(discriminator.decoder) == [(64, 32), (32 + 32, 16), (16 + 16, 8), (8 + 8, 8)]


def test_a_pixels_logit_sees_its_surroundings_through_the_skips():
    discriminator = UNetDiscriminator(spec(1, 32, 32), width=4, spectral_norm=False).double()
    for parameter in discriminator.decoder[0].parameters():
        nn.init.zeros_(parameter)  # the way through the bottleneck
    nn.init.zeros_(discriminator.encoder[-1].second.weight)
    image = torch.randn(1, 1, 32, 32, dtype=torch.float64, requires_grad=True)

    discriminator(image)[0, 1, 4, 4].backward()

    seen = image.grad[0, 0] != 0
    assert seen[2:7, 2:7].all()
    assert not seen[:, 31].any()


def test_the_global_logit_knows_nothing_of_the_decoder():
    discriminator, images = UNetDiscriminator(spec(), width=4).eval(), torch.randn(2, 3, 16, 16)
    before = discriminator(images)
    for parameter in (*discriminator.decoder.parameters(), *discriminator.pixels.parameters()):
        nn.init.normal_(parameter)

    after = discriminator(images)

    assert torch.equal(before[:, 0], after[:, 0])
    assert not torch.equal(before[:, 1], after[:, 1])


def test_each_sample_is_judged_by_itself():
    discriminator, images = UNetDiscriminator(spec(), width=4).eval(), torch.randn(3, 3, 16, 16)

    assert discriminator.per_sample
    torch.testing.assert_close(discriminator(images)[:1], discriminator(images[:1]))


@pytest.mark.parametrize("spectral_norm", [True, False])
def test_every_layer_is_spectrally_normalised_where_wanted(spectral_norm):
    discriminator = UNetDiscriminator(spec(num_classes=2), width=4, spectral_norm=spectral_norm, conditioning="projection")

    layers = [one for one in discriminator.modules() if isinstance(one, nn.Conv2d | nn.Linear | nn.Embedding)]
    assert len(layers) == 2 * 3 + 2 * 3 + 4
    assert {nn.utils.parametrize.is_parametrized(one) for one in layers} == {spectral_norm}


@pytest.mark.parametrize("conditioning", ["none", "projection"])
def test_every_parameter_has_a_gradient_and_weights_one_of_the_slope(conditioning):
    discriminator = UNetDiscriminator(spec(num_classes=2), width=4, conditioning=conditioning)
    images, labels = torch.randn(2, 3, 16, 16, requires_grad=True), torch.tensor([0, 1])

    discriminator(images, labels).square().mean().backward()
    assert [name for name, p in discriminator.named_parameters() if p.grad is None or not p.grad.any()] == []

    discriminator.zero_grad()
    (slope,) = torch.autograd.grad(discriminator(images, labels).mean(), images, create_graph=True)
    slope.square().sum().backward()
    weights = [p for name, p in discriminator.named_parameters() if "bias" not in name]
    assert all(weight.grad is not None and weight.grad.any() for weight in weights)


@pytest.mark.parametrize("shape", [(2,), (3, 33, 33)])
def test_data_that_do_not_fit_are_refused(shape):
    with pytest.raises(MismatchError) as refusal:
        UNetDiscriminator(DataSpec(shape))

    assert refusal.value.what.startswith("expected images")
    assert refusal.value.at == "discriminator unet"


def test_conditioning_without_labels_in_the_data_is_refused():
    with pytest.raises(MismatchError, match="conditioning 'projection' needs labels"):
        UNetDiscriminator(spec(), conditioning="projection")
