"""From samples to rows: streamed, remembered, refused where parts do not fit, and never an end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganreg.contracts import Moments
from ganreg.engine.data import source_of
from ganreg.engine.measuring import Measuring, Named, measuring
from ganreg.errors import MismatchError
from ganreg.statistics import moments_of

REALS = torch.randn(150, 3, generator=torch.Generator().manual_seed(0))
FAKES = torch.randn(130, 3, generator=torch.Generator().manual_seed(1)) + 1


class Twice:
    """Features that are twice the samples; counts what it was shown."""

    def __init__(self, factor: float = 2.0) -> None:
        self.shown: list[int] = []
        self.factor = factor

    def __call__(self, samples: Tensor) -> Tensor:
        self.shown.append(len(samples))
        return samples * self.factor

    def fingerprint(self) -> str:
        return "twice"


class Means:
    higher_is_better = False

    def __call__(self, real: Tensor, fake: Tensor) -> float:
        self.given = real, fake
        return float((real.double().mean(0) - fake.double().mean(0)).norm())


class OfMoments(Means):
    def of_moments(self, real: Moments, fake: Moments) -> float:
        self.moments = real, fake
        return float((real.mean - fake.mean).norm())


class Two(Means):
    higher_is_better = True
    directions = {"second": False}  # noqa: RUF012

    def __call__(self, real: Tensor, fake: Tensor) -> Any:
        return {"first": 1.0, "second": float("inf")}


class Failing(Means):
    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self, real: Tensor, fake: Tensor) -> float:
        raise self.error


class Giving(Means):
    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self, real: Tensor, fake: Tensor) -> Any:
        return self.value


def batches(samples: Tensor = FAKES) -> Iterator[Tensor]:
    yield from samples.split(50)


def prepared(
    *metrics: Any, extractor: Any = None, data: Any = REALS, cache: Path | None = None, n_real: int = 1000
) -> Measuring:
    named = [Named(type(one).__name__.lower(), one, {"k": 1}) for one in metrics]
    cpu = torch.device("cpu")
    made = extractor or Twice()
    return measuring(named, made, "twice", source_of(data), device=cpu, n_real=n_real, n_fake=len(FAKES), cache=cache)


def measure(one: Measuring, fakes: Any = None) -> list[dict[str, Any]]:
    return one.measure(batches() if fakes is None else fakes, step=5, images=40, weights="ema")


def test_a_row_says_what_was_measured_and_how():
    (row,) = measure(prepared(Means()))

    assert row["value"] == pytest.approx(2 * float((REALS.double().mean(0) - FAKES.double().mean(0)).norm()))
    assert {key: row[key] for key in ("step", "images", "weights", "metric", "reason", "extractor")} == {
        "step": 5,
        "images": 40,
        "weights": "ema",
        "metric": "means",
        "reason": "",
        "extractor": "twice",
    }
    assert row["higher_is_better"] is False
    assert row["protocol"] == {
        "n_real": 150,
        "n_fake": 130,
        "extractor": "twice",
        "extractor_hash": "twice",
        "features": 3,
        "resolution": [3],
        "resize": "none",
        "split": "train",
        "seed": 0,
        "weights": "ema",
        "data": "TensorDataset:150:(3,)",
        "settings": {"k": 1},
    }


def test_every_real_is_seen_once_however_many_there_are():
    metric = Means()
    measure(prepared(metric))
    real, fake = metric.given

    assert torch.equal(real.sort(0).values, (2 * REALS).sort(0).values)
    assert torch.equal(fake, 2 * FAKES)
    measure(prepared(metric, n_real=70))
    assert len(metric.given[0]) == 70
    assert len(metric.given[0].unique(dim=0)) == 70


def test_moments_alone_are_kept_where_they_are_enough_and_are_those_of_the_features():
    metric = OfMoments()
    one = prepared(metric)
    measure(one)

    assert one.reals().features is None
    assert metric.moments[1].count == 130
    assert torch.allclose(metric.moments[1].covariance, moments_of(2 * FAKES).covariance)


def test_the_reals_are_looked_at_once(tmp_path: Path):
    class Own(torch.utils.data.TensorDataset):
        def fingerprint(self) -> str:
            return "own"

    first, second = Twice(), Twice()
    one = prepared(Means(), extractor=first, data=Own(REALS), cache=tmp_path)
    again = [measure(one), measure(one)]
    other = prepared(Means(), extractor=second, data=Own(REALS), cache=tmp_path)

    assert sum(first.shown) == 150 + 2 * 130
    assert other.knows_reals()
    assert measure(other) == again[0] == again[1]
    assert sum(second.shown) == 130
    assert not prepared(OfMoments(), data=Own(REALS), cache=tmp_path).knows_reals()  # of which nothing was kept


def test_several_numbers_are_several_rows_each_with_its_direction_and_infinity_is_none():
    first, second = measure(prepared(Two()))

    assert (first["metric"], first["value"], first["higher_is_better"]) == ("first", 1.0, True)
    assert (second["metric"], second["value"], second["reason"]) == ("second", None, "the value is inf")
    assert second["higher_is_better"] is False
    assert first["of"] == second["of"] == "two"


@pytest.mark.parametrize(
    ("error", "reason"),
    [(ValueError("too few reals"), "too few reals"), (RuntimeError("no root"), "RuntimeError: no root")],
)
def test_a_metric_that_fails_has_no_value_and_a_reason_and_the_others_theirs(error: Exception, reason: str):  # N9
    failed, other = measure(prepared(Failing(error), Means()))

    assert (failed["value"], failed["reason"]) == (None, reason)
    assert other["value"] is not None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, "it returned no number: an empty mapping"),
        (None, "it returned None for giving, not a number"),
        ("0.5", "it returned a str for giving, not a number"),
        (torch.ones(3), "it returned a Tensor of shape [3] for giving, not a number"),
        (10**400, "it returned a int for giving, not a number"),
        ({"good": 1.0, "bad": None}, "it returned None for bad, not a number"),
        ({7: 1.0}, "it returned a number under the name 7, which is no text"),
    ],
)
def test_a_metric_that_returns_no_number_has_a_row_with_the_reason(value: Any, reason: str):  # N9
    failed, other = measure(prepared(Giving(value), Means()))

    assert (failed["metric"], failed["value"], failed["reason"]) == ("giving", None, reason)
    assert other["value"] is not None


@pytest.mark.parametrize("value", [2, torch.tensor(2.0), np.float32(2), {"giving": torch.tensor([2.0])}])
def test_whatever_is_one_number_is_taken(value: Any):
    (row,) = measure(prepared(Giving(value)))

    assert (row["metric"], row["value"], type(row["value"])) == ("giving", 2.0, float)


@pytest.mark.parametrize(
    ("extractor", "reason"),
    [
        (Twice(float("nan")), "ValueError: the features are not finite"),
        (lambda samples: samples[0], "made [3] of 64 samples"),
        (lambda samples: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_features_that_fail_are_no_end_either(extractor: Any, reason: str):  # N9
    if not hasattr(extractor, "fingerprint"):
        extractor = type("Made", (), {"__call__": lambda self, x, f=extractor: f(x), "fingerprint": lambda self: "f"})()
    rows = measure(prepared(Means(), OfMoments(), extractor=extractor))

    assert [row["value"] for row in rows] == [None, None]
    assert all(reason in row["reason"] for row in rows)


def test_what_does_not_fit_is_refused_before_anything_is_measured():
    class OfClasses(Means):
        works_on = "class_logits"

    class Picky(Means):
        extractor = "pixels"

    class Unprepared(Means):
        def prepare(self, dataset: Any) -> None:
            raise ValueError("no modes")

    class Stream(torch.utils.data.IterableDataset[Tensor]):
        def __iter__(self) -> Iterator[Tensor]:
            return iter(REALS)

    with pytest.raises(MismatchError, match="needs class logits, which extractor twice does not give"):
        prepared(OfClasses())
    with pytest.raises(MismatchError, match="works with extractor pixels, not with twice"):
        prepared(Picky())
    with pytest.raises(MismatchError, match="is not for these data: no modes"):
        prepared(Unprepared())
    with pytest.raises(MismatchError, match="cannot be read a second time for a metric"):
        prepared(Means(), data=Stream())
