"""Adaptive augmentation on images small enough to work out by hand, and the arithmetic of p."""

from __future__ import annotations

import math
from copy import deepcopy

import pytest
import torch

from ganreg.components.augmentations import ada
from ganreg.components.augmentations.ada import ADA, REAL_SIGN, mirrored, recoloured, resampled, shift, stretch, turn
from ganreg.contracts import STATISTICS, DataSpec, Schedule
from ganreg.engine.state import _packed, _unpacked
from ganreg.errors import MismatchError, SettingsError
from ganreg.settings import model_of, validate

GROUPS = ("flips", "shifts", "geometric", "color")
MANY = 4096


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def spec(channels=3, height=8, width=8):
    return DataSpec((channels, height, width), value_range=(-1.0, 1.0))


def only(*names, p=1.0):
    return ADA(spec(), p=p, **{one: one in names for one in GROUPS})


def one(value):
    return torch.tensor([value])


def image(*rows):
    return torch.tensor(rows, dtype=torch.float32)[None, None]


# --- each transform by hand ------------------------------------------------------------------------------------------


def test_a_mirrored_image_reads_from_right_to_left():
    mirrored_image = resampled(image([1, 2, 3], [4, 5, 6]), stretch(one(-1.0), one(1.0)))

    assert torch.equal(mirrored_image, image([3, 2, 1], [6, 5, 4]))


def test_a_turn_by_a_right_angle_makes_the_right_column_the_top_row():
    turned = resampled(image([1, 2, 3], [4, 5, 6], [7, 8, 9]), turn(one(math.pi / 2)).round())

    assert torch.equal(turned, image([3, 6, 9], [2, 5, 8], [1, 4, 7]))


def test_a_turn_by_a_right_angle_is_exact_where_the_middle_lies_between_pixels():
    assert torch.equal(resampled(image([1, 2], [3, 4]), turn(one(math.pi / 2)).round()), image([2, 4], [1, 3]))


def test_what_moves_in_over_a_border_is_the_image_mirrored():
    row = image([1, 2, 3, 4])

    assert torch.equal(resampled(row, shift(one(1.0), one(0.0))), image([2, 3, 4, 3]))
    assert torch.equal(resampled(row, shift(one(-2.0), one(0.0))), image([3, 2, 1, 2]))
    assert torch.equal(resampled(image([1], [2], [3]), shift(one(0.0), one(1.0))), image([2], [3], [2]))


def test_half_a_pixel_takes_nine_sixteenths_of_two_and_less_a_sixteenth_of_the_next_two():
    moved = resampled(image([0, 0, 0, 16, 0, 0, 0]), shift(one(0.5), one(0.0)))

    torch.testing.assert_close(moved, image([0, -1, 9, 9, -1, 0, 0]))


def test_a_ramp_stays_a_ramp_under_any_shift_and_scale():
    ramp = torch.arange(16.0).expand(1, 1, 3, 16)

    moved = resampled(ramp, shift(one(0.3), one(0.0)))
    smaller = resampled(ramp, stretch(one(0.5), one(1.0)))  # half as far from the middle, 7.5

    torch.testing.assert_close(moved[..., 1:13], ramp[..., 1:13] + 0.3)
    torch.testing.assert_close(smaller, 7.5 + (ramp - 7.5) / 2)


def test_the_last_of_two_moves_is_done_to_the_output_first():
    # Output to input: the product shifts first, then doubles, so that output pixel 0 reads from 2 · (0 + 1).
    both = ada.product(stretch(one(2.0), one(1.0)), shift(one(1.0), one(0.0)))

    torch.testing.assert_close(both @ torch.tensor([0.0, 0.0, 1.0]), torch.tensor([[2.0, 0.0, 1.0]]))


@pytest.mark.parametrize(
    ("size", "indices"), [(3, [1, 2, 1, 0, 1, 2, 1, 0, 1, 2]), (2, [1, 0, 1, 0, 1, 0, 1, 0, 1, 0]), (1, [0] * 10)]
)
def test_indices_beyond_a_side_go_to_and_fro(size, indices):
    assert mirrored(torch.arange(-3, 7), size).tolist() == indices


