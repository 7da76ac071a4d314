"""`--data PATH` chooses the data set by what lies there."""

from pathlib import Path

import numpy as np
import pytest

from ganreg.cli.data_path import reader_of
from ganreg.errors import UsageError

from .conftest import Run


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("a.zip", "image-zip"),
        ("a.ZIP", "image-zip"),
        ("a.npz", "npz"),
        ("a.h5", "hdf5"),
        ("a.hdf5", "hdf5"),
        ("a.parquet", "huggingface"),
        ("photos", "image-folder"),
    ],
)
@pytest.mark.parametrize("there", [True, False])
def test_the_ending_says_which(tmp_path: Path, name: str, reader: str, there: bool):
    if there and reader == "image-folder":
        (tmp_path / name).mkdir()
    elif there:
        (tmp_path / name).touch()

    assert reader_of(tmp_path / name, at="--data") == reader


def test_a_folder_is_a_folder_whatever_its_name_and_one_of_datasets_is_read_by_it(tmp_path: Path):
    (tmp_path / "a.zip").mkdir()
    assert reader_of(tmp_path / "a.zip", at="--data") == "image-folder"
    (tmp_path / "a.zip" / "state.json").touch()
    assert reader_of(tmp_path / "a.zip", at="--data") == "huggingface"


def test_a_file_that_nothing_reads_is_told_with_what_is_read(tmp_path: Path):
    (tmp_path / "a.rar").touch()

    with pytest.raises(
        UsageError, match=r"no data set reads 'a.rar': expected a folder of pictures, or a file that ends in .zip"
    ):
        reader_of(tmp_path / "a.rar", at="--data")


def test_training_takes_what_lies_there(run: Run, place: Path):
    images = np.random.default_rng(0).integers(0, 256, (20, 16, 16), np.uint8)
    np.savez(place / "data.npz", images=images)
    words = ("--generator", "mlp", "--set", "generator.hidden=[8]", "--batch-size", "8", "--dry-run")

    status, out, err = run("train", "--data", "data.npz", *words)
    assert (status, "npz" in out) == (0, True), err
    (place / "notes.txt").touch()
    status, _, err = run("train", "--data", "notes.txt", *words)
    assert status == 2
    assert err.startswith("error[GR100]: no data set reads 'notes.txt': expected a folder")
