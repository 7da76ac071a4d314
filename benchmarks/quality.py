"""What the recipes reach on two cores, by measures that are exact or named after their features.

    python -m benchmarks.quality points --json benchmarks/results/points.json       25 and 8 Gaussians, three losses
    python -m benchmarks.quality digits --json benchmarks/results/digits.json       three recipes, equal seconds
    python -m benchmarks.quality long --json benchmarks/results/digits_long.json    the default recipe, five times as long
    python -m benchmarks.quality stacked --json benchmarks/results/stacked.json     1,000 modes

Each run is `ganreg train` in a process of its own; samples are those of its averaged weights, at its last step.  With
`--jobs 2` two run at a time, each on half of the processors.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import ganreg
from benchmarks.digits_quality import Judge, frechet_distance, save_grid
from ganreg import registry, yamltext
from ganreg.assembly.load import load_trained
from ganreg.bench import machine
from ganreg.components.metrics.kernel_distance import kernel_distance
from ganreg.components.metrics.mode_coverage import divergence, of_points
from ganreg.components.metrics.precision_recall import PrecisionRecall

Row = dict[str, Any]
Task = Callable[[], list[Row]]
"""One run, or several that need each other."""

SAMPLE_SEED = 7
POINTS = 2_500
PICTURES = 2_000
STACKED = 20_000
ENDLESS = 10**8
"""Steps of a run that is stopped."""
STOPPED = 143
"""Exit status of one that was, on SIGTERM."""
LONGER, CHECKPOINTS = 5, 20
"""Times the default recipe's length, and how often it is measured on the way."""

LAYOUTS = {"grid": 1, "ring": 4}
"""Which part of grid25's steps each has."""
FALLING = "{start: 0.1, stop: 0.0001, over_images: IMAGES}"
BOTH = f"regularizers=[{{name: r1, weight: {FALLING}, interval: 4}}, {{name: r2, weight: {FALLING}, interval: 4}}]"
RATE = ("--set", "optimizer.lr={start: 0.002, stop: 0.0, over_images: IMAGES}")
LOSSES = {
    "bce": ("--loss", "bce", "--set", "regularizers=[]"),
    "wgan-gp": (
        *("--loss", "wasserstein", "--discriminator-steps", "5"),
        *("--set", "regularizers=[{name: gradient-penalty, weight: 1.0}]"),
    ),
    "relativistic + r1 + r2": ("--set", BOTH),
}
"""Of recipe grid25, whose networks, optimizer and batch all have; as many updates of D."""

NARROW_RESNET = (
    *("--recipe", "sngan", "--set", "dataset={name: digits, resolution: 16}", "--generator.width", "8"),
    *("--discriminator.width", "8", "--discriminator-steps", "1", "--batch-size", "32", "--set", "ema={half_life: 20000}"),
    *("--set", "optimizer={name: adam, lr: 2.0e-4, betas: [0.0, 0.9]}"),
)
DIGITS = {
    "dcgan": ("--recipe", "dcgan"),
    "digits-conditional": ("--recipe", "digits-conditional"),
    "resnet, narrowed": NARROW_RESNET,
}
STACKED_RECIPES = {
    "dcgan": ("--recipe", "dcgan", "--dataset", "stacked-digits"),
    "r3gan, narrowed": (
        *("--recipe", "r3gan", "--dataset", "stacked-digits", "--generator.width", "32", "--discriminator.width", "32"),
        *("--generator.blocks", "1", "--discriminator.blocks", "1", "--batch-size", "32", "--augmentation", "none"),
        *("--steps", "4000"),
    ),
}