COLOUR = (0.9, 0.0, -0.3)  # grey 0.2


@pytest.mark.parametrize(
    ("what", "grey", "added", "angle", "rest", "expected"),
    [
        ("brightness", 1.0, 0.1, 0.0, 1.0, (1.0, 0.1, -0.2)),
        ("contrast", 2.0, 0.0, 0.0, 2.0, (1.8, 0.0, -0.6)),
        ("luma flip", -1.0, 0.0, 0.0, 1.0, (0.5, -0.4, -0.7)),  # less twice its grey
        ("hue by a third", 1.0, 0.0, 2 * math.pi / 3, 1.0, (-0.3, 0.9, 0.0)),  # red becomes green, green blue
        ("no saturation", 1.0, 0.0, 0.0, 0.0, (0.2, 0.2, 0.2)),
    ],
)
def test_a_known_colour_becomes_a_known_colour(what, grey, added, angle, rest, expected):
    pixel = torch.tensor(COLOUR).view(1, 3, 1, 1)

    made = recoloured(pixel, one(grey), one(added), one(rest * math.cos(angle)), one(rest * math.sin(angle)))

    torch.testing.assert_close(made.flatten(), torch.tensor(expected), msg=what)


def test_a_grey_image_is_flipped_and_moved_and_opacity_is_not():
    pixels = torch.tensor([[0.3, 0.7]]).view(1, 2, 1, 1)

    assert recoloured(pixels, one(-2.0), one(0.1), one(5.0), one(5.0)).flatten().tolist() == pytest.approx([-0.5, 0.7])


@pytest.mark.parametrize(("channels", "colours"), [(2, 1), (4, 3)])
def test_opacity_keeps_its_values_but_moves_along(channels, colours):
    images = torch.randn(4, channels, 8, 8)

    assert torch.equal(only("color")(images)[:, colours:], images[:, colours:])
    assert not torch.equal(only("flips")(images)[:, colours:], images[:, colours:])


# --- how often, and how far ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 5, 5), (3, 7, 12), (4, 9, 6), (3, 1, 4)])
def test_p_of_0_changes_no_bit(shape):
    images = torch.randn(3, *shape)

    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ADA(spec(*shape), p=0.0)(images), images)


def test_a_square_is_shown_in_each_of_its_eight_positions_as_often():
    square = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    positions = [torch.rot90(side, turns, (0, 1)) for side in (square, square.flip(1)) for turns in range(4)]

    shown = only("flips")(square.expand(MANY, 1, 2, 2))

    counts = [(shown == position).flatten(1).all(1).sum().item() for position in positions]
    assert sum(counts) == MANY
    assert counts == [pytest.approx(MANY / 8, abs=100) for _ in positions]  # deviation sqrt(4096 · 7/64) = 21


def test_an_image_that_is_no_square_is_mirrored_and_turned_by_half_a_turn_alone():
    picture = torch.arange(6.0).view(2, 3)
    shown = only("flips", p=0.5)(picture.expand(MANY, 1, 2, 3))

    # p of two ways one: mirrored 1/4, turned 1/4
    for position, share in [((), 9 / 16), ((1,), 3 / 16), ((0, 1), 3 / 16), ((0,), 1 / 16)]:
        found = (shown == picture.flip(position)).flatten(1).all(1).float().mean().item()
        assert found == pytest.approx(share, abs=0.03)


def test_whole_pixels_are_an_eighth_of_a_side_at_most():
    images = torch.zeros(MANY, 1, 8, 24)
    images[:, :, 4, 12] = 1.0

    places = (only("shifts")(images) == 1.0).nonzero()[:, 2:]

    assert len(places) == MANY
    counts = [(places[:, 0] == row).float().mean().item() for row in (3, 4, 5)]
    assert counts == [pytest.approx(share, abs=0.03) for share in (1 / 4, 1 / 2, 1 / 4)]  # U(-1, 1), rounded
    counts = [(places[:, 1] == column).float().mean().item() for column in range(9, 16)]
    assert counts == [pytest.approx(share, abs=0.03) for share in (1 / 12, *[1 / 6] * 5, 1 / 12)]  # U(-3, 3), rounded


