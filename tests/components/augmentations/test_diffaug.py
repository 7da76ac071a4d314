"""DiffAugment on images whose distortions can be counted."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ganreg.components.augmentations.diffaug import DiffAug, recoloured, spread, translated, uniform, with_a_hole
from ganreg.contracts import DataSpec
from ganreg.errors import MismatchError

SPEC = DataSpec((3, 8, 8), value_range=(-1.0, 1.0))
MANY = 4096


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def only(name):
    return DiffAug(SPEC, **{one: one == name for one in ("color", "translation", "cutout")})


def test_twice_as_far_from_a_pixels_mean_is_twice_the_saturation():
    pixel = torch.tensor([0.0, 0.3, 0.6]).view(1, 3, 1, 1)

    twice, none = (spread(pixel, torch.full((1, 1, 1, 1), factor), over=(1,)) for factor in (2.0, 0.0))

    torch.testing.assert_close(twice.flatten(), torch.tensor([-0.3, 0.3, 0.9]))
    torch.testing.assert_close(none.flatten(), torch.full((3,), 0.3))


def test_half_as_far_from_an_images_mean_is_half_the_contrast():
    images = torch.tensor([[0.0, 1.0], [-1.0, 1.0]]).view(2, 1, 1, 2)

    half = spread(images, torch.tensor([0.5, 1.0]).view(2, 1, 1, 1), over=(1, 2, 3))

    torch.testing.assert_close(half.view(2, 2), torch.tensor([[0.25, 0.75], [-1.0, 1.0]]))


def test_an_even_image_changes_but_its_brightness_by_at_most_a_half():
    changed = only("color")(torch.full((MANY, 3, 2, 2), 0.25))

    torch.testing.assert_close(changed, changed[:, :1, :1, :1].expand_as(changed))  # still even
    added = changed[:, 0, 0, 0] - 0.25
    assert -0.5 <= added.min().item() < -0.49
    assert 0.49 < added.max().item() <= 0.5
    assert added.mean().item() == pytest.approx(0.0, abs=0.02)  # standard error sqrt(1/12) / 64 = 0.0045
    assert added.std().item() == pytest.approx(12**-0.5, rel=0.05)


def test_saturation_goes_from_none_to_twice_and_contrast_from_a_half_to_one_and_a_half():
    images = torch.tensor([-0.2, 0.0, 0.2]).view(1, 3, 1, 1) + torch.tensor([-0.5, 0.5]).view(1, 1, 1, 2)

    changed = only("color")(images.expand(MANY, 3, 1, 2))

    contrast = changed.mean(1)[:, 0, 1] - changed.mean(1)[:, 0, 0]  # of the pixels' greys, 1 apart
    saturation = (changed[:, 2, 0, 0] - changed[:, 0, 0, 0]) / 0.4 / contrast
    assert contrast.aminmax() == (pytest.approx(0.5, abs=0.01), pytest.approx(1.5, abs=0.01))
    assert saturation.aminmax() == (pytest.approx(0.0, abs=0.01), pytest.approx(2.0, abs=0.01))
    assert contrast.mean().item() == pytest.approx(1.0, abs=0.02)
    assert saturation.mean().item() == pytest.approx(1.0, abs=0.04)


def test_a_grey_image_has_no_saturation():
    images = torch.tensor([-0.5, 0.5]).expand(MANY, 1, 1, 2)

    changed = only("color")(images)[:, 0, 0]

    contrast = changed[:, 1] - changed[:, 0]
    assert contrast.aminmax() == (pytest.approx(0.5, abs=0.01), pytest.approx(1.5, abs=0.01))


@pytest.mark.parametrize(("channels", "colours"), [(2, 1), (4, 3), (5, 3)])
def test_opacity_keeps_its_values(channels, colours):
    images = torch.randn(4, channels, 3, 3)

    changed = recoloured(images)

    assert torch.equal(changed[:, colours:], images[:, colours:])
    assert (changed[:, :colours] != images[:, :colours]).all()


def test_an_image_moves_by_up_to_an_eighth_and_zeros_come_in():
    image = torch.randn(2, 8, 8)
    padded = F.pad(image, (1, 1, 1, 1))
    places = [padded[:, y : y + 8, x : x + 8] for y in range(3) for x in range(3)]

    moved = translated(image.expand(MANY, 2, 8, 8))

    counts = [(moved == place).flatten(1).all(1).sum().item() for place in places]
    assert sum(counts) == MANY
    assert counts == [pytest.approx(MANY / 9, abs=100) for _ in places]  # deviation sqrt(4096 · 8/81) = 20


def test_sides_move_by_their_own_eighth():
    images = torch.zeros(512, 1, 16, 32)
    images[:, :, 8, 16] = 1.0

    moved = translated(images).nonzero()[:, 2:]

    assert moved.amin(0).tolist() == [6, 12]
    assert moved.amax(0).tolist() == [10, 20]


def test_half_of_each_side_is_covered_around_a_pixel_anywhere():
    covered = with_a_hole(torch.ones(MANY, 1, 8, 4)).squeeze(1) == 0

    rows, columns = covered.any(2), covered.any(1)
    assert torch.equal(covered, rows[:, :, None] & columns[:, None])  # a rectangle
    assert set(rows.sum(1).tolist()) == {2, 3, 4}  # 4, less what lies beyond a border
    assert set(columns.sum(1).tolist()) == {1, 2}
    assert covered[:, 4, 2].float().mean().item() == pytest.approx(1 / 4, abs=0.03)  # 4 of 8 places, 2 of 4


def test_what_is_covered_has_no_gradient():
    images = torch.ones(4, 1, 8, 8, requires_grad=True)

    covered = with_a_hole(images)
    covered.sum().backward()

    torch.testing.assert_close(images.grad, covered.detach())


def test_each_image_is_distorted_by_itself():
    for name in ("color", "translation", "cutout"):
        first, *others = only(name)(torch.randn(3, 8, 8).expand(8, 3, 8, 8))
        assert any(not torch.equal(first, other) for other in others), name


def test_with_all_switched_off_nothing_changes_and_nothing_is_drawn():
    images, before = torch.randn(2, 3, 8, 8), torch.get_rng_state()

    assert torch.equal(only("none")(images), images)
    assert torch.equal(torch.get_rng_state(), before)


def test_all_are_on_unless_switched_off():
    every = DiffAug(SPEC)

    assert (every.color, every.translation, every.cutout) == (True, True, True)
    assert (every(torch.ones(64, 3, 8, 8)) == 0).flatten(1).any(1).all()  # the hole comes last, and nothing fills it


def test_one_seed_gives_the_same_distortions():
    images, outs = torch.randn(4, 3, 8, 8), []
    for _ in range(2):
        torch.manual_seed(3)
        outs.append(DiffAug(SPEC)(images))

    assert torch.equal(*outs)


@pytest.mark.parametrize("name", ["color", "translation", "cutout", "all"])
def test_it_is_twice_differentiable(name):
    augment = DiffAug(SPEC) if name == "all" else only(name)
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64, requires_grad=True)

    def seeded(images):
        torch.manual_seed(1)
        return augment(images)

    assert torch.autograd.gradcheck(seeded, images)
    assert torch.autograd.gradgradcheck(lambda images: seeded(images).square(), images, fast_mode=True)


def test_nothing_is_read_from_the_device():
    assert DiffAug(SPEC)(torch.empty(4, 3, 8, 8, device="meta")).shape == (4, 3, 8, 8)  # there is nothing to read there


def test_uniform_draws_have_an_images_dtype():
    assert uniform(torch.zeros(3, 1, 2, 2, dtype=torch.float64), 1.0).dtype == torch.float64


def test_points_are_refused():
    with pytest.raises(MismatchError) as refusal:
        DiffAug(DataSpec((2,)))

    assert refusal.value.what == "expected images [C, H, W], got samples of shape [2]"
    assert refusal.value.at == "augmentation diffaug"
    assert refusal.value.fix == "leave the augmentation out"
