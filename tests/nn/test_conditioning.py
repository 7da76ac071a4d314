"""How a class reaches a network, by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganreg.contracts import DataSpec, DiscriminatorOutput
from ganreg.errors import MismatchError
from ganreg.nn import conditioning
from ganreg.nn.conditioning import ConditionalBatchNorm2d, Head, LatentsWithClass, SamplesWithClass

DIGITS = DataSpec((1, 2, 3), 10, (-1.0, 1.0))


def test_classes_come_from_the_data_where_they_are_asked_for():
    assert conditioning.classes(DIGITS, "concat", at="") == 10
    assert conditioning.classes(DIGITS, "none", at="") == 0
    with pytest.raises(MismatchError) as told:
        conditioning.classes(DataSpec((2,)), "projection", at="discriminator mlp")
    assert told.value.what == "conditioning 'projection' needs labels, and the data has none"
    assert (told.value.at, bool(told.value.fix)) == ("discriminator mlp", True)


def test_latents_keep_their_place_and_their_class_stands_behind():
    join = LatentsWithClass(2, 10)
    z = torch.tensor([[1.0, 2.0], [3.0, 4.0]])

    both = join(z, torch.tensor([7, 0]))

    assert both.shape == (2, join.out_features)
    assert both[:, :2].equal(z)
    assert both[:, 2:].equal(join.embedding.weight[[7, 0]])


def test_an_image_gets_its_class_as_one_more_channel_and_a_point_as_more_numbers():
    image, flat = SamplesWithClass(DIGITS, 10), SamplesWithClass(DIGITS, 10, flat=True)
    x, labels = torch.ones(2, 1, 2, 3), torch.tensor([3, 4])

    joined = image(x, labels)
    assert joined.shape == (2, image.out_features, 2, 3) == (2, 2, 2, 3)
    assert joined[:, :1].equal(x)
    assert joined[1, 1].flatten().equal(image.embedding.weight[4])
    assert flat(x, labels).shape == (2, flat.out_features) == (2, 6 + 32)
    assert flat(x, labels)[:, 6:].equal(flat.embedding.weight[labels])


def test_batch_norm_is_plain_until_it_learns_a_gain_and_a_shift_of_each_class():
    layer, plain = ConditionalBatchNorm2d(2, 3), nn.BatchNorm2d(2)
    x, labels = torch.randn(4, 2, 3, 3), torch.tensor([0, 1, 2, 1])
    condition = conditioning.one_hot(labels, 3)
    torch.testing.assert_close(layer(x, condition), plain(x))

    with torch.no_grad():
        layer.gain_and_shift.weight[:, 1] = torch.tensor([1.0, 0.0, 0.0, 5.0])  # class 1: gain + 1 of one map, shift of another
    out, normal = layer(x, condition), plain(x)

    torch.testing.assert_close(out[0], normal[0])
    torch.testing.assert_close(out[1, 0], 2 * normal[1, 0])
    torch.testing.assert_close(out[3, 1], normal[3, 1] + 5.0)


def test_a_projection_adds_the_inner_product_with_its_class():
    head = Head(2, 3, "projection")
    with torch.no_grad():
        head.linear.weight.copy_(torch.tensor([[1.0, 0.0]]))
        head.linear.bias.fill_(0.5)
        head.embedding.weight.copy_(torch.tensor([[0.0, 0.0], [10.0, 1.0], [0.0, -1.0]]))
    features = torch.tensor([[2.0, 3.0]] * 3)

    assert head(features, torch.tensor([0, 1, 2])).tolist() == [2.5, 2.5 + 23.0, 2.5 - 3.0]


def test_an_auxiliary_classifier_stands_beside_the_logit():
    answer = Head(2, 3, "acgan")(torch.ones(4, 2), None)

    assert isinstance(answer, DiscriminatorOutput)
    assert answer.logits.shape == (4,)
    assert answer.class_logits is not None
    assert answer.class_logits.shape == (4, 3)


def test_every_layer_of_weights_is_wrapped():
    seen: list[nn.Module] = []

    def wrap(module: nn.Module) -> nn.Module:
        seen.append(module)
        return module

    for kind in ("none", "concat", "projection", "acgan"):
        Head(2, 3, kind, wrap=wrap)
    ConditionalBatchNorm2d(2, 3, wrap=wrap)

    assert [type(one).__name__ for one in seen] == ["Linear"] * 3 + ["Embedding"] + ["Linear"] * 2 + ["Linear"]


@pytest.mark.parametrize("network", [LatentsWithClass(2, 3), SamplesWithClass(DIGITS, 3), Head(2, 3, "projection")])
def test_a_network_that_needs_labels_says_so(network: nn.Module):
    inputs = torch.ones(1, 1, 2, 3) if isinstance(network, SamplesWithClass) else torch.ones(1, 2)
    with pytest.raises(ValueError, match=r"expected labels \[N\], got none"):
        network(inputs, None)


@pytest.mark.parametrize("features", [16, 1024])
def test_a_projection_says_no_more_of_a_class_at_first_than_of_the_rest(features: int):
    torch.manual_seed(0)
    head = Head(features, 10, "projection")
    x, labels = torch.randn(2000, features), torch.arange(2000).remainder(10)

    with torch.no_grad():
        of_class = (head(x, labels) - head.linear(x).flatten()).std().item()
        of_rest = head.linear(x).std().item()

    assert of_class == pytest.approx(3**-0.5, rel=0.2)  # sqrt(F) numbers of variance 1 / 3F
    assert of_class == pytest.approx(of_rest, rel=0.4)
