"""The packaged reader of digits: what it knows, that its script makes it again, what happens to a damaged file."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

import ganreg
from ganreg.components.extractors import digits_cnn
from ganreg.components.extractors.digits_cnn import FILE, DigitsCNN
from ganreg.contracts import DataSpec
from ganreg.errors import DataError, MismatchError

ROOT = Path(__file__).parents[3]
DIGITS = DataSpec((1, 16, 16), 10, (-1.0, 1.0))


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_digits_cnn_of_benchmarks", ROOT / "benchmarks" / "train_digits_cnn.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_it_reads_99_percent_of_the_digits_that_it_never_saw(script: ModuleType):
    seen, unseen = script.split()

    assert (len(seen[0]), len(unseen[0])) == (1198, 599)
    assert script.accuracy(DigitsCNN(DIGITS).reader) >= 0.99


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_the_script_makes_the_same_features_again(script: ModuleType):
    assert script.difference(script.train(), DigitsCNN(DIGITS).reader) < 1e-5


def test_the_script_makes_the_same_reader_twice(script: ModuleType):
    state = torch.random.get_rng_state()
    one, same = script.train(epochs=1), script.train(epochs=1)

    assert script.difference(one, same) == 0.0
    assert torch.equal(torch.random.get_rng_state(), state)
    assert script.accuracy(one) > 0.5


def test_the_file_is_small():
    assert FILE.stat().st_size < 500_000


def test_digits_of_another_size_read_the_same():
    for resolution in (8, 32):
        images, labels = ganreg.create("dataset", "digits", resolution=resolution).tensors
        extractor = DigitsCNN(DataSpec((1, resolution, resolution), 10, (-1.0, 1.0)))
        read = extractor.class_logits(extractor(images)).argmax(1)

        assert float((read == labels).double().mean()) > 0.97


def test_each_channel_is_read_by_itself_and_several_have_no_class():
    images = ganreg.create("dataset", "digits").tensors[0][:6].view(2, 3, 16, 16)
    one, three = DigitsCNN(DIGITS), DigitsCNN(DataSpec((3, 16, 16), 1000, (-1.0, 1.0)))

    assert torch.allclose(three(images), one(images.view(6, 1, 16, 16)).view(2, 192))
    with pytest.raises(ValueError, match="expected pictures of one channel, whose digit can be told, got 3"):
        three.class_logits(three(images))


def test_it_stays_as_it_is_and_points_are_refused():
    extractor = DigitsCNN(DIGITS).train()

    assert not extractor.reader.training
    assert not any(parameter.requires_grad for parameter in extractor.parameters())
    with pytest.raises(MismatchError, match=r"digits are pictures \[C, H, W\], the data have shape \[2\]"):
        DigitsCNN(DataSpec((2,)))


def test_a_damaged_or_missing_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    damaged = tmp_path / "digits_cnn.safetensors"
    damaged.write_bytes(FILE.read_bytes()[:-1] + b"\0")
    monkeypatch.setattr(digits_cnn, "FILE", damaged)
    with pytest.raises(DataError, match="the packaged weights are damaged: sha256"):
        DigitsCNN(DIGITS)
    monkeypatch.setattr(digits_cnn, "FILE", tmp_path / "none")
    with pytest.raises(DataError, match="the packaged weights cannot be read: No such file"):
        DigitsCNN(DIGITS)