class Trained:
    """A run that has ended, by itself or once it had its CPU seconds.

    `seconds` by the clock, `cpu_seconds` of all its threads.
    """

    def __init__(self, words: Sequence[str], seed: int, jobs: int, cpu_limit: float = math.inf) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.run = Path(self.folder.name) / "run"
        self.words = ["ganreg", "train", *words, "--seed", str(seed)]
        command = [sys.executable, "-m", *self.words, "--out", str(self.run), "--quiet"]
        log = Path(self.folder.name) / "log"
        start = time.perf_counter()
        with log.open("wb") as stream:
            started = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=environment(jobs))
        stopped = cpu_limit < math.inf and stop_after(started.pid, cpu_limit)
        _, status, usage = os.wait4(started.pid, 0)
        self.seconds = time.perf_counter() - start
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        started.returncode = os.waitstatus_to_exitcode(status)
        if started.returncode and not (stopped and started.returncode == STOPPED):
            raise SystemExit(f"{' '.join(self.words)} ended with {started.returncode}:\n{log.read_text()[-4000:]}")

    def cost(self) -> Row:
        return {"seconds": self.seconds, "cpu_seconds": self.cpu_seconds, "steps": self.steps()}

    def checkpoints(self) -> list[Path]:
        return sorted((self.run / "checkpoints").glob("step-*"))

    def sample(self, count: int, path: Path | None = None) -> Tensor:
        return load_trained(path or self.run).sample(count, seed=SAMPLE_SEED)

    def steps(self) -> int:
        return int(json.loads((self.run / "exit.json").read_text())["step"])


def stop_after(pid: int, cpu_seconds: float) -> bool:
    """Let a child stop, with a checkpoint, once it had its CPU seconds -> whether it still ran then."""
    clock = os.sysconf("SC_CLK_TCK")
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        if (int(user) + int(system)) / clock >= cpu_seconds:
            os.kill(pid, signal.SIGTERM)
            return True
        time.sleep(0.1)
    return False


