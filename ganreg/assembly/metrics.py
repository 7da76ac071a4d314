"""From names to a measurement: metrics, the extractor that suits them and the data, where statistics of the reals are kept."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ganreg import registry as registries
from ganreg import settings as settings_of
from ganreg.assembly.config import Choice
from ganreg.contracts import Extractor, Metric
from ganreg.engine.data import Source
from ganreg.engine.measuring import TRAIN, Measuring, Named, measuring
from ganreg.engine.settings import RunSettings
from ganreg.errors import SettingsError

SEED = 0
"""Of the fakes and of the choice of reals, whatever a run's seed is: runs of several seeds are comparable."""

DIGITS = ("digits", "stacked-digits")
"""Data sets whose pictures are digits."""

DISTANCES = ("frechet-distance", "kernel-distance", "precision-recall", "density-coverage", "memorization")
"""What is measured of pictures where nobody says what."""


def cache() -> Path:
    """Where statistics of reals are kept."""
    return Path(os.environ.get("GANREG_CACHE") or Path.home() / ".cache" / "ganreg") / "statistics"


def chosen(choices: Sequence[Choice]) -> list[Named]:
    """Those of a configuration.  Raises SettingsError where one is named twice: their rows could not be told apart."""
    names = [choice.part.name for choice in choices]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"metric '{name}' is named twice", at="--metric", fix="name it once")
    return [
        Named(choice.part.component.name, choice.build(), settings_of.plain(choice.part.model, choice.settings))
        for choice in choices
    ]


def given(metrics: Sequence[str | Metric]) -> list[Named]:
    """Names and objects of a Python program.  Raises TypeError for what is no metric."""
    if isinstance(metrics, str):
        raise TypeError(f"expected a list of metrics, got the text '{metrics}'")
    found = []
    for one in metrics:
        if isinstance(one, str):
            part = registries.current().part("metric", one)
            found += chosen([Choice(part, part.check({}))])
        elif isinstance(one, Metric):
            told = dict(registries.made_as(one) or {"name": type(one).__name__})
            found.append(Named(told.pop("name"), one, told))
        else:
            raise TypeError(f"expected a metric to be callable and have higher_is_better, got {type(one).__name__}")
    return found


def extractor_of(
    asked: str | Extractor | Choice | None, metrics: Sequence[Named], source: Source
) -> tuple[str, Extractor] | None:
    """The one that was asked for, else the one that suits metrics and data; None without metrics.  Raises MismatchError."""
    if not metrics:
        return None
    with torch.random.fork_rng(devices=[]):  # a plugin's may draw its weights, which must not change the networks'
        if asked is None or isinstance(asked, str):
            part = registries.current().part("extractor", asked or suitable_extractor(metrics, source))
            asked = Choice(part, part.check({}))
        if isinstance(asked, Choice):
            return asked.part.component.name, asked.build(source.spec)
    return str((registries.made_as(asked) or {"name": type(asked).__name__})["name"]), asked


def suitable_extractor(metrics: Sequence[Named], source: Source) -> str:
    """What a metric insists on; else by the data: digits-cnn for digits, pixels for points, else random-conv."""
    wanted = [str(name) for one in metrics if (name := getattr(one.metric, "extractor", None))]
    if wanted:
        return wanted[0]
    if not source.spec.is_image:
        return "pixels"
    return "digits-cnn" if dataset_name(source) in DIGITS else "random-conv"


def is_of_training(metric: Metric) -> bool:
    """Whether its reals must be those that were trained on."""
    return bool(getattr(metric, "of_training", False))


def suitable_metrics(source: Source, extractor: str | None, split: str = TRAIN) -> list[str]:
    """What is measured where nobody says what."""
    if hasattr(source.dataset, "means") and hasattr(source.dataset, "sigma") and extractor in (None, "pixels"):
        return ["mode-coverage"]
    is_read = dataset_name(source) == "digits" and extractor in (None, "digits-cnn")
    distances = [name for name in DISTANCES if split == TRAIN or name != "memorization"]
    return [*distances, *(["inception-score"] if is_read or extractor == "inception" else [])]


def dataset_name(source: Source) -> str:
    """Of a registered data set; else nothing."""
    return str((registries.made_as(source.dataset) or {"name": ""})["name"]).rpartition(":")[2]


def of_run(
    metrics: Sequence[Named],
    extractor: tuple[str, Extractor] | None,
    source: Source,
    settings: RunSettings,
    device: torch.device,
) -> Measuring | None:
    """What a run measures while it trains; None without metrics.  Raises MismatchError."""
    if not metrics or extractor is None:
        return None
    name, made = extractor
    return measuring(
        metrics,
        made,
        name,
        source,
        device=device,
        n_real=settings.metric_reals,
        n_fake=settings.metric_samples,
        seed=SEED,
        cache=cache(),
    )


def told(metrics: Sequence[Named]) -> list[Mapping[str, Any]]:
    """What a run's config.yaml says of them: those that a name builds again."""
    named = [registries.made_as(one.metric) for one in metrics]
    return [one for one in named if one is not None]
