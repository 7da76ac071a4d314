"""What extractors and metrics must do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ganreg.contracts import DataSpec
from ganreg.statistics import moments_of
from ganreg.testing.subject import Subject, expect

# --- extractors -------------------------------------------------------------------------------------------------------


def gives_features(subject: Subject) -> None:
    """Samples [N, *shape] -> finite float32 [N, F]."""
    features = subject.made()(subject.samples(5))
    expect(isinstance(features, Tensor), f"features must be a tensor, are a {type(features).__name__}")
    shape = list(features.shape)
    expect(features.dim() == 2 and len(features) == 5, f"features of 5 samples must be [5, F], are {shape}")
    expect(features.dtype == torch.float32, f"features must be float32, are {features.dtype}")
    expect(bool(features.isfinite().all()), "features must be finite")


def gives_the_same_again(subject: Subject) -> None:
    """Also when it is built anew, under another random state: numbers of several runs are compared."""
    samples = subject.samples(4)
    one = subject.made(seed=0)
    first, again = one(samples), one(samples)
    expect(torch.equal(first, again), "asked twice it gives other features: no dropout, no random number but from a setting")
    other = subject.made(seed=1)
    expect(torch.equal(first, other(samples)), "built again it gives other features: draw weights from a seed of your own")
    expect(one.fingerprint() == other.fingerprint(), "built twice from the same settings it has two fingerprints")
    expect(isinstance(one.fingerprint(), str) and bool(one.fingerprint()), "fingerprint() must return text")


def looks_at_each_sample_alone(subject: Subject) -> None:
    """What else is in the batch changes nothing but the last bits."""
    samples, one = subject.samples(6), subject.made()
    whole, part = one(samples), one(samples[:2])
    close = torch.allclose(whole[:2], part, rtol=1e-4, atol=1e-5)
    expect(close, "a sample's features depend on the others in its batch: no batch statistics")


def tells_samples_apart(subject: Subject) -> None:
    """Two samples, two features."""
    features = subject.made()(subject.samples(4))
    expect(not torch.equal(features[0], features[1]), "two unlike samples have the same features")


def gives_class_logits(subject: Subject) -> None:
    """Where it has them: features [N, F] -> [N, K].  ValueError says that these data have none."""
    one = subject.made()
    if not hasattr(one, "class_logits"):
        return
    try:
        logits = one.class_logits(one(subject.samples(3)))
    except ValueError:
        return
    expect(logits.dim() == 2 and len(logits) == 3, f"class logits of 3 samples must be [3, K], are {list(logits.shape)}")


EXTRACTOR = (
    gives_features,
    gives_the_same_again,
    looks_at_each_sample_alone,
    tells_samples_apart,
    gives_class_logits,
)

# --- metrics ----------------------------------------------------------------------------------------------------------

WIDTH = 6


class _Data:
    """Everything that a metric may ask of its data: samples, labels, known modes."""

    spec = DataSpec((WIDTH,), 3)
    means = torch.eye(WIDTH)[:3] * 4
    sigma = 1.0

    def __init__(self) -> None:
        labels = torch.arange(60).remainder(3)
        self.tensors = (self.means[labels] + _drawn(60, 0), labels)
        self.labels = labels

    def __len__(self) -> int:
        return 60

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.tensors[0][index], int(self.tensors[1][index])

    def fingerprint(self) -> str:
        return "data of the conformance kit"


def _drawn(count: int, seed: int) -> Tensor:
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed))


def _metric(subject: Subject, seed: int = 0) -> Any:
    made = subject.made(seed)
    if hasattr(made, "prepare"):
        made.prepare(_Data())
    return made


def _sets() -> tuple[Tensor, Tensor]:
    """Reals and fakes, also fit to be class logits."""
    return _Data().tensors[0], _drawn(50, 1) + _Data.means[torch.arange(50).remainder(3)]


def _numbers(value: Any) -> dict[str, float]:
    several = dict(value) if isinstance(value, Mapping) else {"": value}
    expect(bool(several), "it gives no number")
    for name, number in several.items():
        expect(isinstance(name, str), f"a number's name must be text, is {name!r}")
        plain = isinstance(number, int | float) and not isinstance(number, bool)
        expect(plain, f"a number must be a float, is a {type(number).__name__}: use float(…)")
        expect(math.isfinite(number), f"of ordinary features a number must be finite, is {number}")
    return several


def says_which_way_is_better(subject: Subject) -> None:
    """`higher_is_better`, so that the best checkpoint can be told."""
    told = subject.made().higher_is_better
    expect(isinstance(told, bool), f"higher_is_better must be True or False, is {told!r}")


def gives_numbers(subject: Subject) -> None:
    """Features [M, F], [N, F] -> a float, or several by name, of which `directions` knows some."""
    metric = _metric(subject)
    several = _numbers(metric(*_sets()))
    strange = [name for name in getattr(metric, "directions", {}) if name not in several]
    expect(not strange, f"directions speaks of {', '.join(strange)}, which it does not give")
    works_on = getattr(metric, "works_on", "features")
    expect(works_on in ("features", "class_logits"), f"works_on must be 'features' or 'class_logits', is {works_on!r}")


def measures_the_same_again(subject: Subject) -> None:
    """And leaves the features as they were."""
    real, fake = _sets()
    before = real.clone(), fake.clone()
    first, again = (_numbers(_metric(subject, seed)(real, fake)) for seed in (0, 1))
    expect(first == again, "the same features give another number: draw from a seed of your own")
    kept = torch.equal(real, before[0]) and torch.equal(fake, before[1])
    expect(kept, "it writes into the features that it was given")


def agrees_with_its_moments(subject: Subject) -> None:
    """`of_moments`, where it has one, gives what the features give."""
    metric = _metric(subject)
    if not hasattr(metric, "of_moments"):
        return
    real, fake = _sets()
    whole, moments = _numbers(metric(real, fake)), _numbers(metric.of_moments(moments_of(real), moments_of(fake)))
    close = all(math.isclose(whole[name], moments.get(name, math.nan), rel_tol=1e-6, abs_tol=1e-9) for name in whole)
    expect(close, f"of_moments gives {moments}, the features give {whole}")


METRIC = (says_which_way_is_better, gives_numbers, measures_the_same_again, agrees_with_its_moments)
