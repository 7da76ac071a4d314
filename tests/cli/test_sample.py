"""`ganreg sample`: pictures and numbers, the same for the same seed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganreg.engine import durable
from ganreg.pictures import MOST_PIXELS

from .conftest import Run


def format_and_size(path: Path) -> tuple[str | None, tuple[int, int]]:
    with Image.open(path) as picture:
        return picture.format, picture.size


@pytest.fixture
def pictures(run: Run) -> Path:
    """A run of one step on pictures of 8 x 8."""
    words = ("--generator", "mlp", "--set", "generator.hidden=[8]", "--resolution", "8", "--steps", "1")
    assert run("train", *words, "--out", "pictures", "--quiet").status == 0
    return Path("pictures")


def test_a_picture_has_a_name_that_says_how_it_was_made(run: Run, trained: Path):
    status, out, err = run("sample", str(trained), "-n", "9", "--seed", "7")

    assert (status, out, err) == (0, "9 samples: runs/0001/samples/sample-step3-seed7-n9.png\n", "")
    assert format_and_size(trained / "samples" / "sample-step3-seed7-n9.png") == ("PNG", (512, 512))
    assert run("sample", str(trained), "-n", "9", "--seed", "7").status == 0


def test_the_same_seed_makes_the_same_samples_and_another_others(run: Run, trained: Path):
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert run("sample", "latest", "-n", "5", "--seed", seed, "--out", f"{name}.npz").status == 0
    first, same, other = (np.load(f"{name}.npz", allow_pickle=False)["samples"] for name in "abc")

    assert first.shape == (5, 2)
    assert (first == same).all()
    assert (first != other).any()


def numbers(run: Run, name: str, *words: str) -> np.ndarray:
    assert run("sample", "latest", "--out", f"{name}.npz", *words).status == 0
    return np.load(f"{name}.npz", allow_pickle=False)["samples"]


def test_a_class_is_asked_for_by_number_several_take_turns(run: Run):
    sizes = ("--generator", "mlp", "--set", "generator.hidden=[8]", "--generator.conditioning", "concat")
    sizes += ("--discriminator.conditioning", "concat")
    assert run("train", *sizes, "--dataset", "gaussians", "--steps", "1", "--out", "runs/known", "--quiet").status == 0
    seven, two = numbers(run, "seven", "-n", "6", "--class", "7"), numbers(run, "two", "-n", "6", "--class", "2")
    turns, every = (
        numbers(run, "turns", "-n", "6", "--class", "7", "--class", "2"),
        numbers(run, "all", "-n", "9", "--class", "all"),
    )

    assert (seven != two).all()
    assert (turns[0::2] == seven[0::2]).all()
    assert (turns[1::2] == two[1::2]).all()
    assert (every[7] == numbers(run, "more", "-n", "9", "--class", "7")[7]).all()
    assert run("sample", "latest", "-n", "4", "--class", "7").out.endswith("sample-step1-seed0-n4-class7.png\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--class", "8"), "there is no class 8: the data had classes 0 to 7"),
        (("--class", "-1"), "a class is a number or all, got '-1'"),
        (("--class", "seven"), "a class is a number or all, got 'seven'"),
        (("--class", "3"), "this generator makes the same for every class"),
    ],
)
def test_a_class_that_cannot_be_is_refused(run: Run, trained: Path, words: tuple[str, ...], told: str):
    status, out, err = run("sample", str(trained), *words)

    assert (status, out) == (2, "")
    assert f"error[GR100]: {told}\n  at: --class\n" in err


def test_a_checkpoint_is_a_run_too(run: Run, trained: Path):
    checkpoint = str(trained / "checkpoints" / "step-00000001")

    assert run("sample", checkpoint, "-n", "2").out == "2 samples: runs/0001/samples/sample-step1-seed0-n2.png\n"


def test_a_file_that_is_there_stays_unless_forced(run: Run, trained: Path):
    Path("mine.png").write_text("precious")
    status, out, err = run("sample", "latest", "--out", "mine.png")

    assert (status, out) == (2, "")
    assert err == "error[GR108]: the file is there already\n  at: mine.png\n  fix: add --force, or give another --out\n"
    assert Path("mine.png").read_text() == "precious"
    assert run("sample", "latest", "--out", "mine.png", "--force").status == 0
    assert format_and_size(Path("mine.png"))[0] == "PNG"


def test_separate_writes_a_file_for_each(run: Run, pictures: Path):
    status, out, _ = run("sample", "pictures", "-n", "3", "--separate", "each")

    assert (status, out) == (0, "3 samples: each\n")
    assert sorted(path.name for path in Path("each").iterdir()) == ["000000.png", "000001.png", "000002.png"]
    assert format_and_size(Path("each/000000.png")) == ("PNG", (8, 8))
    assert run("sample", "pictures", "--separate", "each").status == 2


def test_points_are_no_separate_pictures(run: Run, trained: Path):
    status, _, err = run("sample", "latest", "--separate", "each")

    assert status == 2
    assert err.startswith("error[GR100]: these samples are no pictures")


def test_an_ending_nobody_knows_is_refused_before_anything_is_loaded(run: Run):
    status, _, err = run("sample", "nowhere", "--out", "x.tiff")

    assert status == 2
    assert err.startswith("error[GR100]: a file of samples ends in one of .png, .jpg, .jpeg, .webp, .npz, got 'x.tiff'")


@pytest.mark.parametrize("words", [("-n", "0"), ("--seed", "-1"), ("-n", "x")])
def test_a_count_or_seed_out_of_range_is_refused(run: Run, words: tuple[str, ...]):
    status, _, err = run("sample", "nowhere", *words)

    assert status == 2
    assert err.startswith("error[GR100]: Invalid value for ")


def test_a_run_that_is_not_there_is_a_storage_error(run: Run):
    status, _, err = run("sample", "nowhere")

    assert status == 6
    assert err.startswith("error[GR502]: the run directory does not exist\n  at: nowhere\n")


def test_a_place_that_cannot_be_written_is_a_storage_error(run: Run, trained: Path):
    status, _, err = run("sample", "latest", "--out", "/dev/null/x.png")

    assert status == 6
    assert err.startswith("error[GR501]: the samples cannot be written: ")


def test_samples_of_two_checkpoints_lie_beside_each_other(run: Run, trained: Path):
    for step in (1, 3):
        assert run("sample", str(trained / f"checkpoints/step-{step:08d}"), "-n", "4").status == 0
    one, other = (trained / f"samples/sample-step{step}-seed0-n4.png" for step in (1, 3))

    assert one.read_bytes() != other.read_bytes()


@pytest.mark.parametrize("words", [(), ("--interpolate", "2", "--frames", "2"), ("--out", "mine.npz", "--force")])
def test_a_link_where_the_samples_go_is_replaced_not_followed(run: Run, pictures: Path, words: tuple[str, ...]):
    target = Path(run("sample", "pictures", *words).out.split(": ")[1].strip())
    target.unlink()
    Path("theirs").write_text("precious")
    target.symlink_to(Path("theirs").absolute())

    assert run("sample", "pictures", *words).status == 0
    assert Path("theirs").read_text() == "precious"
    assert not target.is_symlink()
    assert [one.name for one in target.parent.iterdir() if one.name.endswith(".part")] == []


def test_a_link_to_nowhere_is_a_file_that_is_there(run: Run, pictures: Path):
    Path("mine.png").symlink_to("nowhere")
    status, _, err = run("sample", "pictures", "--out", "mine.png")

    assert status == 2
    assert err.startswith("error[GR108]: the file is there already\n")
    assert not Path("nowhere").exists()


def test_a_picture_that_breaks_off_leaves_the_old_one(run: Run, pictures: Path, monkeypatch: pytest.MonkeyPatch):
    assert run("sample", "pictures", "--out", "mine.png").status == 0
    before = Path("mine.png").read_bytes()
    durable._passed.clear()
    monkeypatch.setenv("GANREG_FAIL", "write:ENOSPC")
    status, _, err = run("sample", "pictures", "--seed", "1", "--out", "mine.png", "--force")

    assert status == 6
    assert err.startswith("error[GR501]: the samples cannot be written: No space left on device\n")
    assert Path("mine.png").read_bytes() == before
    assert not list(Path().glob(".mine.png*"))


def test_a_sheet_larger_than_the_format_can_have_is_told(run: Run, pictures: Path):
    words = ("sample", "pictures", "-n", "2000", "--out", "big.webp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MOST_PIXELS, "WEBP", 400)
        status, out, err = run(*words)

    assert (status, out) == (2, "")
    assert err.startswith("error[GR100]: 452 x 452 pixels are too many: a .webp has at most 400 a side\n  at: --out\n")
    assert not Path("big.webp").exists()
    assert run(*words).status == 0
