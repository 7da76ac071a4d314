"""A size that is proposed is one that the default networks make."""

import pytest
import torch

from ganreg import registry
from ganreg.assembly.config import DEFAULTS
from ganreg.contracts import DataSpec
from ganreg.data.fitting import ANY_SHAPE, Fitted, fits, fitted, nearest
from ganreg.errors import MismatchError


def builds(kind, shape):
    with torch.device("meta"):
        try:
            registry.create(kind, DEFAULTS["generator"]["name"], DataSpec(shape, 0, (-1.0, 1.0)), width=1)
        except MismatchError:
            return False
    return True


@pytest.mark.parametrize("kind", ["generator", "discriminator"])
def test_the_rule_is_that_of_the_default_networks(kind):
    for shape in [(3, side, side) for side in (8, 9, 10, 28, 30, 50, 64, 96, 100, 104, 250)] + [(1, 8, 10), (1, 8, 64)]:
        assert builds(kind, shape) == fits(*shape[1:]), shape


def test_what_fits_stays_as_it_was_asked_for():
    assert fitted(64, 64, 64) == Fitted(64)
    assert fitted(8, 10, None) == Fitted(None)


@pytest.mark.parametrize(("side", "near"), [(100, 96), (50, 48), (9, 8), (65, 64), (255, 256), (1000, 1024)])
def test_else_the_nearest_that_fits_is_proposed(side, near):
    assert nearest(side) == near
    asked, made = f"{side} x {side}", f"{near} x {near}"

    note = f"the default networks make no images of {asked}; {made} is the nearest that they make"
    assert fitted(side, side, side) == Fitted(near, (), note)


def test_what_is_not_resized_gets_networks_for_any_shape():
    found = fitted(9, 11, None, resizes=False)

    assert (found.resolution, found.words) == (None, ANY_SHAPE)
    assert "these are not resized" in found.note
