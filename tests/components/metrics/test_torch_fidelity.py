"""Our formulas beside torch-fidelity's own, on the same features; its Inception network through our extractor.

Its package is wanted beside nothing else: `pip install --no-deps --target DIR torch-fidelity`, then with DIR on PYTHONPATH.
torchvision, which its networks need and its formulas do not, is stood in for where it cannot be imported.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
from torch import Tensor

from ganreg.components.extractors.inception import Inception
from ganreg.components.metrics.frechet_distance import FrechetDistance
from ganreg.components.metrics.inception_score import InceptionScore
from ganreg.components.metrics.kernel_distance import KernelDistance
from ganreg.components.metrics.precision_recall import PrecisionRecall
from ganreg.contracts import DataSpec

if find_spec("torch_fidelity") is None:
    pytest.skip("torch-fidelity is not installed", allow_module_level=True)

Theirs = Callable[[str], ModuleType]
VISION = ("torchvision", "torchvision.datasets", "torchvision.transforms", "torchvision.transforms.functional")


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Theirs]:
    """A module of torch-fidelity by name; nothing of it is imported when the test is over."""
    if find_spec("torchvision") is None:
        for name in VISION:
            monkeypatch.setitem(sys.modules, name, MagicMock())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield lambda name: import_module(f"torch_fidelity.{name}")
    for loaded in [one for one in sys.modules if one.partition(".")[0] == "torch_fidelity"]:
        del sys.modules[loaded]


def features(count: int, width: int, seed: int, shift: float = 0.0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return (
        torch.randn(count, width, generator=rng, dtype=torch.float64) @ torch.randn(width, width, generator=rng).double()
        + shift
    )


@pytest.mark.parametrize("width", [8, 64])
def test_the_frechet_distance(theirs: Theirs, width: int):
    fid: Any = theirs("metric_fid")
    real, fake = features(500, width, 0), features(400, width, 1, shift=0.3)
    statistics = [{"mu": one.mean(0).numpy(), "sigma": np.cov(one.numpy(), rowvar=False)} for one in (real, fake)]
    expected = fid.fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]

    assert FrechetDistance()(real, fake) == pytest.approx(expected, rel=1e-4)


def test_the_kernel_distance(theirs: Theirs):
    kid: Any = theirs("metric_kid")
    real, fake = features(300, 8, 2), features(300, 8, 3, shift=0.3)
    asked = {"kid_subsets": 1, "kid_subset_size": 300, "verbose": False}
    expected = kid.kid_features_to_metric(real, fake, **asked)["kernel_inception_distance_mean"]

    assert KernelDistance()(real, fake) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("count", "splits"), [(400, 1), (400, 5), (101, 10), (19, 10)])
def test_the_inception_score(theirs: Theirs, count: int, splits: int):
    isc: Any = theirs("metric_isc")
    logits = features(count, 6, 4)
    expected = isc.isc_features_to_metric(logits, splits=splits, shuffle=False)["inception_score_mean"]

    assert InceptionScore(splits=splits)(torch.empty(0, 6), logits) == pytest.approx(expected, rel=1e-4)


def test_precision_and_recall(theirs: Theirs):
    prc: Any = theirs("metric_prc")
    real, fake = features(300, 8, 5), features(250, 8, 6, shift=1.0)
    expected = prc.prc_features_to_metric(fake, real, prc_neighborhood=3, save_cpu_ram=False, verbose=False)
    told = PrecisionRecall(k=3)(real, fake)

    assert 0 < told["precision"] < 1
    assert told == pytest.approx({name: expected[name] for name in ("precision", "recall")}, rel=1e-4)


def test_its_network_gives_our_extractor_the_features_that_it_gives_itself(
    theirs: Theirs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Random weights: what is looked at is the way there, and the Inception score's logits, which are its own."""
    inception: Any = theirs("feature_extractor_inceptionv3")
    torch.manual_seed(0)
    with monkeypatch.context() as patch:
        patch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(inception.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        network = inception.FeatureExtractorInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"])
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    pictures = torch.rand(2, 3, 32, 32) * 2 - 1

    ours = Inception(DataSpec((3, 32, 32), value_range=(-1.0, 1.0)), weights=str(tmp_path / "weights.pth"))
    features, logits = network(((pictures + 1) * 127.5).round().to(torch.uint8))

    assert torch.equal(ours(pictures), features)
    assert torch.allclose(ours.class_logits(features), logits, rtol=1e-4, atol=1e-5)
    assert ours.note == "these are not the literature's weights: a distance in these features is no FID"