def test_scales_turns_and_moves_have_the_papers_spread():
    moves = only("geometric")._moves(torch.empty(MANY, 1, 8, 8, dtype=torch.float64))

    area = moves[:, :2, :2].det().log2()  # only the first scale changes it: twice N(0, 0.2²)
    assert area.mean().item() == pytest.approx(0.0, abs=0.03)
    assert area.std().item() == pytest.approx(0.4, rel=0.05)
    # singular values s f and s / f: the log of their ratio is twice |N(0, 0.2²)|
    stretched = torch.linalg.svdvals(moves[:, :2, :2]).log2().diff(dim=1)
    assert stretched.square().mean().sqrt().item() == pytest.approx(0.4, rel=0.05)
    back = torch.linalg.solve(moves[:, :2, :2], moves[:, :2, 2])  # of the output's pixels: N(0, 1²) for a side of 8
    assert back.mean(0).tolist() == pytest.approx([0.0, 0.0], abs=0.06)
    assert back.std(0).tolist() == pytest.approx([1.0, 1.0], rel=0.05)
    angle = torch.atan2(moves[:, 1, 0] - moves[:, 0, 1], moves[:, 0, 0] + moves[:, 1, 1])
    assert angle.std().item() == pytest.approx(2 * math.pi / 12**0.5, rel=0.05)  # uniform all around


def test_of_two_turns_one_or_both_are_made_with_probability_p():
    moves = only("geometric", p=0.5)._moves(torch.empty(MANY, 1, 8, 8))

    turned = (moves[:, 0, 1] != 0) | (moves[:, 1, 0] != 0)
    assert turned.float().mean().item() == pytest.approx(0.5, abs=0.03)
    moved = (moves[:, :2, 2] != 0).any(1)
    assert moved.float().mean().item() == pytest.approx(0.5, abs=0.03)


def test_colours_have_the_papers_spread():
    black = only("color")(torch.zeros(MANY, 3, 1, 1)).view(MANY, 3)
    torch.testing.assert_close(black, black[:, :1].expand(MANY, 3))  # it has no hue
    assert black.mean().item() == pytest.approx(0.0, abs=0.02)
    # N(0, 0.2²) times 2^N(0, 0.5²), and E 2^2N(0, 0.5²) = exp((ln 2)²/2)
    assert black[:, 0].std().item() == pytest.approx(0.2 * math.exp(math.log(2) ** 2 / 4), rel=0.06)

    pure = torch.tensor([1.0, -1.0, 0.0]).view(1, 3, 1, 1)  # of grey 0
    rest = only("color")(pure.expand(MANY, 3, 1, 1)).view(MANY, 3)
    rest = rest - rest.mean(1, keepdim=True)
    far = (rest.norm(dim=1) / math.sqrt(2)).log2()  # contrast and saturation: N(0, 0.5² + 1²)
    assert far.mean().item() == pytest.approx(0.0, abs=0.07)
    assert far.std().item() == pytest.approx(math.sqrt(1.25), rel=0.05)
    assert (rest / rest.norm(dim=1, keepdim=True)).mean(0).tolist() == pytest.approx([0.0] * 3, abs=0.05)  # any hue


def test_of_two_ways_one_luma_is_flipped():
    made = only("color")(torch.full((MANY, 1, 1, 1), 100.0))  # brightness is nothing to it

    assert (made < 0).float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert made.abs().log2().mean().item() == pytest.approx(math.log2(100), abs=0.04)
    assert made.abs().log2().std().item() == pytest.approx(0.5, rel=0.05)  # the contrast


