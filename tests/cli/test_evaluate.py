"""`ganreg evaluate`: numbers with their protocol, written, remembered, refused before anything is computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from .conftest import TINY, Run

PICTURES = ("--generator", "mlp", "--set", "generator.hidden=[8]", "--discriminator", "mlp", "--steps", "2", "--quiet")


def rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "evaluations.jsonl").read_text().splitlines()]


def test_points_are_measured_by_their_modes(run: Run, trained: Path):
    status, out, err = run("evaluate", str(trained), "-n", "100")
    lines = out.splitlines()

    assert (status, err) == (0, "")
    assert lines[0].startswith("runs/0001, step 3, ema weights: 100 fakes beside 10,000 reals in features of pixels, on the ")
    assert lines[1].split() == ["metric", "value", "better"]
    assert [line.split()[0] for line in lines[2:5]] == ["modes", "share-within-3-sigma", "reverse-kl"]
    assert lines[4].endswith("lower")
    assert lines[5].startswith("protocol: 10,000 reals of train, 100 fakes, seed 0, ema weights; 2 features of pixels ")
    assert lines[6] == "written: runs/0001/evaluations.jsonl"
    assert [row["metric"] for row in rows(trained)] == ["modes", "share-within-3-sigma", "reverse-kl"]
    assert {(row["step"], row["images"]) for row in rows(trained)} == {(3, 192)}


def test_digits_are_measured_in_the_features_of_their_reader_and_the_reals_once(run: Run):
    assert run("train", *PICTURES, "--out", "r").status == 0
    first, again = run("evaluate", "r", "-n", "60"), run("evaluate", "r", "-n", "60", "--json")
    told = json.loads(again.out)

    assert "in features of digits-cnn" in first.out
    assert "1,797 reals (known from before)" in run("evaluate", "r", "-n", "60").out
    names = ["frechet-distance", "kernel-distance", "precision", "recall", "density", "coverage", "memorization", "copies"]
    assert [row["metric"] for row in told] == [*names, "inception-score"]
    assert all(row["value"] is not None for row in told)
    assert rows(Path("r"))[: len(told)] == told == rows(Path("r"))[len(told) : 2 * len(told)]


def test_metrics_extractor_and_settings_are_chosen(run: Run):
    assert run("train", *PICTURES, "--out", "r").status == 0
    words = ("--metric", "precision-recall", "--extractor", "random-conv", "--set", "precision-recall.k=5", "--seed", "4")
    plain = run("evaluate", "r", "-n", "50", "--reals", "70", *words)
    status, out, _ = run("evaluate", "r", "-n", "50", "--reals", "70", *words, "--set", "extractor.seed=1", "--json")
    told = json.loads(out)

    assert status == 0
    assert "note: the features are of random weights" in plain.out
    assert [row["metric"] for row in told] == ["precision", "recall"]
    assert (told[0]["protocol"]["settings"], told[0]["protocol"]["n_real"], told[0]["protocol"]["seed"]) == ({"k": 5}, 70, 4)
    assert told[0]["protocol"]["extractor_hash"] != rows(Path("r"))[0]["protocol"]["extractor_hash"]


def test_what_the_samples_of_sample_are_is_what_is_measured(run: Run, trained: Path):
    import numpy as np
    import torch

    from ganreg.assembly.evaluation import prepare

    assert run("sample", "latest", "-n", "100", "--seed", "5", "--out", "s.npz").status == 0
    made = torch.cat(list(prepare(trained, n_fake=100, seed=5)._fakes(100)))

    assert np.array_equal(np.load("s.npz")["samples"], made.numpy())


def test_a_metric_without_a_value_says_why(run: Run, trained: Path):
    status, out, _ = run("evaluate", "latest", "-n", "3", "--metric", "precision-recall")

    assert status == 0
    assert "precision-recall  none   expected more than 3 samples, so that each has 3 others, got 3\n" in out


def test_the_best_and_that_of_a_step_are_found(run: Run):
    words = ("--metric", "mode-coverage", "--metric-every", "1", "--metric-samples", "50", "--checkpoint-every", "1")
    assert run("train", *TINY, *words, "--out", "r", "--quiet").status == 0
    best = json.loads(Path("r/checkpoints/best.json").read_text())["step"]
    of_best, of_first = run("evaluate", "r", "-n", "50", "--best"), run("evaluate", "r", "-n", "50", "--checkpoint", "1")

    assert f"step {best}, " in of_best.out
    assert "step 1, " in of_first.out
    assert rows(Path("r"))[-6]["value"] == next(row["value"] for row in rows(Path("r")) if row["step"] == best)
    assert run("sample", "r", "--best", "-n", "4").status == 0


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("--best",), 6, "error[GR502]: the run has no best checkpoint"),
        (("--checkpoint", "9"), 6, "error[GR502]: the run has no checkpoint of step 9; it has those of 1, 2, 3"),
        (("--best", "--checkpoint", "3"), 2, "error[GR100]: the best checkpoint and that of a step are two"),
        (("--metric", "frechet"), 2, "error[GR101]: no metric is named 'frechet'. Did you mean 'frechet-distance'?"),
        (("--extractor", "digits-cnn"), 2, "error[GR106]: digits are pictures [C, H, W], the data have shape [2]"),
        (("--metric", "inception-score"), 2, "error[GR106]: metric 'inception-score' needs class logits"),
        (("--set", "k=5"), 2, "error[GR100]: expected extractor.SETTING=VALUE or METRIC.SETTING=VALUE, got 'k=5'"),
        (("--set", "precision-recall.k=5"), 2, "error[GR100]: there are settings for the metric 'precision-recall', which"),
        (("--metric", "precision-recall", "--set", "precision-recall.k=0"), 2, "error[GR103]: k must be greater than or equal"),
        (("-n", "1"), 2, "error[GR100]: Invalid value for '-n'"),
    ],
)
def test_what_cannot_be_is_refused(run: Run, trained: Path, words: tuple[str, ...], status: int, told: str):
    ran = run("evaluate", str(trained), *words)

    assert (ran.status, ran.out) == (status, "")
    assert ran.err.startswith(told)
    assert not (trained / "evaluations.jsonl").exists()


def test_an_exported_folder_is_no_run(run: Run, trained: Path):
    assert run("export", str(trained), "--out", "e").status == 0
    ran = run("evaluate", "e")

    assert ran.status == 2
    assert ran.err.startswith(
        "error[GR100]: evaluate needs the run, which names its data; this is an exported folder\n  at: e\n"
    )


def test_data_that_no_name_builds_are_told(run: Run, trained: Path):
    config = trained / "config.yaml"
    config.write_text(
        config.read_text().replace("dataset:\n  name: gaussians\n  layout: ring\n  seed: 0\n", "dataset: {object: x.Y}\n")
    )
    ran = run("evaluate", str(trained))

    assert ran.status == 2
    assert ran.err.startswith("error[GR100]: the data of this run were an object")


@pytest.mark.filterwarnings("default")
def test_data_that_are_others_than_the_run_s_are_told(run: Run, trained: Path):
    config = trained / "config.yaml"
    config.write_text(config.read_text().replace("layout: ring", "layout: grid"))

    assert "warning: the data are not what the run was trained on" in run("evaluate", str(trained), "-n", "50").err


def test_what_a_run_measures_is_said_before_it_starts(run: Run):
    words = ("--metric", "kernel-distance", "--metric.kernel-distance.subsets", "2", "--extractor", "pixels", "--dry-run")
    ran = run("train", *TINY, *words)

    assert ran.status == 0, ran.err
    told = "# metrics: kernel-distance, every 1000 steps: 2,000 fakes beside 10,000 reals in features of pixels\n"
    assert told in ran.out
    assert "subsets: 2\n" in ran.out


def test_metrics_and_extractors_complete(run: Run):
    from ganreg.cli.evaluate import evaluate

    assert {"metric", "extractor"} <= {param.name.rstrip("s") for param in evaluate.params if param.name}


def test_pictures_that_were_replaced_are_measured_anew(run: Run, place: Path):
    rng = np.random.default_rng(0)
    (place / "bmp").mkdir()
    for number in range(16):
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(place / "bmp" / f"{number}.bmp")
    words = ("--resolution", "8", "--batch-size", "8", "--out", "r")
    assert run("train", "--data", "bmp", *PICTURES, *words).status == 0

    def measured() -> float:
        told = run("evaluate", "r", "-n", "16", "--metric", "frechet-distance", "--extractor", "random-conv", "--json")
        return float(json.loads(told.out)[0]["value"])

    before, again = measured(), measured()
    for number in range(16):
        Image.new("RGB", (8, 8)).save(place / "bmp" / f"{number}.bmp")

    assert before == again != measured()


def photos(folder: Path, count: int, seed: int, size: int = 12) -> None:
    rng = np.random.default_rng(seed)
    folder.mkdir()
    for number in range(count):
        Image.fromarray(rng.integers(0, 256, (size, size, 3), np.uint8)).save(folder / f"{seed}-{number}.png")


@pytest.fixture
def on_photos(run: Run, place: Path) -> Path:
    photos(place / "seen", 20, 0)
    photos(place / "held out", 16, 1, size=20)
    words = ("--resolution", "8", "--set", "dataset.channels=1", "--batch-size", "8", "--out", "r")
    assert run("train", "--data", "seen", *PICTURES, *words).status == 0
    return Path("r")


def test_other_data_are_measured_beside_and_said_to_be_others(run: Run, on_photos: Path):
    own, other = run("evaluate", "r", "-n", "16", "--json"), run("evaluate", "r", "-n", "16", "--data", "held out", "--json")
    of_own, of_other = json.loads(own.out), json.loads(other.out)

    assert other.err == ""
    assert {(row["protocol"]["split"], row["protocol"]["n_real"]) for row in of_own} == {("train", 20)}
    assert {(row["protocol"]["split"], row["protocol"]["n_real"]) for row in of_other} == {("other data", 16)}
    assert {tuple(row["protocol"]["resolution"]) for row in of_other} == {(1, 8, 8)}
    assert of_own[0]["value"] != of_other[0]["value"]
    assert "memorization" in [row["metric"] for row in of_own]
    assert "memorization" not in [row["metric"] for row in of_other]
    told = run("evaluate", "r", "-n", "16", "--data", "held out").out
    assert "protocol: 16 reals of other data, 16 fakes" in told


def test_the_data_of_the_training_at_another_place_are_those_of_the_training(run: Run, on_photos: Path):
    Path("seen").rename("moved")
    told = run("evaluate", "r", "-n", "16", "--data", "moved", "--metric", "memorization", "--json")

    assert (told.status, told.err) == (0, "")
    assert json.loads(told.out)[0]["protocol"]["split"] == "train"


def test_other_data_in_another_form_have_the_size_of_the_run_s(run: Run, on_photos: Path):
    assert run("data", "pack", "held out", "held.zip", "--resolution", "16").status == 0
    told = run("evaluate", "r", "-n", "16", "--data", "held.zip", "--metric", "kernel-distance", "--json")
    assert (told.status, told.err) == (0, "")
    assert json.loads(told.out)[0]["protocol"]["resolution"] == [1, 8, 8]


def test_a_setting_of_the_data_makes_them_others(run: Run, trained: Path):
    told = run("evaluate", "latest", "-n", "50", "--set", "dataset.seed=5", "--json")

    assert (told.status, told.err) == (0, "")
    assert {row["protocol"]["split"] for row in json.loads(told.out)} == {"other data"}


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("--data", "nowhere"), 4, "error[GR301]: no folder of pictures at"),
        (("--data", "held out", "--metric", "memorization"), 2, "error[GR100]: memorization asks how near samples are to what"),
        (
            ("--data", "held out", "--set", "dataset.resolution=16"),
            2,
            "error[GR106]: the generator makes [1, 8, 8], the data have [1",
        ),
        (("--data", "r/config.yaml"), 2, "error[GR100]: no data set reads 'config.yaml'"),
        (("--data", "held out", "--set", "dataset.path=seen"), 2, "error[GR100]: two paths of data are given"),
        (("--set", "dataset.name=null"), 2, "error[GR100]: the name of a data set is a text, got None"),
        (("--set", "dataset.name=[1]"), 2, "error[GR100]: the name of a data set is a text, got [1]"),
        (("--set", "dataset.resolutoin=16"), 2, "error[GR103]: dataset 'image-folder' has no setting 'resolutoin'"),
    ],
)
def test_other_data_that_cannot_be_measured_are_refused(
    run: Run, on_photos: Path, words: tuple[str, ...], status: int, told: str
):
    ran = run("evaluate", "r", "-n", "16", *words)

    assert (ran.status, ran.out) == (status, "")
    assert ran.err.startswith(told)


def test_data_that_no_name_builds_leave_others(run: Run, on_photos: Path):
    config = on_photos / "config.yaml"
    before = config.read_text()
    config.write_text(before[: before.index("dataset:")] + "dataset: {object: x.Y}\n" + before[before.index("generator:") :])

    assert run("evaluate", "r", "-n", "16", "--data", "held out").status == 0


def test_other_pictures_of_the_same_names_and_sizes_are_others(run: Run, on_photos: Path):
    for folder, shade in (("bmp", 0), ("other bmp", 255)):
        Path(folder).mkdir()
        for number in range(16):
            Image.new("RGB", (8, 8), (shade, number, 0)).save(Path(folder) / f"{number}.bmp")
    assert run("train", "--data", "bmp", *PICTURES, "--resolution", "8", "--batch-size", "8", "--out", "b").status == 0
    Path("copy").symlink_to("bmp")

    def split(data: str) -> str:
        ran = run("evaluate", "b", "-n", "16", "--data", data, "--metric", "kernel-distance", "--json")
        return str(json.loads(ran.out)[0]["protocol"]["split"])

    assert [split("other bmp"), split("bmp"), split("copy")] == ["other data", "train", "train"]


def test_the_data_of_the_training_are_known_again_by_their_labels(run: Run, on_photos: Path):
    names = sorted(path.name for path in Path("seen").iterdir())
    (Path("seen") / "l.csv").write_text("file,label\n" + "".join(f"{name},{n % 2}\n" for n, name in enumerate(names)))
    words = ("--resolution", "8", "--set", "dataset.labels=l.csv", "--batch-size", "8", "--out", "l")
    assert run("train", "--data", "seen", *PICTURES, *words).status == 0

    def split(data: str) -> str:
        ran = run("evaluate", "l", "-n", "16", "--data", data, "--metric", "kernel-distance", "--json")
        assert (ran.status, ran.err) == (0, "")
        return str(json.loads(ran.out)[0]["protocol"]["split"])

    assert [split("seen"), split("held out")] == ["train", "other data"]


def test_settings_are_those_of_the_run_also_where_it_says_whose_its_data_set_is(run: Run, on_photos: Path):
    words = (
        "--set",
        "dataset.path=seen",
        "--set",
        "dataset.flips=true",
        "--resolution",
        "8",
        "--batch-size",
        "8",
        "--out",
        "q",
    )
    assert run("train", "--dataset", "ganreg:image-folder", *PICTURES, *words).status == 0

    told = json.loads(run("evaluate", "q", "-n", "16", "--data", "seen", "--metric", "kernel-distance", "--json").out)
    assert (told[0]["protocol"]["split"], told[0]["protocol"]["n_real"]) == ("train", 40)
