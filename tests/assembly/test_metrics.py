"""Which metrics and which extractor suit which data, and what a run's configuration says of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import ganreg
from ganreg import registry, yamltext
from ganreg.assembly.config import resolve
from ganreg.assembly.metrics import chosen, extractor_of, given, suitable_extractor, suitable_metrics
from ganreg.engine.data import source_of
from ganreg.errors import SettingsError, UnknownNameError


@pytest.mark.parametrize(
    ("dataset", "extractor", "first"),
    [("digits", "digits-cnn", "frechet-distance"), ("gaussians", "pixels", "mode-coverage")],
)
def test_named_data_have_what_suits_them(dataset: str, extractor: str, first: str):
    source = source_of(ganreg.create("dataset", dataset))
    names = suitable_metrics(source, None)

    assert names[0] == first
    assert suitable_extractor(given(names), source) == extractor
    assert ("inception-score" in names) == (dataset == "digits")


def test_other_pictures_have_random_convolutions_and_other_points_themselves():
    pictures, points = source_of(torch.zeros(4, 3, 8, 8)), source_of(torch.zeros(4, 2))

    assert suitable_extractor([], pictures) == "random-conv"
    assert suitable_extractor([], points) == "pixels"
    assert "inception-score" not in suitable_metrics(pictures, None)


def test_building_an_extractor_draws_nothing_from_the_run_s_random_state():
    class Careless:
        def __call__(self, samples: torch.Tensor) -> torch.Tensor:
            return samples

        def fingerprint(self) -> str:
            return "x"

    source = source_of(torch.zeros(4, 3, 8, 8))
    state = torch.random.get_rng_state()
    named = given(["kernel-distance"])

    assert extractor_of("random-conv", named, source) is not None
    assert torch.equal(torch.random.get_rng_state(), state)
    assert extractor_of(Careless(), named, source) is not None
    assert extractor_of(None, [], source) is None


def test_a_configuration_holds_metrics_with_their_settings_and_takes_one_of_a_name():
    document = {"metrics": ["frechet-distance", {"name": "precision-recall", "k": 5}], "metric": {"precision-recall": {"k": 7}}}
    config = resolve([yamltext.Document(document, "test")], registry.current())
    twice = resolve([yamltext.Document({"metrics": ["frechet-distance"] * 2}, "test")], registry.current())

    assert config.plain()["metrics"] == [{"name": "frechet-distance"}, {"name": "precision-recall", "k": 7}]
    assert config.plain()["extractor"] is None
    assert [one.name for one in chosen(config.metrics)] == ["frechet-distance", "precision-recall"]
    assert chosen(config.metrics)[1].settings == {"k": 7}
    with pytest.raises(SettingsError, match="metric 'frechet-distance' is named twice"):
        chosen(twice.metrics)
    with pytest.raises(UnknownNameError, match="Did you mean 'frechet-distance'"):
        resolve([yamltext.Document({"metrics": ["frechet-distanz"]}, "test")], registry.current())


def test_named_metrics_stand_in_the_run_s_configuration(tmp_path: Path):
    from tests.engine.small import train

    metric = ganreg.create("metric", "kernel-distance", subsets=2, subset_size=10)
    train(steps=1, metrics=[metric], metric_samples=20, out=tmp_path / "run")
    stored = yamltext.read(tmp_path / "run" / "config.yaml").values

    assert stored["metrics"] == [{"name": "kernel-distance", "subsets": 2, "subset_size": 10, "seed": 0}]
    assert stored["extractor"] == {"name": "pixels", "resolution": 32}
