"""Path length on generators whose Jacobian is known."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ganreg.components.generators.stylegan2 import StyleGAN2Generator
from ganreg.components.regularizers.path_length import PathLength
from ganreg.contracts import DataSpec, Schedule
from ganreg.engine.checks import check_regularizers
from ganreg.errors import ContractError, SettingsError
from ganreg.settings import model_of, validate
from tests.components.regularizers.contexts import context


class Scaled(nn.Module):
    """G(w) = scale · the sum of w over its layers, in every pixel: J_w^T y = scale · sum(y) for w of one number."""

    def __init__(self, scale=3.0, layers=1, side=1, channels=1):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))
        self.layers, self.side, self.channels = layers, side, channels

    def mapping(self, z, labels=None):
        self.labels = labels
        return z[:, None].expand(-1, self.layers, -1).clone().requires_grad_()

    def synthesis(self, w):
        return (self.scale * w.sum(1))[:, :, None, None].expand(-1, self.channels, self.side, self.side)


def seen(generator, count=8, seed=0, **other):
    """A context with latents of one number each."""
    return context(
        nn.Identity(),
        torch.zeros(count, 1),
        generator=generator,
        latents=torch.randn(count, 1, generator=torch.Generator().manual_seed(9)),
        rng=torch.Generator().manual_seed(seed),
        **other,
    )


def drawn(*shape, seed=0):
    """The y of that context, over the root of its pixels."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) / (shape[2] * shape[3]) ** 0.5


def test_the_first_lengths_are_held_against_their_own_mean():
    lengths = 3 * drawn(4, 1, 1, 1).abs().flatten()

    value = PathLength(weight=2.0).penalty(seen(Scaled()))

    torch.testing.assert_close(value, 2.0 * lengths.var(correction=0))


def test_one_w_for_all_layers_moves_all_of_them():
    regularizer = PathLength()

    regularizer.penalty(seen(Scaled(layers=5)))

    torch.testing.assert_close(regularizer.mean, 15 * drawn(4, 1, 1, 1).abs().mean())


def test_lengths_do_not_grow_with_the_number_of_pixels():
    regularizer = PathLength()

    regularizer.penalty(seen(Scaled(side=8), count=2000))

    torch.testing.assert_close(regularizer.mean, 3 * drawn(1000, 1, 8, 8).sum((1, 2, 3)).abs().mean())
    assert regularizer.mean.item() == pytest.approx(3 * (2 / torch.pi) ** 0.5, rel=0.08)  # 3 E|N(0, 1)|


def test_lengths_grow_with_the_root_of_the_number_of_channels():
    regularizer = PathLength()

    regularizer.penalty(seen(Scaled(channels=3, side=2)))

    torch.testing.assert_close(regularizer.mean, 3 * drawn(4, 3, 2, 2).sum((1, 2, 3)).abs().mean())


def test_the_mean_runs_with_a_hundredth_of_each_new_one():
    regularizer, lengths = PathLength(), []
    for seed in (0, 1, 2):
        regularizer.penalty(seen(Scaled(), seed=seed))
        lengths.append(3 * drawn(4, 1, 1, 1, seed=seed).abs().mean().item())

    shares = [0.01 * 0.99**2, 0.01 * 0.99, 0.01]
    wanted = sum(share * length for share, length in zip(shares, lengths, strict=True)) / sum(shares)

    assert regularizer.mean.item() == pytest.approx(wanted, rel=1e-5)


def test_the_gradient_reaches_the_generators_weights_and_not_the_mean():
    generator, y = Scaled(), drawn(4, 1, 1, 1).abs().flatten()

    PathLength(weight=2.0).penalty(seen(generator)).backward()

    distance = 3 * y - 3 * y.mean()
    torch.testing.assert_close(generator.scale.grad, 2.0 * (2 * distance * y).mean())


@pytest.mark.parametrize(("count", "half"), [(8, 4), (5, 3), (1, 1)])
def test_half_of_the_batch_is_used_and_its_labels(count, half):
    generator, labels = Scaled(), torch.arange(count)
    asked = []
    generator.register_module("inner", nn.Identity())
    mapping = generator.mapping
    generator.mapping = lambda z, labels=None: asked.append((z, labels)) or mapping(z, labels)
    made = seen(generator, count=count, fake_labels=labels)

    PathLength().penalty(made)

    ((z, told),) = asked
    torch.testing.assert_close(z, made.latents[:half])
    torch.testing.assert_close(told, labels[:half])