def test_each_change_of_colour_is_made_with_probability_p():
    made = only("color", p=0.25)(torch.tensor([0.9, 0.0, -0.3]).view(1, 3, 1, 1).expand(MANY, 3, 1, 1))

    untouched = (made.view(MANY, 3) == torch.tensor([0.9, 0.0, -0.3])).all(1)
    expected = 0.75**4 * (1 - 0.25 / 2)  # a flip is none of two ways one
    assert untouched.float().mean().item() == pytest.approx(expected, abs=0.03)


def test_each_image_is_distorted_by_itself():
    for name in GROUPS:
        first, *others = only(name)(torch.randn(3, 8, 8).expand(8, 3, 8, 8))
        assert any(not torch.equal(first, other) for other in others), name


def test_with_all_switched_off_nothing_changes_and_nothing_is_drawn():
    images, before = torch.randn(2, 3, 8, 8), torch.get_rng_state()

    assert torch.equal(only()(images), images)
    assert torch.equal(torch.get_rng_state(), before)


# --- as the engine calls it ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [*((name,) for name in GROUPS), GROUPS], ids=str)
@pytest.mark.parametrize("channels", [1, 4])
def test_it_is_twice_differentiable(names, channels):
    augment = only(*names, p=0.7)
    images = torch.randn(2, channels, 4, 5, dtype=torch.float64, requires_grad=True)

    def seeded(images):
        torch.manual_seed(1)
        return augment(images)

    assert torch.autograd.gradcheck(seeded, images)
    assert torch.autograd.gradgradcheck(lambda images: seeded(images).square(), images, fast_mode=True)


def test_one_seed_gives_the_same_distortions_whatever_the_memory_format():
    images, outs = torch.randn(4, 3, 8, 8), []
    for memory_format in (torch.contiguous_format, torch.contiguous_format, torch.channels_last):
        torch.manual_seed(3)
        outs.append(ADA(spec(), p=0.8)(images.contiguous(memory_format=memory_format)))

    assert torch.equal(outs[0], outs[1])
    torch.testing.assert_close(outs[0], outs[2])


def test_16_bit_images_are_moved_as_exactly_and_stay_16_bit():
    images, outs = torch.randint(-4, 5, (4, 1, 16, 16)).float() / 4, []
    for dtype in (torch.float32, torch.bfloat16):
        torch.manual_seed(3)
        outs.append(only("flips", "shifts", "geometric")(images.to(dtype)))

    assert outs[1].dtype == torch.bfloat16
    torch.testing.assert_close(outs[1].float(), outs[0], rtol=0.01, atol=0.01)


def test_nothing_is_read_from_the_device():
    augment = ADA(spec(), interval=1)

    made = augment(torch.empty(4, 3, 8, 8, device="meta"))  # there is nothing to read there
    augment.update(torch.empty(len(STATISTICS), device="meta"), 4)

    assert made.shape == (4, 3, 8, 8)
    assert augment.probability.device.type == "meta"


# --- p ---------------------------------------------------------------------------------------------------------------


def told(sign):
    statistics = torch.full((len(STATISTICS),), math.nan)
    statistics[REAL_SIGN] = sign
    return statistics


def updated(augment, *signs, images=4):
    values = []
    for sign in signs:
        augment.update(told(sign), images)
        values.append(augment.probability.item())
    return values


def test_p_rises_by_the_images_of_an_interval_over_speed_images_where_d_is_sure():
    augment = ADA(spec(), interval=2, speed_images=100)  # 2 · 4 / 100

    assert updated(augment, 0.9, 0.9, 0.9, 0.9) == pytest.approx([0.0, 0.08, 0.08, 0.16])


def test_p_falls_where_d_is_not_and_stays_where_it_should_be():
    augment = ADA(spec(), interval=2, speed_images=100, target=0.5)

    assert updated(augment, 1.0, 1.0) == pytest.approx([0.0, 0.08])
    assert updated(augment, 0.75, 0.25) == pytest.approx([0.08, 0.08])  # the mean is the target
    assert updated(augment, 1.0, -0.25) == pytest.approx([0.08, 0.0])
    assert updated(augment, -1.0, -1.0) == [0.0, 0.0]


