"""What is told of a run, and what is not: no place of the machine that trained it."""

import json
import shutil
from pathlib import Path

import pytest

from ganreg import registry
from ganreg.assembly.load import load_trained
from ganreg.errors import CheckpointError
from ganreg.sharing import origin


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/home/me/photos", "photos"),
        ("/home/me/photos/", "photos"),
        ("C:\\Users\\me\\photos", "photos"),
        ("../data/cats.zip", "cats.zip"),
        ("https://user:secret@host/data.zip?token=x", "data.zip"),
        ("digits", "digits"),
        ("conditional-bn", "conditional-bn"),
    ],
)
def test_a_path_keeps_its_last_name(text: str, left: str):
    assert origin.last_name(text) == left
    assert origin.reduced({"a": [text], "b": {"c": text}, "n": 3}) == {"a": [left], "b": {"c": left}, "n": 3}


def test_a_run_is_told_from_its_files(run_dir: Path):
    about = origin.about(load_trained(run_dir))

    assert (about.generator.name, about.generator.distribution) == ("mlp", "ganreg")
    assert about.generator.settings["hidden"] == [8]
    assert (about.step, about.images, about.weights, about.latent_dim) == (4, 256, "averaged", 4)
    assert about.spec.made().shape == (1, 8, 8)
    assert about.label_shares is not None
    assert sum(about.label_shares) == pytest.approx(1)
    assert about.training["dataset"]["name"] == "digits"
    assert about.training["batch_size"] == 64
    assert "device" not in about.training
    assert about.plugins == []
    assert str(run_dir) not in about.text()


def test_one_checkpoint_is_told_by_its_step(run_dir: Path):
    assert origin.about(load_trained(origin.at_step(run_dir, 2))).step == 2
    assert origin.at_step(run_dir, None) == run_dir
    with pytest.raises(CheckpointError, match=r"there is no checkpoint of step 3: 2, 4"):
        origin.at_step(run_dir, 3)


def test_measures_of_these_weights_are_told_and_no_others(run_dir: Path, tmp_path: Path):
    run = tmp_path / "run"
    shutil.copytree(run_dir, run)
    protocol = {"n_real": 10, "extractor": "/home/me/weights.pt"}
    rows = [
        {"step": 2, "metric": "frechet-distance", "value": 9.0, "protocol": protocol},
        {"step": 4, "metric": "frechet-distance", "value": 3.0, "protocol": protocol},
        {"step": 4, "metric": "frechet-distance", "value": 2.5, "protocol": protocol},
        {"step": 4, "metric": "recall", "value": None, "reason": "too few"},
        {"step": 4, "metric": "precision", "value": True},
    ]
    (run / "evaluations.jsonl").write_text("\n".join(map(json.dumps, rows)) + '\n{"step": 4, "met')

    told = origin.about(load_trained(run)).evaluations

    assert [(row["metric"], row["value"]) for row in told] == [("frechet-distance", 2.5)]
    assert told[0]["protocol"] == {"n_real": 10, "extractor": "weights.pt"}


def test_a_generator_of_a_single_file_is_told_by_its_name_and_digest(tmp_path: Path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import ganreg\n\n\n@ganreg.hookimpl\ndef ganreg_components():\n"
        '    yield ganreg.Component("generator", "own", "ganreg.components.generators.mlp:MLPGenerator", "Own.")\n'
    )
    registry.configure(files=[file])
    part = origin.part_of({"name": "own", "hidden": [3]})

    assert (part.plugin_file, part.distribution) == ("mine.py", "")
    assert len(part.sha256) == 64
    assert part.settings == {"hidden": [3]}
