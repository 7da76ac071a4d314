"""What the extractors of torch-fidelity share: weights that run no code, pictures as stored ones."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from ganreg.components.extractors.fidelity import as_uint8, check_images, weights_of
from ganreg.contracts import DataSpec
from ganreg.errors import DataError, MismatchError


class Boom:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("was-run"),))  # type: ignore[return-value]


def test_weights_that_are_missing_or_could_run_code_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Boom()))
    with pytest.raises(DataError, match="the weights cannot be read: No such file"):
        weights_of("none.pth")
    with pytest.raises(DataError, match="the weights are no file of plain tensors"):
        weights_of("evil.pth")

    assert not (tmp_path / "was-run").exists()


def test_plain_weights_are_told_by_their_sha256(tmp_path: Path):
    torch.save({"a": torch.zeros(2)}, tmp_path / "plain.pth")
    file, digest = weights_of(str(tmp_path / "plain.pth"))

    assert (file, len(digest)) == (tmp_path / "plain.pth", 64)


def test_grey_becomes_colour_and_what_is_no_picture_is_refused():
    grey = torch.tensor([-1.0, 0.0, 1.0, 2.0]).view(1, 1, 2, 2)

    assert as_uint8(grey)[0, :, 0, 0].tolist() == [0, 0, 0]
    assert as_uint8(grey)[0, 0].flatten().tolist() == [0, 128, 255, 255]
    for shape in ((2,), (4, 8, 8)):
        with pytest.raises(MismatchError, match="is for pictures of 1 or 3 channels"):
            check_images(DataSpec(shape), of="inception")
