"""`ganreg data check` and `ganreg data pack`, and what a newcomer with a folder of photos does with them."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from ganreg.cli.data import progress
from tests.messy import messy

from .conftest import Run


@pytest.mark.filterwarnings("default")
@pytest.mark.slow
def test_photos_as_people_have_them_are_checked_trained_on_and_packed(run: Run, place: Path):  # D2, D3, D4
    messy(place / "my photos", 300, 20)
    status, out, err = run("data", "check", "my photos", "--resolution", "16", "--workers", "1")
    assert (status, err) == (0, "")
    assert "305, " in out
    assert "301, 4 cannot" in out
    assert "bad: cats/bomb.png: too large to decode" in out
    assert "the same: cats/0000.png = cats/again.png" in out
    command = out.splitlines()[-1].partition("next: ")[2]
    assert command == "ganreg train --data 'my photos' --resolution 16 --dataset.on-bad skip"

    small = (
        "--generator",
        "dcgan",
        "--generator.width",
        "4",
        "--discriminator.width",
        "4",
        "--steps",
        "2",
        "--batch-size",
        "8",
    )
    status, out, err = run(*shlex.split(command)[1:], *small, "--out", "runs/first")
    assert status == 0, err
    assert "4 of 305 pictures cannot be read and are left out: cats/bomb.png" in err
    assert Path("runs/first/samples/reals.png").is_file()

    status, out, err = run(
        "data", "pack", "my photos", "packed.zip", "--resolution", "16", "--on-bad", "skip", "--workers", "1"
    )
    assert (status, err) == (0, "")
    assert out.startswith("301 pictures, ")
    assert out.count("left out: ") == 4
    assert out.splitlines()[-1] == "next: ganreg train --data packed.zip --resolution 16"
    assert run("train", "--data", "packed.zip", "--resolution", "16", *small, "--out", "runs/second", "--quiet").status == 0


def test_a_check_for_programs(run: Run, place: Path):
    messy(place / "photos", 4, 16)
    status, out, err = run("data", "check", "photos", "--json", "--resolution", "8", "--bench", "--workers", "0")
    told = json.loads(out)

    assert (status, err) == (0, "")
    assert (told["images"], told["readable"], told["trainable"], told["path"]) == (9, 5, True, "photos")
    assert told["images_per_second"] > 0
    assert told["command"].startswith("ganreg train --data photos --resolution 8")


def test_what_cannot_be_trained_on_is_4_after_all_is_told(run: Run, place: Path):
    (place / "photos").mkdir()
    for name in ("a.png", "b\x1b.png"):
        (place / "photos" / name).write_bytes(b"no picture")
    status, out, err = run("data", "check", "photos")

    assert status == 4
    assert "bad: a.png: its content is no picture that Pillow knows" in out
    assert "\x1b" not in out
    assert err.startswith("error[GR301]: it cannot be trained on: 0 of 2 pictures can be read\n  at: photos")
    assert json.loads(run("data", "check", "photos", "--json").out)["trainable"] is False


def test_a_file_of_arrays_is_checked_too(run: Run, place: Path):
    images = np.random.default_rng(0).integers(0, 256, (70, 8, 8, 3), np.uint8)
    np.savez(place / "a.npz", images=images, labels=np.arange(70) % 2)
    status, out, err = run("data", "check", "a.npz")

    assert (status, err) == (0, "")
    assert "2 from labels: 0 35, 1 35" in out
    assert out.splitlines()[-1] == "it can be trained on; next: ganreg train --data a.npz"
    np.savez(place / "a.npz", images=images / 255 * 9)
    assert run("data", "check", "a.npz").err.startswith("error[GR305]: floats must be from -1 to 1")


@pytest.mark.parametrize(
    ("words", "status", "what"),
    [
        (["check", "none"], 4, "error[GR301]: no folder of pictures at 'none'"),
        (["check", "note.txt"], 2, "error[GR100]: no data set reads 'note.txt'"),
        (["check", "a.npz", "--labels", "x.csv"], 2, "error[GR100]: labels of arrays are in their own file"),
        (["check", "photos", "--labels", "x.csv"], 4, "error[GR301]: it cannot be trained on: the labels cannot be read"),
        (["pack", "photos", "out.rar"], 2, "error[GR100]: an archive ends in .zip, got 'out.rar'"),
        (["pack", "a.npz", "out.zip"], 2, "error[GR100]: what 'npz' reads is packed already"),
        (["pack", "photos", "there.zip"], 2, "error[GR108]: the file is there already"),
        (["pack", "photos", "out.zip", "--labels", "x.csv"], 4, "error[GR301]: the labels cannot be read"),
    ],
)
def test_a_fault_is_told(run: Run, place: Path, words: list[str], status: int, what: str):
    messy(place / "photos", 2, 16, bad=False)
    (place / "note.txt").touch()
    (place / "there.zip").touch()
    np.savez(place / "a.npz", images=np.zeros((2, 8, 8), np.uint8))
    ran = run("data", *words)

    assert (ran.status, ran.err[: len(what)]) == (status, what)


def test_progress_is_a_plain_line_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    clock = iter([0.0, 1.0, 6.0, 6.0, 7.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    with progress("looking") as told:
        told(1, 9)
        told(2, 9)
        told(3, 9)
    assert capsys.readouterr().err == "looking 2/9\n"


def test_what_the_last_line_says_can_be_done(run: Run, place: Path):
    messy(place / "photos", 10, 16, bad=False)
    checked = run("data", "check", "photos", "--resolution", "50", "--workers", "1")
    packed = run("data", "pack", "photos", "out.zip", "--resolution", "50", "--workers", "1")
    small = ("--generator.width", "4", "--discriminator.width", "4", "--steps", "1", "--quiet")

    for number, told in enumerate((checked, packed)):
        assert "note: the default networks make no images of 50 x 50; 48 x 48 is the nearest" in told.out
        command = shlex.split(told.out.splitlines()[-1].partition("next: ")[2])
        ran = run(*command[1:], *small, "--out", f"runs/{number}")
        assert (ran.status, ran.err) == (0, "")
