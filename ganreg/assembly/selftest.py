"""The promises about crashes, tried for real: processes are killed, bits flipped, files cut, and the disk made to fail."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ganreg.engine import checkpoint
from ganreg.errors import CheckpointError

STEPS, EVERY, KEEP = 300, 5, 3
SETTINGS = (
    *("--generator", "mlp", "--discriminator", "mlp", "--dataset", "gaussians", "--regularizer", "r1", "--workers", "0"),
    *("--set", "generator.hidden=[64]", "--set", "discriminator.hidden=[64]", "--steps", str(STEPS), "--log-every", "1"),
    *("--checkpoint-every", str(EVERY), "--keep", str(KEEP), "--sample-every", "0", "--quiet"),
)
CLOCKS = ("seconds", "images_per_second")
SECONDS = 300.0  # for one process


@dataclass(frozen=True)
class Trial:
    """A promise, and what became of it."""

    name: str
    kept: bool
    told: str


def trials(folder: Path, *, kills: int, flips: int, seed: int, python: str) -> Iterator[Trial]:
    """Each trial as it ends; everything is written below `folder`."""
    dice = random.Random(seed)
    lab = Lab(folder, python)
    whole = lab.folder / "whole"
    began = time.monotonic()
    code = lab.train("--out", str(whole), *SETTINGS)
    yield Trial("an undisturbed run", code == 0, f"{STEPS} steps in {time.monotonic() - began:.1f} s, exit status {code}")
    if code:
        return
    yield lab.killed(whole, kills, dice, time.monotonic() - began)
    yield lab.flipped(whole, flips, dice)
    yield lab.cut(whole)
    for name in ("ENOSPC", "EIO"):
        yield lab.failing(whole, name)


class Lab:
    """A folder to break things in."""

    def __init__(self, folder: Path, python: str) -> None:
        self.folder = folder
        self.python = python

    def train(self, *words: str, fail: str = "", kill_after: float | None = None) -> int:
        """`ganreg train WORDS` in a process of its own -> its exit status; killed where that is asked for."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "GANREG_PLUGINS": "off"}
        environment |= {"GANREG_FAIL": fail, "GANREG_CACHE": str(self.folder / "cache")} if fail else {}
        command = [self.python, "-m", "ganreg", "train", *words]
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                return process.wait(kill_after if kill_after is not None else SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                return process.wait()

    def killed(self, whole: Path, kills: int, dice: random.Random, seconds: float) -> Trial:
        """kill -9 at random moments, again and again, until the run is done; then it must be the undisturbed one."""
        out, done, lost = self.folder / "killed", 0, 0
        newest = 0
        for _ in range(kills):
            if newest in (0, STEPS):  # never saved, or done before it could be killed
                shutil.rmtree(out, ignore_errors=True)
                newest = 0
            words = ["--resume", str(out)] if newest else ["--out", str(out), *SETTINGS]
            code = self.train(*words, kill_after=dice.uniform(0.3, 1.0) * seconds)
            done += code < 0
            seconds *= 0.8 if code >= 0 else 1.0  # the machine has become quicker
            found = checkpoint.checkpoints(out)
            lost += sum(not checkpoint.is_whole(path) for path in found)
            lost += bool(newest) and (not found or checkpoint.step_of(found[-1]) < newest)
            newest = checkpoint.step_of(found[-1]) if found else newest
        code = self.train(*(["--resume", str(out)] if newest else ["--out", str(out), *SETTINGS]))
        same = alike(out, whole)
        told = f"{done} of {kills} starts killed, {lost} checkpoints lost; in the end {_verdict(same)}"
        return Trial("kill -9, then --resume", code == 0 and done > 0 and not lost and same, told)

    def flipped(self, whole: Path, flips: int, dice: random.Random) -> Trial:
        """One bit at a time, anywhere in the newest checkpoint."""
        files = sorted(path for path in checkpoint.checkpoints(whole)[-1].iterdir())
        sizes = [path.stat().st_size for path in files]
        missed = 0
        for _ in range(flips):
            path = dice.choices(files, sizes)[0]
            content = path.read_bytes()
            place = dice.randrange(len(content))
            damaged = bytes([content[place] ^ 1 << dice.randrange(8)])
            path.write_bytes(content[:place] + damaged + content[place + 1 :])
            missed += not _is_found(path)
            path.write_bytes(content)
        return Trial("flipped bits", not missed, f"{flips - missed} of {flips} found, each with its file")

    def cut(self, whole: Path) -> Trial:
        """Every file cut at its beginning, middle and end; the run must go on from the checkpoint before."""
        path = checkpoint.checkpoints(whole)[-1]
        out = self.folder / "cut"
        missed = tried = 0
        for file in sorted(path.iterdir()):
            content = file.read_bytes()
            for length in sorted({0, 1, len(content) // 2, len(content) - 1}):
                file.write_bytes(content[:length])
                tried += 1
                missed += not _is_found(file)
            file.write_bytes(content)
        shutil.copytree(whole, out)
        (out / "checkpoints" / path.name / "generator.safetensors").write_bytes(b"")
        code = self.train("--resume", str(out))
        same = alike(out, whole)
        told = f"{tried - missed} of {tried} found; going on from the one before gives {_verdict(same)}"
        return Trial("cut files", not missed and code == 0 and same, told)

    def failing(self, whole: Path, error: str) -> Trial:
        """A disk that fails while a checkpoint is written: the older ones stay as they were."""
        out = self.folder / f"failing-{error}"
        shutil.copytree(whole, out)
        last = checkpoint.checkpoints(out)[-1]
        shutil.rmtree(last)
        before = {str(path): path.read_bytes() for path in (out / "checkpoints").rglob("*.*") if path.is_file()}
        code = self.train("--resume", str(out), fail=f"write:{error}")
        again = self.train("--resume", str(out))
        kept = all(Path(name).is_file() and Path(name).read_bytes() == content for name, content in before.items())
        same = alike(out, whole)
        older = "the older ones as they were" if kept else "AN OLDER ONE CHANGED"
        told = f"a write that fails is tried again (exit status {code}); {older}; {_verdict(same)} in the end"
        return Trial(f"a disk that says {error}", code in (0, 6) and again == 0 and kept and same, told)


def _verdict(same: bool) -> str:
    return "the same bits" if same else "ANOTHER RUN"


def _is_found(damaged: Path) -> bool:
    """Whether the damage is found and its file named."""
    try:
        checkpoint.verify(damaged.parent)
    except CheckpointError as error:
        return Path(error.at) == damaged
    return False


def alike(one: Path, other: Path) -> bool:
    """Whether two runs ended the same: every file of the last checkpoint, every logged value but the clocks'."""
    ours, theirs = checkpoint.checkpoints(one), checkpoint.checkpoints(other)
    if not ours or ours[-1].name != theirs[-1].name:
        return False
    same = all((ours[-1] / path.name).read_bytes() == path.read_bytes() for path in theirs[-1].iterdir())
    return same and _rows(one) == _rows(other)


def _rows(run: Path) -> list[dict[str, object]]:
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{key: value for key, value in json.loads(line).items() if key not in CLOCKS} for line in lines]
