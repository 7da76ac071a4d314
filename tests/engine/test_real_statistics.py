"""Statistics of reals on disk: for one data set alone, whole or not at all, and nothing in them runs."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from ganreg.contracts import Moments
from ganreg.engine.data import source_of
from ganreg.engine.real_statistics import load, place_of, save

SEEN: dict[str, Any] = {
    "count": 3,
    "width": 2,
    "moments": Moments(3, torch.ones(2).double(), torch.eye(2).double()),
    "features": torch.arange(6.0).view(3, 2),
    "class_logits": None,
}


class Fingerprinted(torch.utils.data.Dataset[Any]):
    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        return torch.zeros(2), 0

    def fingerprint(self) -> str:
        return "mine"


def test_what_is_saved_is_loaded(tmp_path: Path):
    path = tmp_path / "new" / "a.safetensors"
    save(path, SEEN)
    found = load(path)

    assert found is not None
    assert (found["count"], found["width"], found["class_logits"]) == (3, 2, None)
    assert torch.equal(found["features"], SEEN["features"])
    assert torch.equal(found["moments"].covariance, SEEN["moments"].covariance)
    assert [one.name for one in path.parent.iterdir()] == ["a.safetensors"]
    assert load(tmp_path / "none") is None


def test_a_place_is_of_the_data_and_of_every_fact(tmp_path: Path):
    source = source_of(Fingerprinted())
    places = [place_of(tmp_path, source, {"seed": seed, "n_real": count}) for seed in (0, 1) for count in (2, 3)]

    assert len(set(places)) == 4
    assert places[0] == place_of(tmp_path, source, {"n_real": 2, "seed": 0})


def test_data_that_only_look_alike_have_no_place(tmp_path: Path):
    assert place_of(tmp_path, source_of(torch.zeros(3, 2)), {}) is None
    assert place_of(None, source_of(Fingerprinted()), {}) is None


class Written(Fingerprinted):
    def __init__(self, when: str | None) -> None:
        self.when = when

    def written(self) -> str | None:
        return self.when


def test_data_that_were_written_anew_have_another_place_and_none_where_that_is_not_known(tmp_path: Path):
    first, second, unknown = (place_of(tmp_path, source_of(Written(when)), {}) for when in ("1", "2", None))

    assert first == place_of(tmp_path, source_of(Written("1")), {}) != second
    assert unknown is None


class Boom:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("was-run"),))


def test_a_pickle_in_its_place_runs_nothing_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # Q10
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.safetensors"
    path.write_bytes(pickle.dumps(Boom()))

    with pytest.warns(UserWarning, match="statistics of the reals cannot be read and are made anew"):
        assert load(path) is None
    assert not (tmp_path / "was-run").exists()


def test_a_place_that_cannot_be_written_costs_only_time():
    with pytest.warns(UserWarning, match="statistics of the reals are not kept"):
        save(Path("/dev/null/x/a.safetensors"), SEEN)
