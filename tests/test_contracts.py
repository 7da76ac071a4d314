import math

import pytest

from ganreg.components.losses.hinge import Hinge
from ganreg.contracts import GAN, GIVEN, KINDS, PLURALS, Component, DataSpec, Loss, Observer, Regularizer, Schedule


def test_every_kind_has_a_plural_and_what_is_given_belongs_to_a_kind():
    assert len(set(PLURALS.values())) == len(KINDS) == 10
    assert set(GIVEN) < set(KINDS)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (("lose", "x", "m:a", ""), "kind of component 'x' must be one of generator, .*, got 'lose'"),
        (("loss", "x", "m.a", ""), "factory of loss 'x' must be 'module:attribute', got 'm.a'"),
        (("loss", "x", "../m:a", ""), "factory of loss 'x' must be 'module:attribute', got '../m:a'"),
        (("loss", "x", "m:a()", ""), "factory of loss 'x' must be"),
        (("loss", "Hinge", "m:a", ""), "name of a loss must be lower case letters, digits and '-', got 'Hinge'"),
        (("loss", "a b", "m:a", ""), "name of a loss must be"),
        (("loss", "a:b", "m:a", ""), "name of a loss must be"),
        (("loss", "-a", "m:a", ""), "name of a loss must be"),
        (("loss", "\x1b[31m", "m:a", ""), r"got '\\x1b\[31m'"),
        (("loss", "", "m:a", ""), "name of a loss must be"),
    ],
)
def test_a_record_that_names_nothing_usable_is_refused(fields, text):
    with pytest.raises(ValueError, match=text):
        Component(*fields)


def test_a_record_is_data_that_may_be_compared_and_not_changed():
    one = Component("loss", "r1.5_b-c", "a.b:c", "Words.")

    assert one == Component("loss", "r1.5_b-c", "a.b:c", "Words.")
    with pytest.raises(AttributeError):
        one.name = "other"


def test_a_spec_knows_images_and_how_many_numbers_one_holds():
    assert DataSpec((3, 8, 4)).is_image
    assert DataSpec((3, 8, 4)).size == 96
    assert not DataSpec((2,)).is_image
    assert DataSpec((2,)).size == 2


@pytest.mark.parametrize(("images", "value"), [(0, 1.0), (25, 0.75), (50, 0.5), (100, 0.0), (10**9, 0.0)])
def test_a_linear_schedule_goes_straight_and_then_stays(images, value):
    assert Schedule(start=1.0, stop=0.0, shape="linear", over_images=100).at(images) == pytest.approx(value)


@pytest.mark.parametrize("images", [0, 25, 50, 100, 200])
def test_a_cosine_schedule_follows_half_a_wave(images):
    expected = 3.0 + (1.0 - 3.0) * (1 - math.cos(math.pi * min(images, 100) / 100)) / 2

    assert Schedule(start=3.0, stop=1.0, over_images=100).at(images) == pytest.approx(expected)


def test_a_schedule_over_no_image_is_refused():
    with pytest.raises(ValueError, match="over_images must be at least 1, got 0"):
        Schedule(start=1.0, stop=0.0, over_images=0)


def test_a_gan_unpacks_into_its_two_players():
    generator, discriminator = GAN("g", "d")

    assert (generator, discriminator) == ("g", "d")


def test_a_contract_is_kept_by_methods_and_not_by_descent():
    assert isinstance(Hinge(), Loss)
    assert not isinstance(Hinge(), Regularizer)
    assert not isinstance(object(), Loss)


def test_an_observer_that_overrides_nothing_says_nothing(tmp_path):
    observer = Observer()

    assert observer.started(None) is None
    assert observer.stepped(1, {"loss_d": 1.0}) is None
    assert observer.saved(tmp_path) is None
    assert observer.finished("done") is None


@pytest.mark.parametrize(("images", "value"), [(0, 0.0), (25, 0.5), (50, 1.0), (100, 0.75), (250, 0.0), (900, 0.0)])
def test_a_schedule_may_warm_up_before_it_moves(images: int, value: float):
    schedule = Schedule(start=1.0, stop=0.0, shape="linear", over_images=200, warmup_images=50)

    assert schedule.at(images) == pytest.approx(value)


def test_a_constant_schedule_stays_where_it_warmed_up_to():
    schedule = Schedule(start=3.0, shape="constant", warmup_images=10)

    assert [schedule.at(images) for images in (0, 5, 10, 1000)] == [0.0, 1.5, 3.0, 3.0]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"shape": "constant", "over_images": 5}, "a constant schedule has neither stop nor over_images"),
        ({"shape": "constant", "stop": 0.0}, "a constant schedule has neither stop nor over_images"),
        ({"shape": "linear", "over_images": 5}, "a linear schedule needs stop"),
        ({"shape": "constant", "warmup_images": -1}, "warmup_images must be at least 0, got -1"),
    ],
)
def test_a_schedule_that_says_too_little_or_too_much_is_refused(fields: dict, told: str):
    with pytest.raises(ValueError, match=told):
        Schedule(start=1.0, **fields)
