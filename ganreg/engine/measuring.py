"""Measuring: samples become features batch by batch, features become numbers, each with its protocol.

Of reals and fakes only moments are kept, unless a metric needs the features themselves.  What fails gives no number and a
reason, never an end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganreg.contracts import Extractor, Metric, Moments
from ganreg.engine import real_statistics
from ganreg.engine.data import Batches, Source
from ganreg.engine.protocols import MeasuringProtocol
from ganreg.errors import MismatchError, reason_of
from ganreg.statistics import RunningMoments

BATCH = 64
TRAIN, OTHER = "train", "other data"
"""Whose reals: those that were trained on, or any that were named instead."""
Row = dict[str, Any]
Progress = Callable[[str, int, int], object]
"""Told "reals" or "fakes", how many are done, and of how many."""


@dataclass(frozen=True)
class Named:
    """A metric with the name and the settings that its row tells."""

    name: str
    metric: Metric
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def needs(self) -> str:
        """ "moments", "features" or "class_logits"."""
        return "moments" if hasattr(self.metric, "of_moments") else getattr(self.metric, "works_on", "features")


@dataclass(frozen=True)
class Seen:
    """What is left of samples that were looked at; features [N, F] and class logits [N, K] where they were asked for."""

    count: int
    width: int
    moments: Moments | None
    features: Tensor | None = None
    class_logits: Tensor | None = None

    def has(self, needs: frozenset[str]) -> bool:
        """Whether all of this was kept."""
        return all(getattr(self, what) is not None for what in needs)


@dataclass
class Measuring:
    """Metrics in the features of one extractor, on the data of one source.  Build it with `measuring`."""

    metrics: Sequence[Named]
    extractor: Extractor
    extractor_name: str
    source: Source
    device: torch.device
    n_real: int
    n_fake: int
    seed: int = 0
    workers: int = 0
    cache: Path | None = None
    split: str = TRAIN
    progress: Progress = lambda what, done, total: None
    _reals: Seen | None = None

    @property
    def needs(self) -> frozenset[str]:
        """What must be kept of each set of samples."""
        return frozenset(one.needs for one in self.metrics)

    @property
    def note(self) -> str:
        """What the extractor's numbers do not say."""
        return str(getattr(self.extractor, "note", ""))

    def reals(self) -> Seen:
        """Looked at once, and remembered in `cache` where the data can be told from others."""
        if not self.knows_reals():
            self._reals = self._look(self._real_batches(), self.n_real, "reals")
            if place := self._place():
                real_statistics.save(place, vars(self._reals))
        assert self._reals is not None, "they were looked at"
        return self._reals

    def knows_reals(self) -> bool:
        """Whether `reals` has nothing left to do."""
        place = self._place()
        if self._reals is None and place is not None and (found := real_statistics.load(place)):
            kept = Seen(**found)
            self._reals = kept if kept.has(self.needs) else None
        return self._reals is not None

    def _place(self) -> Path | None:
        """Where the statistics of these reals are kept."""
        facts = {"extractor": self.extractor.fingerprint(), "n_real": self.n_real, "seed": self.seed}
        return real_statistics.place_of(self.cache, self.source, {**facts, "shape": list(self.source.spec.shape)})

    def measure(self, fakes: Iterable[Tensor], *, step: int, images: int, weights: str) -> list[Row]:
        """Batches of fakes [N, *shape], `n_fake` together -> a row for each number.  Whatever raises is told in the rows."""
        head = {"step": step, "images": images, "weights": weights}
        try:
            real, fake = self.reals(), self._look(fakes, self.n_fake, "fakes")
        except Exception as error:
            return [self._row(head, one, one.name, None, f"the features failed: {reason_of(error)}") for one in self.metrics]
        return [row for one in self.metrics for row in self._rows(head, one, real, fake)]

    def _rows(self, head: Row, one: Named, real: Seen, fake: Seen) -> list[Row]:
        """One or more, whatever the metric does."""
        try:
            numbers = numbers_of(one, value_of(one, real, fake))
        except Exception as error:
            said = str(error) if isinstance(error, ValueError) else ""
            return [self._row(head, one, one.name, None, said or reason_of(error), fake.width)]
        return [self._row(head, one, name, number, "", fake.width) for name, number in numbers.items()]

    def _row(self, head: Row, one: Named, name: str, value: float | None, reason: str, width: int = 0) -> Row:
        if value is not None and not math.isfinite(value):
            value, reason = None, f"the value is {value}"
        directions = getattr(one.metric, "directions", {})
        told = self.protocol(one, head["weights"], width)
        return {
            **head,
            "metric": name,
            "of": one.name,
            "value": value,
            "reason": reason,
            "higher_is_better": bool(directions.get(name, one.metric.higher_is_better)),
            "extractor": self.extractor_name,
            "protocol": told.plain(),
        }

    def protocol(self, one: Named, weights: str, width: int) -> MeasuringProtocol:
        """How this metric's numbers are measured."""
        return MeasuringProtocol(
            n_real=self.n_real,
            n_fake=self.n_fake,
            extractor=self.extractor_name,
            extractor_hash=self.extractor.fingerprint(),
            features=width,
            resolution=self.source.spec.shape,
            resize=getattr(self.extractor, "resize", "none"),
            split=self.split,
            seed=self.seed,
            weights=weights,
            data=self.source.fingerprint(),
            settings=one.settings,
        )

    def _real_batches(self) -> Iterator[Tensor]:
        """Each of `n_real` samples once, chosen by the seed."""
        size = min(BATCH, self.n_real)
        batches = Batches(self.source, batch_size=size, seed=self.seed, device=self.device, workers=self.workers)
        try:
            for first in range(0, self.n_real, size):
                yield batches.next().real[: self.n_real - first]
        finally:
            batches.close()

    @torch.no_grad()
    def _look(self, batches: Iterable[Tensor], total: int, what: str) -> Seen:
        needs, running, count = self.needs, RunningMoments(), 0
        features: list[Tensor] = []
        logits: list[Tensor] = []
        for samples in batches:
            found = self.extractor(samples).detach()
            check_features(found, len(samples), self.extractor_name)
            if "class_logits" in needs:
                logits.append(self.extractor.class_logits(found).float().cpu())  # type: ignore[attr-defined]
            found = found.float().cpu()
            if "moments" in needs:
                running.add(found)
            if "features" in needs:
                features.append(found)
            count += len(samples)
            self.progress(what, count, total)
        return Seen(
            count=count,
            width=found.shape[1],
            moments=running.result() if "moments" in needs else None,
            features=torch.cat(features) if features else None,
            class_logits=torch.cat(logits) if logits else None,
        )


