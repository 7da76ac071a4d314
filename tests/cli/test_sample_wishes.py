"""`ganreg sample`: seeds, grids of classes, animations, truncation, a preview."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganreg.cli.sample import _class
from ganreg.errors import UsageError
from ganreg.pictures import MARGIN

from .conftest import Run


@pytest.fixture
def known(run: Run) -> Path:
    """A run of one step on pictures of 8 x 8, told its classes."""
    words = ("--generator", "mlp", "--set", "generator.hidden=[8]", "--generator.conditioning", "concat")
    words += ("--discriminator.conditioning", "concat")
    assert run("train", *words, "--resolution", "8", "--steps", "1", "--out", "known", "--quiet").status == 0
    return Path("known")


@pytest.fixture
def styled(run: Run) -> Path:
    sizes = {"latent-dim": 8, "style-dim": 8, "mapping-layers": 1, "width": 8, "max-channels": 8}
    words = [word for name, value in sizes.items() for word in (f"--generator.{name}", str(value))]
    words += ["--discriminator.width", "8", "--discriminator.max-channels", "8", "--batch-size", "4", "--recipe", "none"]
    ran = run("train", "--generator", "stylegan2", *words, "--resolution", "8", "--steps", "1", "--out", "styled", "--quiet")
    assert ran.status == 0, ran.err
    return Path("styled")


def numbers(run: Run, *words: str) -> np.ndarray:
    ran = run("sample", *words, "--out", "numbers.npz", "--force")
    assert ran.status == 0, ran.err
    return np.load("numbers.npz", allow_pickle=False)["samples"]


def test_of_each_seed_its_first_sample(run: Run, known: Path):
    made = numbers(run, "known", "--seeds", "3,1-2")

    assert len(made) == 3
    for row, seed in enumerate(("3", "1", "2")):
        assert np.allclose(made[row], numbers(run, "known", "--seed", seed, "-n", "1")[0], atol=1e-6)
    assert run("sample", "known", "--seeds", "3,1-2").out == "3 samples: known/samples/sample-step1-seeds3,1-2.png\n"
    assert run("sample", "known", "--seeds", "1-60,62,64,66,68,70,72,74,76,78,80,82,84,86").out.endswith("seeds1to86n73.png\n")


def test_a_grid_has_a_row_for_each_class_and_the_same_latents_in_each_column(run: Run, known: Path):
    made = numbers(run, "known", "--class", "all", "--grid", "-n", "3")

    assert made.shape == (30, 1, 8, 8)
    for number in ("0", "7"):
        row = made[3 * int(number) : 3 * int(number) + 3]
        assert np.allclose(row, numbers(run, "known", "--class", number, "-n", "3"), atol=1e-6)
    ran = run("sample", "known", "--class", "7", "--class", "2", "--grid")
    assert ran.out == "16 samples: known/samples/grid-step1-seed0-n8-class7-2.png\n"
    with Image.open("known/samples/grid-step1-seed0-n8-class7-2.png") as sheet:
        factor = round(512 / (8 * (8 + MARGIN) + MARGIN))
        assert sheet.size == (factor * (8 * (8 + MARGIN) + MARGIN), factor * (2 * (8 + MARGIN) + MARGIN))


def test_an_animation_goes_from_each_sample_to_the_next_and_back(run: Run, known: Path):
    ran = run("sample", "known", "--interpolate", "3", "--frames", "5", "--class", "7", "--fps", "10")
    frames = numbers(run, "known", "--interpolate", "3", "--frames", "5", "--class", "7")

    assert ran.out == "15 frames between 3 samples of class 7: known/samples/interpolation-step1-seed0-n3-frames5-class7.gif\n"
    with Image.open("known/samples/interpolation-step1-seed0-n3-frames5-class7.gif") as file:
        assert (file.format, file.n_frames, file.size, file.info["duration"]) == ("GIF", 15, (256, 256), 100)
    assert np.allclose(frames[::5], numbers(run, "known", "-n", "3", "--class", "7"), atol=1e-6)


@pytest.mark.parametrize(("ending", "named"), [("png", "PNG"), ("webp", "WEBP")])
def test_an_animation_has_the_format_that_is_asked_for(run: Run, known: Path, ending: str, named: str):
    told = run("sample", "known", "--interpolate", "2", "--frames", "2", "--format", ending).out
    number = re.search(r"of class (\d)", told)[1]
    assert run("sample", "known", "--interpolate", "2", "--frames", "2", "--out", f"mine.{ending}").status == 0

    for path in (f"known/samples/interpolation-step1-seed0-n2-frames2-class{number}.{ending}", f"mine.{ending}"):
        with Image.open(path) as file:
            assert (file.format, file.n_frames) == (named, 4)


def test_an_animation_goes_through_chosen_seeds(run: Run, known: Path):
    path = ("--interpolate", "2", "--seeds", "5,9", "--class", "7")
    frames = numbers(run, "known", *path, "--frames", "3")

    assert len(frames) == 6
    assert np.allclose(frames[::3], numbers(run, "known", "--seeds", "5,9", "--class", "7"), atol=1e-6)


def test_seeds_whose_samples_are_of_several_classes_are_no_path_of_one(run: Run, known: Path):
    ran = run("sample", "known", "--interpolate", "4", "--seeds", "1-4")
    told = r"these seeds are of several classes: 1 of class (\d), 2 of class \d, .*\n.*\n  fix: add --class \1\n"

    assert ran.status == 2
    assert re.search(told, ran.err)


def test_an_animation_without_a_class_is_of_its_first_samples_and_says_so(run: Run, known: Path):
    told = run("sample", "known", "--interpolate", "2", "--frames", "2").out
    frames = numbers(run, "known", "--interpolate", "2", "--frames", "2")
    number = re.fullmatch(
        r"4 frames .* of class (\d): known/samples/interpolation-step1-seed0-n2-frames2-class\1\.gif\n", told
    )[1]

    assert np.allclose(frames, numbers(run, "known", "--interpolate", "2", "--frames", "2", "--class", number))
    assert np.allclose(frames[0], numbers(run, "known", "-n", "1")[0], atol=1e-6)


def test_a_generator_that_reads_no_labels_goes_through_any_seeds(run: Run):
    words = ("--generator", "mlp", "--set", "generator.hidden=[8]", "--resolution", "8", "--steps", "1", "--out", "none")
    assert run("train", *words, "--quiet").status == 0
    frames = numbers(run, "none", "--interpolate", "2", "--seeds", "1,2", "--frames", "3")

    assert np.allclose(frames[::3], numbers(run, "none", "--seeds", "1,2"), atol=1e-6)


def test_truncation_brings_samples_nearer_to_each_other(run: Run, styled: Path):
    spread = {psi: numbers(run, "styled", "-n", "8", "--truncation", psi).std(axis=0).max() for psi in ("0", "0.5", "1")}

    assert spread["0"] < 1e-5 < spread["0.5"] < spread["1"]
    assert np.allclose(numbers(run, "styled", "-n", "4", "--truncation", "1"), numbers(run, "styled", "-n", "4"), atol=1e-5)
    assert run("sample", "styled", "-n", "4", "--truncation", "0.5").out.endswith("sample-step1-seed0-n4-truncation0.5.png\n")


def test_a_preview_is_drawn_below_the_words_in_letters_where_no_terminal_is(run: Run, known: Path):
    first, *lines = run("sample", "known", "-n", "4", "--show").out.splitlines()

    assert first == "4 samples: known/samples/sample-step1-seed0-n4.png"
    assert len(lines) == (8 + 2 * MARGIN) // 2
    assert max(map(len, lines)) == 4 * (8 + MARGIN) + MARGIN


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--truncation", "0.5"), "this generator has no styles that could be drawn towards their mean"),
        (("--grid",), "a grid has a row for each class, and no class was asked for"),
        (("--grid", "--class", "10"), "there is no class 10: the data had classes 0 to 9"),
        (("--frames", "3"), "this is about an animation"),
        (("--format", "gif"), "this is about an animation"),
        (("--fps", "3"), "this is about an animation"),
        (("--interpolate", "3", "-n", "4"), "--interpolate says how many already"),
        (("--interpolate", "3", "--class", "all"), "an animation is of one class"),
        (("--interpolate", "3", "--class", "1", "--grid"), "a grid does not move"),
        (("--interpolate", "3", "--seeds", "1-4"), "--seeds names 4 samples to go through"),
        (("--interpolate", "1000", "--frames", "1000"), "an animation has at most 10000 frames"),
        (("--interpolate", "3", "--out", "x.gif", "--format", "png"), "--out ends in '.gif'"),
        (("--interpolate", "3", "--out", "x.mp4"), "an animation ends in one of .gif, .png, .webp, .npz, got 'x.mp4'"),
        (("--seeds", "1-4", "-n", "3"), "--seeds says which samples already"),
        (("--seeds", "1-4", "--seed", "3"), "--seeds says which samples already"),
        (("--seeds", "4-1"), "Invalid value for '--seeds': the span 4-1 falls: 1-4 is meant"),
        (("--interpolate", "1"), "Invalid value for '--interpolate'"),
        (("--truncation", "3"), "Invalid value for '--truncation'"),
    ],
)
def test_what_does_not_go_together_is_refused(run: Run, known: Path, words: tuple[str, ...], told: str):
    before = sorted(known.rglob("*"))
    status, out, err = run("sample", "known", *words)

    assert (status, out) == (2, "")
    assert err.startswith(f"error[GR100]: {told}")
    assert sorted(known.rglob("*")) == before


def test_points_cannot_be_animated_but_they_can_be_drawn(run: Run, trained: Path):
    assert run("sample", "latest", "--interpolate", "3").err.startswith("error[GR100]: these samples are no pictures, which an")
    assert len(run("sample", "latest", "--show").out.splitlines()) > 10


# --- classes by name --------------------------------------------------------------------------------------------------


@pytest.fixture
def pets(run: Run) -> Path:
    """A run that is told which of its photos are cats."""
    for number in range(16):
        path = Path("photos") / ("cats", "dogs")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 90, 200)).save(path)
    words = ("--generator", "mlp", "--set", "generator.hidden=[8]", "--generator.conditioning", "concat")
    words += ("--discriminator.conditioning", "concat", "--batch-size", "8", "--steps", "1", "--quiet")
    ran = run("train", "--data", "photos", "--resolution", "8", *words, "--out", "pets")
    assert ran.status == 0, ran.err
    return Path("pets")


def test_a_class_is_asked_for_by_its_name(run: Run, pets: Path):
    dogs = numbers(run, "pets", "-n", "4", "--class", "dogs")

    assert np.array_equal(dogs, numbers(run, "pets", "-n", "4", "--class", "1"))
    assert not np.allclose(dogs, numbers(run, "pets", "-n", "4", "--class", "cats"))
    assert run("sample", "pets", "-n", "4", "--class", "dogs").out.endswith("-n4-class1.png\n")


def test_a_name_that_no_class_has_is_told_the_nearest(run: Run, pets: Path):
    ran = run("sample", "pets", "--class", "dog")

    assert ran.status == 2
    assert "there is no class 'dog'. Did you mean 'dogs'? Known: cats, dogs\n" in ran.err


def test_a_name_in_two_lines_is_told_in_one():
    with pytest.raises(UsageError) as told:
        _class("dog", ("cats\nand\tkittens", "dogs"))

    assert told.value.what.endswith("Known: cats\\nand\\tkittens, dogs")


def test_an_export_keeps_the_names(run: Run, pets: Path):
    assert run("export", "pets", "--out", "shared").status == 0

    assert "It is told the class, one of 2 (0 cats, 1 dogs)." in Path("shared/README.md").read_text()
    assert np.array_equal(numbers(run, "shared", "-n", "4", "--class", "dogs"), numbers(run, "pets", "-n", "4", "--class", "1"))


def test_a_class_that_is_called_by_a_number_goes_before_the_number():
    assert [_class(word, ("3", "7")) for word in ("7", "1", "3")] == [1, 1, 0]
