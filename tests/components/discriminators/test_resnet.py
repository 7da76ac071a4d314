"""The residual discriminator against its definition."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from ganreg.components.discriminators.resnet import ResNetDiscriminator
from ganreg.contracts import DataSpec, DiscriminatorOutput
from ganreg.errors import MismatchError

FORMS = [
    {},
    {"conditioning": "concat"},
    {"conditioning": "projection"},
    {"conditioning": "acgan", "spectral_norm": False},
    {"conditioning": "projection", "attention": 8, "init": "orthogonal", "growth": "doubling"},
]


def spec(height, channels=1, *, width=None, num_classes=0):
    return DataSpec((channels, height, width or height), num_classes=num_classes, value_range=(-1.0, 1.0))


def small(**settings):
    torch.manual_seed(0)
    return ResNetDiscriminator(spec(16, num_classes=4), **{"width": 4, **settings})


def logits(answer):
    return answer.logits if isinstance(answer, DiscriminatorOutput) else answer


def shapes(discriminator):
    return [(block.first.in_channels, block.first.out_channels, block.down) for block in discriminator.blocks]


def maps(discriminator, x):
    seen = []
    for block in discriminator.blocks:
        block.register_forward_hook(lambda _, given, out: seen.append(tuple(out.shape[1:])))
    discriminator(x)
    return seen


@pytest.mark.parametrize("size", [(8, 8), (28, 28), (32, 32), (16, 24), (48, 32)])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("growth", ["flat", "doubling"])
def test_each_image_gets_one_logit(size, channels, growth):
    discriminator = ResNetDiscriminator(spec(size[0], channels, width=size[1]), width=2, growth=growth)

    assert discriminator(torch.randn(3, channels, *size)).shape == (3,)


def test_the_defaults_are_the_published_net_for_32x32():
    discriminator = ResNetDiscriminator(spec(32, 3))

    assert shapes(discriminator) == [(3, 128, True), (128, 128, True), (128, 128, False), (128, 128, False)]
    assert [block.is_first for block in discriminator.blocks] == [True, False, False, False]
    assert discriminator.head.linear.weight.shape == (1, 128)
    assert {hasattr(one, "parametrizations") for one in discriminator.modules() if isinstance(one, nn.Conv2d)} == {True}
    assert discriminator.attention is None
    assert discriminator.per_sample is True


@pytest.mark.parametrize(
    ("height", "width", "sides"),
    [
        (8, 8, [(4, 4)] * 3),
        (16, 16, [(8, 8)] * 3),
        (28, 28, [(14, 14), (7, 7), (7, 7), (7, 7)]),
        (48, 48, [(24, 24), (12, 12), (6, 6), (6, 6), (6, 6)]),
        (16, 24, [(8, 12)] * 3),
    ],
)
def test_a_flat_net_halves_until_8_positions_or_fewer_and_adds_two_plain_blocks(height, width, sides):
    discriminator = ResNetDiscriminator(spec(height, width=width), width=1)

    assert maps(discriminator, torch.randn(1, 1, height, width)) == [(2, *one) for one in sides]


def test_a_doubling_net_is_biggans_for_128x128():
    discriminator = ResNetDiscriminator(spec(128, 3), width=3, growth="doubling")

    assert shapes(discriminator) == [
        *[(3, 3, True), (3, 6, True), (6, 12, True), (12, 24, True), (24, 48, True)],
        (48, 48, False),
    ]


def test_the_logit_is_linear_in_the_sum_of_what_is_positive():
    discriminator = ResNetDiscriminator(spec(8), width=1, spectral_norm=False)
    last = discriminator.blocks[-1]
    last.register_forward_hook(lambda *_: torch.tensor([[[[1.0, -5.0], [2.0, 4.0]], [[-1.0, -1.0], [0.5, 0.0]]]]))
    discriminator.head.linear.weight.data = torch.tensor([[1.0, 10.0]])
    nn.init.constant_(discriminator.head.linear.bias, -20.0)

    assert discriminator(torch.zeros(1, 1, 8, 8)).tolist() == [7.0 + 5.0 - 20.0]


def test_sums_over_space_are_taken_in_float32_under_autocast():
    discriminator = small()
    seen = []
    discriminator.head.register_forward_pre_hook(lambda _, given: seen.append(given[0].dtype))

    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = discriminator(torch.randn(2, 1, 16, 16))

    assert seen == [torch.float32]
    assert out.isfinite().all()


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_parameter_has_a_gradient_within_three_steps(form):
    discriminator = small(**form)
    optimizer = torch.optim.SGD(discriminator.parameters(), lr=0.01)
    waiting = {name for name, _ in discriminator.named_parameters()}
    for _ in range(3):
        optimizer.zero_grad()
        answer = discriminator(torch.randn(4, 1, 16, 16), torch.arange(4))
        loss = logits(answer).tanh().mean()
        if isinstance(answer, DiscriminatorOutput):
            loss = loss + answer.class_logits.tanh().mean()
        loss.backward()
        waiting -= {name for name, one in discriminator.named_parameters() if one.grad is not None and one.grad.any()}
        optimizer.step()

    assert waiting == set()


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_two_forwards_before_one_backward_give_the_sum_of_both_gradients(form):
    discriminator, labels = small(**form), torch.arange(4)
    real, fake = torch.randn(4, 1, 16, 16), torch.randn(4, 1, 16, 16)
    apart = deepcopy(discriminator)

    (logits(discriminator(real, labels)).mean() - logits(discriminator(fake, labels)).mean()).backward()
    logits(apart(real, labels)).mean().backward()
    (-logits(apart(fake, labels)).mean()).backward()

    for one, other in zip(discriminator.parameters(), apart.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_no_samples_logit_depends_on_another(form):
    discriminator = small(**form).eval()
    if discriminator.attention is not None:
        nn.init.ones_(discriminator.attention.gamma)
    x, labels = torch.randn(4, 1, 16, 16), torch.arange(4)

    alone = torch.cat([logits(discriminator(x[i : i + 1], labels[i : i + 1])) for i in range(4)])

    torch.testing.assert_close(logits(discriminator(x, labels)), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_it_can_be_differentiated_twice(form):
    discriminator = small(**form)
    if discriminator.attention is not None:
        nn.init.ones_(discriminator.attention.gamma)
    x = torch.randn(2, 1, 16, 16, requires_grad=True)

    (slope,) = torch.autograd.grad(logits(discriminator(x, torch.arange(2))).sum(), x, create_graph=True)
    slope.square().sum().backward()

    weights = [one for one in discriminator.parameters() if one.grad is not None]
    assert all(one.grad.isfinite().all() for one in weights)
    assert sum(one.grad.abs().sum() for one in weights) > 0


@pytest.mark.parametrize("form", FORMS[-2:], ids=str)
def test_it_compiles_to_one_graph_while_training(form):
    discriminator, labels = small(**form), torch.arange(4)
    twin, x = deepcopy(discriminator), torch.randn(4, 1, 16, 16)
    torch._dynamo.reset()

    out = logits(torch.compile(discriminator, backend="aot_eager", fullgraph=True)(x, labels))
    out.sum().backward()

    torch.testing.assert_close(out, logits(twin(x, labels)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("conditioning", ["concat", "projection"])
def test_the_class_changes_the_logit(conditioning):
    discriminator = small(conditioning=conditioning).eval()
    x = torch.randn(1, 1, 16, 16).repeat(2, 1, 1, 1)

    one, other = discriminator(x, torch.tensor([1, 2])).tolist()

    assert abs(one - other) > 1e-3
    with pytest.raises(ValueError, match="expected labels"):
        discriminator(x)


def test_an_auxiliary_classifier_gives_class_logits_too():
    answer = small(conditioning="acgan")(torch.randn(3, 1, 16, 16))

    assert answer.logits.shape == (3,)
    assert answer.class_logits.shape == (3, 4)


def test_without_conditioning_labels_change_nothing():
    discriminator = small().eval()
    x = torch.randn(4, 1, 16, 16)

    assert torch.equal(discriminator(x, torch.arange(4)), discriminator(x))


@pytest.mark.parametrize("conditioning", ["projection", "acgan"])
def test_spectral_norm_is_on_every_layer_or_on_none(conditioning):
    def normed(discriminator):
        layers = [one for one in discriminator.modules() if isinstance(one, nn.Conv2d | nn.Linear | nn.Embedding)]
        return {hasattr(one, "parametrizations") for one in layers}

    assert normed(small(conditioning=conditioning, attention=8)) == {True}
    assert normed(small(conditioning=conditioning, attention=8, spectral_norm=False)) == {False}


@pytest.mark.parametrize(("attention", "channels", "blocks_before"), [(16, 8, 1), (8, 8, 2)])
def test_attention_stands_after_the_first_map_of_its_side(attention, channels, blocks_before):
    discriminator = ResNetDiscriminator(spec(32), width=4, attention=attention)
    order = []
    for block in discriminator.blocks:
        block.register_forward_hook(lambda *_: order.append("block"))
    discriminator.attention.register_forward_pre_hook(lambda _, given: order.append(tuple(given[0].shape)))

    discriminator(torch.randn(1, 1, 32, 32))

    assert order.index((1, channels, attention, attention)) == blocks_before
    assert len(order) == 5


def test_one_seed_gives_the_same_discriminator_twice():
    twins = [small(**FORMS[-1]).state_dict() for _ in range(2)]

    torch.testing.assert_close(twins[0], twins[1], rtol=0, atol=0)


def test_a_map_that_no_block_gives_cannot_be_attended():
    with pytest.raises(ValueError, match="attention must be 0 or the side of a map after a block, here 8; got 16"):
        small(attention=16)


@pytest.mark.parametrize(
    ("data", "settings", "what"),
    [
        (DataSpec((2,)), {}, "expected images [C, H, W], got samples of shape [2]"),
        (spec(9), {}, "expected images whose sides halve to 4 – 16 positions"),
        (spec(16), {"conditioning": "projection"}, "conditioning 'projection' needs labels, and the data has none"),
    ],
)
def test_data_that_do_not_fit_are_refused(data, settings, what):
    with pytest.raises(MismatchError) as refusal:
        ResNetDiscriminator(data, **settings)

    assert refusal.value.what.startswith(what)
    assert refusal.value.at == "discriminator resnet"
    assert refusal.value.fix