def test_a_length_that_is_not_finite_does_not_enter_the_mean():
    regularizer, generator = PathLength(), Scaled()
    regularizer.penalty(seen(generator))
    before = {name: one.clone() for name, one in regularizer.state_dict().items()}
    nn.init.constant_(generator.scale, float("nan"))

    value = regularizer.penalty(seen(generator))

    assert value.isnan()
    torch.testing.assert_close(regularizer.state_dict(), before, rtol=0, atol=0)


def test_a_first_length_that_is_not_finite_leaves_a_mean_of_zero():
    regularizer = PathLength()

    regularizer.penalty(seen(Scaled(scale=float("inf"))))

    assert regularizer.mean.item() == 0.0


def test_a_restored_penalty_goes_on_as_it_would_have():
    first, again = PathLength(), PathLength()
    first.penalty(seen(Scaled(scale=5.0)))
    again.load_state_dict(first.state_dict())

    values = [one.penalty(seen(Scaled(), seed=1)) for one in (first, again)]

    torch.testing.assert_close(values[0], values[1], rtol=0, atol=0)
    assert set(first.state_dict()) == {"total", "share"}


def test_the_mean_is_that_of_all_ranks(monkeypatch):
    ranks = SimpleNamespace(
        is_available=lambda: True,
        is_initialized=lambda: True,
        all_reduce=lambda length: length.add_(7.0),  # the other rank's
        get_world_size=lambda: 2,
    )
    monkeypatch.setattr("ganreg.nn.ranks.dist", ranks)
    regularizer = PathLength()

    regularizer.penalty(seen(Scaled()))

    own = 3 * drawn(4, 1, 1, 1).abs().mean()
    torch.testing.assert_close(regularizer.mean, (own + 7.0) / 2)


def test_a_scheduled_weight_is_that_of_the_images_seen():
    schedule = Schedule(start=2.0, stop=0.0, shape="linear", over_images=100)

    values = [PathLength(weight=schedule).penalty(seen(Scaled(), images=images)).item() for images in (0, 50, 100)]

    assert values == pytest.approx([values[0], values[0] / 2, 0.0])
    assert values[0] > 0


def test_random_numbers_come_from_the_run():
    before = torch.get_rng_state()

    PathLength().penalty(seen(Scaled()))

    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("architecture", ["skip", "residual"])
def test_it_reaches_every_weight_of_stylegan2(architecture):
    torch.manual_seed(0)
    spec = DataSpec((3, 8, 8), num_classes=2, value_range=(-1.0, 1.0))
    generator = StyleGAN2Generator(
        spec, latent_dim=6, style_dim=8, mapping_layers=2, width=4, architecture=architecture, conditioning="concat"
    )
    latents, labels = torch.randn(4, 6), torch.tensor([0, 1, 0, 1])

    PathLength().penalty(
        context(nn.Identity(), torch.zeros(4, 3, 8, 8), generator=generator, latents=latents, fake_labels=labels)
    ).backward()

    missed = [name for name, p in generator.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert missed == []
    assert all(p.grad.isfinite().all() for p in generator.parameters())


def test_a_generator_without_styles_is_refused():
    with pytest.raises(ContractError, match="it requires 'style', and the generator has no mapping, synthesis, w_avg"):
        check_regularizers([PathLength()], nn.Identity())


def test_the_defaults_are_a_weight_of_two_every_fourth_step_of_the_generator():
    regularizer = PathLength()

    assert (regularizer.network, regularizer.weight, regularizer.interval) == ("generator", 2.0, 4)


@pytest.mark.parametrize(("setting", "value"), [("weight", 0.0), ("interval", 0), ("total", 1.0)])
def test_values_without_sense_are_refused(setting, value):
    with pytest.raises(SettingsError, match=setting):
        validate(model_of(PathLength), {setting: value}, owner="regularizer 'path-length'")
