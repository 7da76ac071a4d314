"""What the recipes reach on two cores, by measures that are exact or named after their features.

    python -m benchmarks.quality points --json benchmarks/results/points.json       25 and 8 Gaussians, three losses
    python -m benchmarks.quality digits --json benchmarks/results/digits.json       three recipes, equal seconds
    python -m benchmarks.quality long --json benchmarks/results/digits_long.json    the default recipe, five times as long
    python -m benchmarks.quality stacked --json benchmarks/results/stacked.json     1,000 modes

Each run is `ganreg train` in a process of its own; samples are those of its averaged weights, at its last step.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import ganreg
from benchmarks import measures
from benchmarks.digits_quality import Judge, frechet_distance, save_grid
from ganreg.assembly.load import load_trained
from ganreg.bench import machine

SAMPLE_SEED = 7
POINTS = 2_500
PICTURES = 2_000
STACKED = 20_000

NO_PENALTY = ("--set", "regularizers=[]")
SLOPE = ("--set", "regularizers=[{name: gradient-penalty, weight: 1.0}]")
LOSSES = {
    "bce": ("--loss", "bce", *NO_PENALTY),
    "wgan-gp": ("--loss", "wasserstein", *SLOPE, "--discriminator-steps", "5"),
    "relativistic + r1 + r2": (),
}
"""Of recipe grid25, whose networks and optimizer all have; as many updates of D."""

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
        *("--generator.blocks", "1", "--discriminator.blocks", "1", "--batch-size", "64", "--augmentation", "none"),
    ),
}


class Trained:
    """A run that has ended."""

    def __init__(self, words: Sequence[str], seed: int, *, threads: int | None = None) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.run = Path(self.folder.name) / "run"
        self.words = ["ganreg", "train", *words, "--seed", str(seed)]
        command = [sys.executable, "-m", *self.words, "--out", str(self.run), "--quiet"]
        start = time.perf_counter()
        ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        self.seconds = time.perf_counter() - start
        if ended.returncode:
            raise SystemExit(f"{' '.join(self.words)} ended with {ended.returncode}:\n{ended.stdout[-4000:]}")

    def checkpoints(self) -> list[Path]:
        return sorted((self.run / "checkpoints").glob("step-*"))

    def sample(self, count: int, path: Path | None = None) -> Tensor:
        return load_trained(path or self.run).sample(count, seed=SAMPLE_SEED)

    def steps(self) -> int:
        return int(json.loads((self.run / "exit.json").read_text())["step"])


def updates(recipe: str) -> int:
    """The steps that a recipe asks for."""
    from ganreg import registry, yamltext

    return int(yamltext.read(registry.current().recipe(recipe).path).values["steps"])


def points(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Both layouts, each loss, each seed."""
    whole = asked.steps or updates("grid25")
    for layout in asked.layouts:
        data = ganreg.create("dataset", "gaussians", layout=layout)
        for name, words in LOSSES.items():
            if asked.only and name not in asked.only:
                continue
            steps = whole // 5 if "--discriminator-steps" in words else whole
            for seed in asked.seeds:
                shape = ("--dataset.layout", layout, "--steps", str(steps), "--sample-every", "0")
                run = Trained(["--recipe", "grid25", *shape, *words], seed)
                told = measures.of_points(run.sample(POINTS), data.means, data.sigma)
                yield {"layout": layout, "who": name, "seed": seed, "seconds": run.seconds, "steps": steps, **told}


def of_digits(judge: Judge, samples: Tensor, labels: Tensor | None = None) -> dict[str, Any]:
    """All measures in the features of the judge, and how often a sample is of the class that was asked for."""
    with torch.no_grad():
        features = judge.net.features(samples)
        classes = judge.net.head(features).argmax(1)
    precision, recall = measures.precision_and_recall(judge.real, features)
    told = {**judge(samples), "kd_digits_cnn": measures.kernel_distance(judge.real, features)}
    obeyed = {} if labels is None else {"obeyed": float((classes == labels).double().mean())}
    return {**told, "precision": precision, "recall": recall, **obeyed}


