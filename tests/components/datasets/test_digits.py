import hashlib
import zipfile

import numpy as np
import pytest
import torch

from ganreg.components.datasets import digits
from ganreg.components.datasets.digits import Digits
from ganreg.contracts import Dataset, DataSpec
from ganreg.errors import DataError, SettingsError
from ganreg.settings import model_of, validate


def test_there_are_1797_pictures_of_ten_digits():
    data = Digits()

    assert isinstance(data, Dataset)
    assert len(data) == 1797
    assert data.spec == DataSpec(shape=(1, 16, 16), num_classes=10, value_range=(-1.0, 1.0))
    assert data.tensors[1].bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_samples_and_labels_lie_in_memory_as_float32_and_int64():
    samples, labels = Digits(resolution=24).tensors

    assert (samples.shape, samples.dtype) == ((1797, 1, 24, 24), torch.float32)
    assert (labels.shape, labels.dtype) == ((1797,), torch.int64)


def test_the_first_picture_is_a_zero_as_the_table_has_it():
    picture, label = Digits(resolution=8)[0]

    assert label == 0
    assert ((picture + 1) * 8).to(torch.int64).tolist() == [
        [
            [0, 0, 5, 13, 9, 1, 0, 0],
            [0, 0, 13, 15, 10, 15, 5, 0],
            [0, 3, 15, 2, 0, 11, 8, 0],
            [0, 4, 12, 0, 0, 8, 8, 0],
            [0, 5, 8, 0, 0, 9, 8, 0],
            [0, 4, 11, 0, 1, 12, 7, 0],
            [0, 2, 14, 5, 10, 12, 0, 0],
            [0, 0, 6, 13, 10, 0, 0, 0],
        ]
    ]


def test_twice_the_size_mixes_neighbours_three_to_one():
    small, large = Digits(resolution=8)[0][0], Digits(resolution=16)[0][0]

    assert large[0, 0, 5].item() == pytest.approx(0.75 * small[0, 0, 2].item() + 0.25 * small[0, 0, 3].item())


@pytest.mark.parametrize("resolution", [8, 13, 16, 64])
def test_values_fill_the_range_and_do_not_leave_it(resolution):
    samples, _ = Digits(resolution=resolution).tensors

    assert samples.min() == -1
    assert samples.max() <= 1
    assert samples.max() > 0.99


def test_an_index_gives_what_the_tensors_hold():
    data = Digits()
    picture, label = data[1796]

    torch.testing.assert_close(picture, data.tensors[0][1796], rtol=0, atol=0)
    assert label == data.tensors[1][1796]
    assert isinstance(label, int)


def test_an_index_past_the_end_ends_the_iteration():
    assert sum(1 for _ in Digits(resolution=8)) == 1797


def test_the_fingerprint_is_the_files_and_the_resolutions():
    assert Digits().fingerprint() == Digits(resolution=16).fingerprint()
    assert Digits().fingerprint() != Digits(resolution=32).fingerprint()


@pytest.mark.parametrize("resolution", [7, 129])
def test_a_resolution_outside_8_to_128_is_refused(resolution):
    with pytest.raises(SettingsError, match=f"resolution must be .* than or equal to (8|128), got {resolution}"):
        validate(model_of(Digits), {"resolution": resolution}, owner="data set 'digits'")


def test_the_packaged_file_is_small_dateless_and_without_pickles():
    assert digits.FILE.stat().st_size < 60_000
    with zipfile.ZipFile(digits.FILE) as file:
        assert {member.date_time for member in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    with np.load(digits.FILE, allow_pickle=False) as arrays:
        assert {name: (arrays[name].shape, arrays[name].dtype) for name in arrays} == {
            "images": ((1797, 8, 8), np.uint8),
            "labels": ((1797,), np.uint8),
        }


def test_the_attribution_lies_beside_the_file():
    text = digits.FILE.with_name("digits.LICENSE.md").read_text(encoding="utf-8")

    for part in ("E. Alpaydin and C. Kaynak", "https://doi.org/10.24432/C50P49", "CC BY 4.0", "What was changed"):
        assert part in text


def test_one_flipped_bit_of_the_file_is_noticed(tmp_path, monkeypatch):
    content = bytearray(digits.FILE.read_bytes())
    content[1000] ^= 1
    damaged = tmp_path / "digits.npz"
    damaged.write_bytes(content)
    monkeypatch.setattr(digits, "FILE", damaged)

    with pytest.raises(DataError, match=f"damaged: sha256 {hashlib.sha256(content).hexdigest()}, expected") as caught:
        Digits()

    assert caught.value.code == "GR301"
    assert caught.value.fix == "install ganreg again"


def test_a_missing_file_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(digits, "FILE", tmp_path / "digits.npz")

    with pytest.raises(DataError, match="the packaged digits cannot be read: No such file or directory"):
        Digits()
