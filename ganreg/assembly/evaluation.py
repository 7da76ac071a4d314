"""A trained run beside its data: everything is found and seen to fit before the first sample is made."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ganreg import registry as registries
from ganreg import yamltext
from ganreg.assembly import exported
from ganreg.assembly import metrics as metrics_of
from ganreg.assembly.config import Choice
from ganreg.assembly.load import Trained, load_trained
from ganreg.assembly.ready import device_of
from ganreg.contracts import DataSpec
from ganreg.engine import best, checkpoint
from ganreg.engine.data import Source, source_of
from ganreg.engine.measuring import BATCH, OTHER, TRAIN, Measuring, Row, measuring
from ganreg.engine.observers.measures import FILE, append
from ganreg.errors import CheckpointError, DataError, MismatchError, StorageError, UsageError

BUILT_IN = "ganreg:"


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
    data: Mapping[str, Any] | None = None,
    n_fake: int = 2000,
    n_real: int = 10_000,
    seed: int = metrics_of.SEED,
    step: int | None = None,
    use_best: bool = False,
    device: str = "auto",
    workers: int = 0,
) -> Evaluation:
    """Load a run's generator and its data, choose what suits them where nothing is said.

    `settings` are those of the extractor, under "extractor", and of each metric under its name.  `data`, a data set's settings
    with its name or without, say what is measured beside: other data than those of the training, e.g. held-out ones.
    Raises CheckpointError, UsageError, UnknownNameError, SettingsError, MismatchError, DataError.
    """
    if exported.is_export(run):
        what = "evaluate needs the run, which names its data; this is an exported folder"
        raise UsageError(what, at=str(run), fix="ganreg evaluate RUN, of the run that it was exported from")
    path = chosen_checkpoint(run, step=step, use_best=use_best)
    where = device_of(device)
    trained = load_trained(path, device=str(where))
    source, split = data_of(trained, data or {})
    said = dict(settings or {})
    of_extractor = said.pop("extractor", {})
    registry = registries.current()
    names = list(metrics) or metrics_of.suitable_metrics(source, extractor, split)
    if strange := [name for name in said if name not in names]:
        what = f"there are settings for the metric '{strange[0]}', which is not measured"
        raise UsageError(what, at="--set", fix=f"--metric {strange[0]}")
    parts = [registry.part("metric", name, at="--metric") for name in names]
    named = metrics_of.chosen([Choice(part, part.check(said.get(part.name, {}))) for part in parts])
    if split != TRAIN and (blind := [one.name for one in named if metrics_of.is_of_training(one.metric)]):
        what = f"{blind[0]} asks how near samples are to what was trained on, and these are other data"
        raise UsageError(what, at="--metric", fix="measure it apart, beside the run's own data")
    part = registry.part("extractor", extractor or metrics_of.suitable_extractor(named, source), at="--extractor")
    made = metrics_of.extractor_of(Choice(part, part.check(of_extractor)), named, source)
    assert made is not None, "there are metrics"
    measured = measuring(
        named,
        made[1],
        made[0],
        source,
        split=split,
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


def data_of(trained: Trained, said: Mapping[str, Any] = MappingProxyType({})) -> tuple[Source, str]:
    """What the run was trained on, built anew, or what is `said` instead; and which of the two it is.

    Raises UsageError where no name builds it, MismatchError, DataError.
    """
    run_dir = trained.path.parents[1]
    told: Any = yamltext.read(run_dir / "config.yaml").values.get("dataset")
    known = isinstance(told, dict) and "name" in told
    if not known and "name" not in said:
        raise UsageError(
            f"the data of this run were an object ({told}), which no name builds",
            at=str(run_dir),
            fix="give others: --data PATH; or measure from Python while it trains: train_gan(…, metrics=['frechet-distance'])",
        )
    if not isinstance(said.get("name", ""), str):
        raise UsageError(f"the name of a data set is a text, got {said['name']!r}", at="--set", fix="ganreg list datasets")
    settings = _settings_of_data(told if known else {}, said, trained.spec)
    try:
        source = _made(settings)
    except DataError:
        if "path" not in said or "labels" in said or settings.get("labels") is None:
            raise
        source = _made({key: value for key, value in settings.items() if key != "labels"})
    if tuple(source.spec.shape) != tuple(trained.spec.shape):
        raise MismatchError(
            f"the generator makes {list(trained.spec.shape)}, the data have {list(source.spec.shape)}",
            at="--data" if said else str(run_dir),
            fix="give data of that shape" if said else "give the data that it was trained on",
        )
    before = checkpoint.manifest(trained.path).get("data")
    if (before is None and not said) or (before == source.fingerprint() and not _lies_elsewhere(said, told)):
        return source, TRAIN
    if not said:
        warnings.warn("the data are not what the run was trained on: their fingerprint is another", stacklevel=2)
    return source, OTHER


def _made(told: Mapping[str, Any]) -> Source:
    settings = {key: value for key, value in told.items() if key != "name"}
    return source_of(registries.current().create("dataset", told["name"], settings=settings))


def _lies_elsewhere(said: Mapping[str, Any], run: Any) -> bool:
    """Whether the named path is not the run's own, which is still there: alike in names and sizes, it may be other pictures."""
    own = run.get("path") if isinstance(run, dict) else None
    if "path" not in said or own is None:
        return False
    here, there = (Path(str(one)).expanduser() for one in (said["path"], own))
    return there.exists() and not (here.exists() and here.samefile(there))


def _settings_of_data(run: Mapping[str, Any], said: Mapping[str, Any], spec: DataSpec) -> dict[str, Any]:
    """Those of the run where the same data set reads other data, of the generator's size."""
    name = said.get("name", run.get("name"))
    same = str(name).removeprefix(BUILT_IN) == str(run.get("name")).removeprefix(BUILT_IN)
    found = dict(run) if same else {"name": name}
    if said and spec.is_image:
        takes = registries.current().part("dataset", name, at="--data").model.model_fields
        channels, height, width = spec.shape
        size = {**({"channels": channels} if channels in (1, 3) else {}), **({"resolution": height} if height == width else {})}
        found |= {key: value for key, value in size.items() if key in takes}
    return {**found, **said}