def judge_of_digits() -> Judge:
    return Judge(*ganreg.create("dataset", "digits").tensors)


def digits(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Each recipe the same seconds: those of the first, with all its steps."""
    judge = judge_of_digits()
    for seed in asked.seeds:
        budget = None
        for name, words in DIGITS.items():
            if budget is None:
                steps = asked.steps or updates("dcgan")
            else:
                trial = Trained([*words, "--steps", "200", "--sample-every", "0"], seed)
                begun = Trained([*words, "--steps", "1", "--sample-every", "0"], seed)
                each = (trial.seconds - begun.seconds) / 199
                steps = max(200, int((budget - begun.seconds) / each))
            run = Trained([*words, "--steps", str(steps)], seed)
            budget = budget or run.seconds
            labels = torch.arange(PICTURES).remainder(10) if "conditional" in name else None
            trained = load_trained(run.run)
            samples = trained.sample(PICTURES, seed=SAMPLE_SEED, classes=range(10) if labels is not None else ())
            if asked.grids:
                save_grid(samples, asked.grids / f"digits-{name.replace(', ', '-')}-{seed}.png")
            told = of_digits(judge, samples, labels)
            yield {"who": name, "seed": seed, "seconds": run.seconds, "steps": steps, "words": list(words), **told}


def long(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The default recipe, five times its length: the measure along the way."""
    judge = judge_of_digits()
    steps = 5 * (asked.steps or updates("dcgan"))
    for seed in asked.seeds:
        run = Trained(
            ["--recipe", "dcgan", "--steps", str(steps), "--checkpoint-every", str(steps // 20), "--keep", "20"], seed
        )
        for path in run.checkpoints():
            with torch.no_grad():
                features = judge.net.features(run.sample(PICTURES, path))
            step = int(path.name.removeprefix("step-"))
            yield {"who": "dcgan", "seed": seed, "step": step, "fd_digits_cnn": frechet_distance(features, judge.real)}


def stacked(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """How many of the thousand, by the judge of digits on each channel."""
    judge = judge_of_digits()
    for seed in asked.seeds:
        for name, words in STACKED_RECIPES.items():
            run = Trained([*words, "--steps", str(asked.steps or 8000), "--sample-every", "0"], seed)
            samples = run.sample(STACKED)
            with torch.no_grad():
                digit = torch.cat([judge.net(one.flatten(0, 1)[:, None]).argmax(1) for one in samples.split(1000)])
            numbers = (digit.view(-1, 3) * torch.tensor([100, 10, 1])).sum(1)
            counts = torch.bincount(numbers, minlength=1000).double()
            if asked.grids:
                save_grid(samples.flatten(0, 1)[:, None], asked.grids / f"stacked-{name.split(',')[0]}-{seed}.png")
            told = {"modes": int((counts > 0).sum()), "reverse_kl": measures.divergence(counts)}
            yield {"who": name, "seed": seed, "seconds": run.seconds, "steps": run.steps(), "words": list(words), **told}


KINDS = {one.__name__: one for one in (points, digits, long, stacked)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="instead of the recipe's own")
    parser.add_argument("--layouts", nargs="+", default=["grid", "ring"])
    parser.add_argument("--only", nargs="*", help="of the points' losses")
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--grids", type=Path, help="folder for a picture of each one's samples")
    asked = parser.parse_args()
    if asked.grids:
        asked.grids.mkdir(parents=True, exist_ok=True)
    rows = []
    for row in KINDS[asked.kind](asked):
        print({key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}, flush=True)
        rows.append(row)
        if asked.json:
            record = {
                "kind": f"quality-{asked.kind}",
                "command": ["python", "-m", "benchmarks.quality", *sys.argv[1:]],
                **machine.describe("cpu"),
                "seeds": asked.seeds,
                "sample_seed": SAMPLE_SEED,
                "rows": rows,
            }
            asked.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