def test_p_goes_no_higher_than_max_p():
    augment = ADA(spec(), interval=1, speed_images=10, max_p=0.5)

    assert updated(augment, 1.0, 1.0) == pytest.approx([0.4, 0.5])


def test_a_sign_that_is_none_leaves_p_alone_and_is_forgotten():
    augment = ADA(spec(), interval=1, speed_images=40)

    assert updated(augment, 1.0, math.nan, 1.0) == pytest.approx([0.1, 0.1, 0.2])


def test_the_images_that_count_are_those_of_the_update():
    assert updated(ADA(spec(), interval=1, speed_images=100), 1.0, images=12) == pytest.approx([0.12])


def test_a_fixed_p_stays():
    assert updated(ADA(spec(), p=0.25, interval=1), 1.0, -1.0) == [0.25, 0.25]


def test_a_scheduled_p_is_that_of_the_images_seen():
    augment = ADA(spec(), p=Schedule(start=0.0, stop=0.5, shape="linear", over_images=16))

    assert augment.probability.item() == 0.0
    assert updated(augment, 1.0, 1.0, 1.0) == pytest.approx([0.125, 0.25, 0.375])


def test_a_resumed_run_goes_on_as_if_it_had_never_stopped():
    augment, images = ADA(spec(), interval=3, speed_images=100), torch.randn(4, 3, 8, 8)
    updated(augment, 1.0, 1.0, 1.0, 0.9)

    again = ADA(spec(), interval=3, speed_images=100)
    tensors, values = _packed(augment.state_dict(), "ada")  # as a checkpoint holds it
    again.load_state_dict(_unpacked(tensors, values))
    outs = []
    for one_of_both in (augment, again, deepcopy(again)):
        torch.manual_seed(3)
        outs.append((one_of_both(images), updated(one_of_both, 0.2, 0.9, 1.0)))

    for made, values in outs[1:]:
        assert torch.equal(made, outs[0][0])
        assert values == outs[0][1]


def test_loading_writes_p_where_a_recorded_graph_reads_it():
    augment = ADA(spec(), interval=1, speed_images=8)
    state, place = augment.state_dict(), augment.probability.data_ptr()

    assert updated(augment, 1.0) == [0.5]
    augment.load_state_dict(state)

    assert augment.probability.item() == 0.0
    assert augment.probability.data_ptr() == place


def test_a_p_that_was_set_anew_outlives_a_checkpoint():
    augment = ADA(spec(), p=0.5)
    augment.load_state_dict(ADA(spec(), p=0.1).state_dict())
    scheduled = ADA(spec(), p=Schedule(start=0.0, stop=0.5, shape="linear", over_images=16))
    before = ADA(spec(), interval=1, speed_images=8)
    updated(before, 1.0)
    scheduled.load_state_dict(before.state_dict())

    assert augment.probability.item() == 0.5
    assert scheduled.probability.item() == 0.125  # after 4 images


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value", "what"),
    [
        ("p", 1.5, "p must be less than or equal to 1, got 1.5"),
        ("max_p", -0.1, "max_p must be greater than or equal to 0, got -0.1"),
        ("interval", 0, "interval must be greater than or equal to 1, got 0"),
        ("speed_images", 0, "speed_images must be greater than or equal to 1, got 0"),
        ("target", 2.0, "target must be less than or equal to 1, got 2.0"),
    ],
)
def test_values_without_sense_are_refused(setting, value, what):
    with pytest.raises(SettingsError, match=what):
        validate(model_of(ADA, 1), {setting: value}, owner="augmentation 'ada'")


def test_a_schedule_that_leaves_0_to_1_is_refused():
    with pytest.raises(ValueError, match=r"expected p from 0 to 1, got a schedule from 0\.0 to 2\.0"):
        ADA(spec(), p=Schedule(start=0.0, stop=2.0, over_images=1))


def test_points_are_refused():
    with pytest.raises(MismatchError) as refusal:
        ADA(DataSpec((2,)))

    assert refusal.value.what == "expected images [C, H, W], got samples of shape [2]"
    assert refusal.value.at == "augmentation ada"