def value_of(one: Named, real: Seen, fake: Seen) -> Any:
    """Ask a metric for its number, or several."""
    if one.needs == "moments":
        return one.metric.of_moments(real.moments, fake.moments)  # type: ignore[attr-defined]
    return one.metric(getattr(real, one.needs), getattr(fake, one.needs))


def numbers_of(one: Named, value: Any) -> dict[str, float]:
    """What a metric returned, by the names of its numbers; there is one at least.  Raises ValueError for anything else."""
    several = value if isinstance(value, Mapping) else {one.name: value}
    if not several:
        raise ValueError("it returned no number: an empty mapping")
    return {_text(name): _number(name, number) for name, number in several.items()}


def _text(name: Any) -> str:
    if not isinstance(name, str):
        raise ValueError(f"it returned a number under the name {name!r}, which is no text")
    return name


def _number(name: str, value: Any) -> float:
    try:
        if not isinstance(value, str | bytes):  # float would read it
            return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # RuntimeError: a tensor of several numbers
        pass
    shape = f" of shape {list(value.shape)}" if isinstance(value, Tensor) else ""
    what = "None" if value is None else f"a {type(value).__name__}{shape}"
    raise ValueError(f"it returned {what} for {name}, not a number")


def check_features(features: Tensor, count: int, extractor: str) -> None:
    """Raises ValueError for what is no finite [N, F]."""
    if features.dim() != 2 or len(features) != count:
        raise ValueError(f"extractor {extractor} made {list(features.shape)} of {count} samples, not [{count}, F]")
    if not bool(torch.isfinite(features).all()):
        raise ValueError("the features are not finite")


def measuring(
    metrics: Sequence[Named],
    extractor: Extractor,
    extractor_name: str,
    source: Source,
    *,
    device: torch.device,
    n_real: int,
    n_fake: int,
    seed: int = 0,
    workers: int = 0,
    cache: Path | None = None,
    split: str = TRAIN,
) -> Measuring:
    """See that all fit each other and the data.  Raises MismatchError before anything is measured."""
    for one in metrics:
        _check(one, extractor, extractor_name, source)
    if not source.ordered_by_us:
        raise MismatchError(
            "data with an order of their own cannot be read a second time for a metric",
            at="dataset",
            fix="give a map-style data set, or no --metric",
        )
    placed = extractor.to(device) if hasattr(extractor, "to") else extractor
    count = min(n_real, len(source))
    return Measuring(metrics, placed, extractor_name, source, device, count, n_fake, seed, workers, cache, split)


def _check(one: Named, extractor: Extractor, extractor_name: str, source: Source) -> None:
    at = f"metric '{one.name}'"
    only = getattr(one.metric, "extractor", None)
    if only is not None and only != extractor_name:
        raise MismatchError(f"{at} works with extractor {only}, not with {extractor_name}", at=at, fix=f"--extractor {only}")
    if one.needs == "class_logits" and not hasattr(extractor, "class_logits"):
        raise MismatchError(
            f"{at} needs class logits, which extractor {extractor_name} does not give",
            at=at,
            fix="--extractor digits-cnn for digits, inception for photographs",
        )
    if hasattr(one.metric, "prepare"):
        try:
            one.metric.prepare(source.dataset)
        except ValueError as error:
            raise MismatchError(f"{at} is not for these data: {error}", at=at, fix="choose another metric") from error