def environment(jobs: int) -> dict[str, str]:
    """Ours, with an equal part of the processors for each of the jobs."""
    threads = max(1, len(os.sched_getaffinity(0)) // jobs)
    return {**os.environ, "OMP_NUM_THREADS": str(threads)} if jobs > 1 else dict(os.environ)


def recipe(name: str) -> dict[str, Any]:
    """Its settings."""
    return dict(yamltext.read(registry.current().recipe(name).path).values)


def points(asked: argparse.Namespace) -> Iterator[Task]:
    """Both layouts, each loss, each seed."""
    for layout in asked.layouts:
        for name in asked.only or LOSSES:
            for seed in asked.seeds:
                yield partial(one_of_points, asked, layout, name, seed)


def one_of_points(asked: argparse.Namespace, layout: str, name: str, seed: int) -> list[Row]:
    updates = (asked.steps or int(recipe("grid25")["steps"])) // LAYOUTS[layout]
    images = updates * int(recipe("grid25")["batch_size"])
    words = [word.replace("IMAGES", str(images)) for word in (*RATE, *LOSSES[name])]
    steps = updates // 5 if "--discriminator-steps" in words else updates
    shape = ("--dataset.layout", layout, "--steps", str(steps), "--sample-every", "0")
    run = Trained(["--recipe", "grid25", *shape, *words], seed, asked.jobs)
    data = ganreg.create("dataset", "gaussians", layout=layout)
    modes, share, kl = of_points(run.sample(POINTS), data.means, data.sigma)
    told = {"modes": modes, "share": share, "reverse_kl": kl}
    return [{"layout": layout, "who": name, "seed": seed, **run.cost(), **told}]


def of_digits(judge: Judge, samples: Tensor, labels: Tensor | None = None) -> dict[str, Any]:
    """All measures in the features of the judge, and how often a sample is of the class that was asked for."""
    with torch.no_grad():
        features = judge.net.features(samples)
        classes = judge.net.head(features).argmax(1)
    told = {**judge(samples), "kd_digits_cnn": kernel_distance(judge.real, features)}
    obeyed = {} if labels is None else {"obeyed": float((classes == labels).double().mean())}
    return {**told, **PrecisionRecall()(judge.real, features), **obeyed}


def judge_of_digits() -> Judge:
    return Judge(*ganreg.create("dataset", "digits").tensors)


def digits(asked: argparse.Namespace) -> Iterator[Task]:
    """Each recipe the same CPU seconds: those of the first, with all its steps."""
    judge = judge_of_digits()
    for seed in asked.seeds:
        yield partial(digits_of_a_seed, asked, judge, seed)


def digits_of_a_seed(asked: argparse.Namespace, judge: Judge, seed: int) -> list[Row]:
    rows: list[Row] = []
    budget = None
    for name, words in DIGITS.items():
        if budget is None:
            run = Trained([*words, "--steps", str(asked.steps or int(recipe("dcgan")["steps"]))], seed, asked.jobs)
            budget = run.cpu_seconds
        else:
            run = Trained([*words, "--steps", str(ENDLESS)], seed, asked.jobs, cpu_limit=budget)
        labels = torch.arange(PICTURES).remainder(10) if "conditional" in name else None
        classes = range(10) if labels is not None else ()
        samples = load_trained(run.run).sample(PICTURES, seed=SAMPLE_SEED, classes=classes)
        if asked.grids:
            save_grid(samples, asked.grids / f"digits-{name.replace(', ', '-')}-{seed}.png")
        told = of_digits(judge, samples, labels)
        rows.append({"who": name, "seed": seed, **run.cost(), "words": list(words), **told})
    return rows


def long(asked: argparse.Namespace) -> Iterator[Task]:
    """The default recipe, five times its length: the measure along the way."""
    judge = judge_of_digits()
    for seed in asked.seeds:
        yield partial(long_of_a_seed, asked, judge, seed)


def long_of_a_seed(asked: argparse.Namespace, judge: Judge, seed: int) -> list[Row]:
    name = registry.current().default_recipe("dcgan") or "dcgan"
    steps = LONGER * (asked.steps or int(recipe(name)["steps"]))
    often = ("--checkpoint-every", str(steps // CHECKPOINTS), "--keep", str(CHECKPOINTS))
    run = Trained(["--recipe", name, "--steps", str(steps), *often], seed, asked.jobs)
    rows: list[Row] = []
    for path in run.checkpoints():
        with torch.no_grad():
            features = judge.net.features(run.sample(PICTURES, path))
        step = int(path.name.removeprefix("step-"))
        rows.append({"who": name, "seed": seed, "step": step, "fd_digits_cnn": frechet_distance(features, judge.real)})
    return rows


def stacked(asked: argparse.Namespace) -> Iterator[Task]:
    """How many of the thousand, by the judge of digits on each channel."""
    judge = judge_of_digits()
    for name in STACKED_RECIPES:
        for seed in asked.seeds:
            yield partial(one_of_stacked, asked, judge, name, seed)


def one_of_stacked(asked: argparse.Namespace, judge: Judge, name: str, seed: int) -> list[Row]:
    words = STACKED_RECIPES[name]
    length = ("--steps", str(asked.steps)) if asked.steps else ()
    run = Trained([*words, *length, "--sample-every", "0"], seed, asked.jobs)
    samples = run.sample(STACKED)
    with torch.no_grad():
        digit = torch.cat([judge.net(one.flatten(0, 1)[:, None]).argmax(1) for one in samples.split(1000)])
    numbers = (digit.view(-1, 3) * torch.tensor([100, 10, 1])).sum(1)
    counts = torch.bincount(numbers, minlength=1000).double()
    if asked.grids:
        save_grid(samples.flatten(0, 1)[:, None], asked.grids / f"stacked-{name.split(',')[0]}-{seed}.png")
    told = {"modes": int((counts > 0).sum()), "reverse_kl": divergence(counts)}
    return [{"who": name, "seed": seed, **run.cost(), "words": list(words), **told}]


KINDS = {one.__name__: one for one in (points, digits, long, stacked)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="instead of the recipe's own")
    parser.add_argument("--layouts", nargs="+", choices=LAYOUTS, default=list(LAYOUTS))
    parser.add_argument("--only", nargs="*", choices=LOSSES, help="of the points' losses")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, each with its part of the processors")
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--grids", type=Path, help="folder for a picture of each one's samples")
    asked = parser.parse_args()
    if asked.grids:
        asked.grids.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    before = machine.describe("cpu")
    with ThreadPoolExecutor(asked.jobs) as pool:
        for found in pool.map(lambda task: task(), KINDS[asked.kind](asked)):
            for row in found:
                print({key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}, flush=True)
            rows += found
            if asked.json:
                command = ["python", "-m", "benchmarks.quality", *sys.argv[1:]]
                record = {"kind": f"quality-{asked.kind}", "command": command, **before, "jobs": asked.jobs}
                record |= {"seeds": asked.seeds, "sample_seed": SAMPLE_SEED, "rows": rows}
                asked.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
