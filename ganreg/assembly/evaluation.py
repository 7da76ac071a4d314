"""A trained run beside its data: everything is found and seen to fit before the first sample is made."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganreg import registry as registries
from ganreg import yamltext
from ganreg.assembly import exported
from ganreg.assembly import metrics as metrics_of
from ganreg.assembly.config import Choice
from ganreg.assembly.load import Trained, load_trained
from ganreg.assembly.ready import device_of
from ganreg.engine import best, checkpoint
from ganreg.engine.data import Source, source_of
from ganreg.engine.measuring import BATCH, Measuring, Row, measuring
from ganreg.engine.observers.measures import FILE, append
from ganreg.errors import CheckpointError, MismatchError, StorageError, UsageError


@dataclass
class Evaluation:
    """A generator and what is measured of it."""

    trained: Trained
    measuring: Measuring
    run_dir: Path

    def seconds(self) -> float:
        """What it will take, from a batch of each: the algebra of the metrics apart."""
        one, fakes, reals = self.measuring, self._fakes(BATCH), 0
        began = time.perf_counter()
        for samples in fakes:
            one.extractor(samples)
        each = (time.perf_counter() - began) / BATCH
        if not one.knows_reals():
            reals = one.n_real
        return each * (one.n_fake + reals)

    def rows(self) -> list[Row]:
        """Measure.  A metric that fails has no value and a reason."""
        trained = self.trained
        fakes = self._fakes(self.measuring.n_fake)
        return self.measuring.measure(fakes, step=trained.step, images=trained.images, weights=trained.weights)

    def write(self, rows: Sequence[Row]) -> Path:
        """Add them to RUN/evaluations.jsonl.  Raises StorageError."""
        path = self.run_dir / FILE
        try:
            append(path, rows)
        except OSError as error:
            what = f"the evaluation cannot be written: {error.strerror or error}"
            raise StorageError(what, at=str(path), fix="make room, or make the run's directory writable") from error
        return path

    def _fakes(self, count: int) -> Any:
        return self.trained.stream(count, seed=self.measuring.seed)


def prepare(
    run: Path,
    *,
    metrics: Sequence[str] = (),
    extractor: str | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    n_fake: int = 2000,
    n_real: int = 10_000,
    seed: int = metrics_of.SEED,
    step: int | None = None,
    use_best: bool = False,
    device: str = "auto",
    workers: int = 0,
) -> Evaluation:
    """Load a run's generator and its data, choose what suits them where nothing is said.

    `settings` are those of the extractor, under "extractor", and of each metric under its name.
    Raises CheckpointError, UsageError, UnknownNameError, SettingsError, MismatchError, DataError.
    """
    if exported.is_export(run):
        what = "evaluate needs the run, which names its data; this is an exported folder"
        raise UsageError(what, at=str(run), fix="ganreg evaluate RUN, of the run that it was exported from")
    path = chosen_checkpoint(run, step=step, use_best=use_best)
    where = device_of(device)
    trained = load_trained(path, device=str(where))
    source = data_of(trained)
    said = dict(settings or {})
    of_extractor = said.pop("extractor", {})
    registry = registries.current()
    names = list(metrics) or metrics_of.suitable_metrics(source, extractor)
    if strange := [name for name in said if name not in names]:
        what = f"there are settings for the metric '{strange[0]}', which is not measured"
        raise UsageError(what, at="--set", fix=f"--metric {strange[0]}")
    parts = [registry.part("metric", name, at="--metric") for name in names]
    named = metrics_of.chosen([Choice(part, part.check(said.get(part.name, {}))) for part in parts])
    part = registry.part("extractor", extractor or metrics_of.suitable_extractor(named, source), at="--extractor")
    made = metrics_of.extractor_of(Choice(part, part.check(of_extractor)), named, source)
    assert made is not None, "there are metrics"
    measured = measuring(
        named,
        made[1],
        made[0],
        source,
        device=where,
        n_real=n_real,
        n_fake=n_fake,
        seed=seed,
        workers=workers,
        cache=metrics_of.cache(),
    )
    return Evaluation(trained, measured, trained.path.parents[1])


def chosen_checkpoint(run: Path, *, step: int | None = None, use_best: bool = False) -> Path:
    """The run itself, whose newest one counts; the checkpoint of a step; or the best.  Raises CheckpointError, UsageError."""
    if step is not None and use_best:
        raise UsageError("the best checkpoint and that of a step are two", at="--best", fix="leave out --checkpoint or --best")
    if use_best:
        return best.path_of(run)
    if step is None:
        return run
    found = {checkpoint.step_of(one): one for one in checkpoint.checkpoints(run)}
    if step not in found:
        there = f"it has those of {', '.join(map(str, found))}" if found else "it has none"
        raise CheckpointError(
            f"the run has no checkpoint of step {step}; {there}", at=str(run), fix="ganreg checkpoint list RUN"
        )
    return found[step]


def data_of(trained: Trained) -> Source:
    """What the run was trained on, built anew.  Raises UsageError where no name builds it, MismatchError, DataError."""
    run_dir = trained.path.parents[1]
    told: Any = yamltext.read(run_dir / "config.yaml").values.get("dataset")
    if not isinstance(told, dict) or "name" not in told:
        raise UsageError(
            f"the data of this run were an object ({told}), which no name builds",
            at=str(run_dir),
            fix="measure from Python while it trains: train_gan(…, metrics=['frechet-distance'])",
        )
    settings = {key: value for key, value in told.items() if key != "name"}
    source = source_of(registries.current().create("dataset", told["name"], settings=settings))
    if tuple(source.spec.shape) != tuple(trained.spec.shape):
        raise MismatchError(
            f"the generator makes {list(trained.spec.shape)}, the data have {list(source.spec.shape)}",
            at=str(run_dir),
            fix="give the data that it was trained on",
        )
    before = checkpoint.manifest(trained.path).get("data")
    if before is not None and before != source.fingerprint():
        warnings.warn("the data are not what the run was trained on: their fingerprint is another", stacklevel=2)
    return source
