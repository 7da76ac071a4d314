import pytest
import torch

from ganreg.components.datasets.digits import Digits
from ganreg.components.datasets.stacked_digits import StackedDigits
from ganreg.contracts import Dataset, DataSpec
from ganreg.errors import SettingsError
from ganreg.settings import model_of, validate


def test_each_image_holds_three_digits_that_spell_its_label():
    data, (pictures, digits) = StackedDigits(resolution=8, size=1000), Digits(resolution=8).tensors

    assert isinstance(data, Dataset)
    assert data.spec == DataSpec((3, 8, 8), 1000, (-1.0, 1.0))
    for index in (0, 500, 999):
        image, label = data[index]
        found = [int((pictures[:, 0] == channel).flatten(1).all(1).nonzero()[0]) for channel in image]
        assert [int(digits[one]) for one in found] == [int(figure) for figure in f"{label:03d}"]


def test_most_of_the_thousand_numbers_are_there():
    data = StackedDigits(resolution=8)

    assert len(data) == 20_000
    assert len(data.tensors[1].unique()) == 1000
    assert data.tensors[1].min() == 0
    assert data.tensors[1].max() == 999


def test_the_seed_says_which_digits_and_the_fingerprint_says_so():
    one, same, other = (StackedDigits(resolution=8, size=1000, seed=seed) for seed in (1, 1, 2))

    assert torch.equal(one.tensors[0], same.tensors[0])
    assert not torch.equal(one.tensors[1], other.tensors[1])
    assert one.fingerprint() == same.fingerprint() != other.fingerprint()
    assert one.fingerprint() != StackedDigits(resolution=8, size=1001, seed=1).fingerprint()


def test_too_few_to_hold_a_thousand_modes_are_refused():
    with pytest.raises(SettingsError, match="size must be greater than or equal to 1000, got 999"):
        validate(model_of(StackedDigits), {"size": 999}, owner="dataset 'stacked-digits'")
