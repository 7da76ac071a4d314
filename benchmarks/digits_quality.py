"""How good are the digits of the default run, beside those of a plain tutorial loop given the same seconds?

    python benchmarks/digits_quality.py --seeds 0 1 2 --json benchmarks/results/digits_quality.json

For each seed: `ganreg train --generator dcgan` as a process of its own, wall time and all; 2,000 samples of its EMA
weights; then the loop of the public tutorials (DCGAN of width 64, sigmoid and BCELoss, label tensors filled each step,
five `.item()` a step, Adam 2e-4 (0.5, 0.999), batch 64, no EMA) for the same wall seconds.  Both are judged by one
small classifier trained on half of the real digits and never on samples:

    share of each class, entropy of the shares (1 = uniform), mean confidence, share of samples above 0.9 confidence,
    fd_digits_cnn: the Frechet distance to the real digits in the classifier's 64 features.  Not an FID.

The floor is the distance between the two halves of the real data; it has fewer samples than the rest, so it is high.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

import ganreg
from ganreg.assembly.load import load_trained
from ganreg.components.metrics.frechet_distance import FrechetDistance

NUM_SAMPLES = 2000
SAMPLE_SEED = 7
NEEDED_ACCURACY = 0.97
LATENT_DIM = 100
WIDTH = 64
BATCH_SIZE = 64
HEAD = (
    f"{'who':<10} {'seed':>4} {'seconds':>7} {'fd_digits_cnn':>13} {'confidence':>10} "
    f"{'sure':>6} {'min share':>9} {'entropy':>8}"
)


# --- the judge --------------------------------------------------------------------------------------------------------


class Classifier(nn.Module):
    """Digits [N, 1, 16, 16] -> class logits [N, 10], by way of 64 features."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, stride=2, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(64 * 4 * 4, 64),
            nn.ReLU(),
        )
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits


def train_classifier(x: Tensor, y: Tensor, epochs: int = 40) -> Classifier:
    """Images [M, 1, 16, 16] and their labels [M] -> a classifier in eval mode; the same one each time."""
    torch.manual_seed(0)
    net = Classifier()
    optimizer = torch.optim.Adam(net.parameters(), 1e-3, weight_decay=1e-4)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(net(x[batch]), y[batch]).backward()
            optimizer.step()
    return net.eval()


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Features [N, F] and [M, F] -> Frechet distance, in float64."""
    return FrechetDistance()(a, b)


class Judge:
    """Judges samples by a classifier that was trained on one half of the real digits."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
        seen, held_out = order.chunk(2)
        self.net = train_classifier(x[seen], y[seen])
        with torch.no_grad():
            self.real = self.net.features(x)
            self.accuracy = (self.net(x[held_out]).argmax(1) == y[held_out]).float().mean().item()
        self.floor = frechet_distance(self.real[seen], self.real[held_out])
        if self.accuracy < NEEDED_ACCURACY:
            raise SystemExit(f"the classifier judges {self.accuracy:.1%} of held-out digits right: too few to be a judge")

    @torch.no_grad()
    def __call__(self, samples: Tensor) -> dict[str, Any]:
        """Samples [N, 1, 16, 16] in [-1, 1] -> the measures named in this file's first lines."""
        features = self.net.features(samples)
        confidence, classes = self.net.head(features).softmax(1).max(1)
        shares = torch.bincount(classes, minlength=10) / len(samples)
        return {
            "fd_digits_cnn": frechet_distance(features, self.real),
            "confidence": confidence.mean().item(),
            "sure": (confidence > 0.9).float().mean().item(),
            "min_share": shares.min().item(),
            "entropy": -(shares * shares.clamp_min(1e-12).log()).sum().item() / math.log(10),
            "shares": [round(share, 4) for share in shares.tolist()],
        }


# --- the two that are judged ------------------------------------------------------------------------------------------


def default_run(seed: int, out: Path, extra: list[str]) -> tuple[Tensor, float, list[str]]:
    """The default command in a process of its own -> samples of its EMA weights, wall seconds, the command."""
    command = [sys.executable, "-m", "ganreg", "train", "--generator", "dcgan", "--out", str(out), "--seed", str(seed)]
    command += extra
    start = time.perf_counter()
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    seconds = time.perf_counter() - start
    if ended.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stdout[-4000:]}")
    return load_trained(out).sample(NUM_SAMPLES, seed=SAMPLE_SEED), seconds, command


def tutorial_networks() -> tuple[nn.Module, nn.Module]:
    """DCGAN as the public tutorials write it, for 16x16 and one channel."""
    generator = nn.Sequential(
        nn.ConvTranspose2d(LATENT_DIM, WIDTH * 2, 4, 1, 0, bias=False),
        nn.BatchNorm2d(WIDTH * 2),
        nn.ReLU(True),
        nn.ConvTranspose2d(WIDTH * 2, WIDTH, 4, 2, 1, bias=False),
        nn.BatchNorm2d(WIDTH),
        nn.ReLU(True),
        nn.ConvTranspose2d(WIDTH, 1, 4, 2, 1, bias=False),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(1, WIDTH, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(WIDTH, WIDTH * 2, 4, 2, 1, bias=False),
        nn.BatchNorm2d(WIDTH * 2),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(WIDTH * 2, 1, 4, 1, 0, bias=False),
        nn.Sigmoid(),
    )
    for network in (generator, discriminator):
        for layer in network:
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(layer.weight, 0.0, 0.02)
            elif isinstance(layer, nn.BatchNorm2d):
                nn.init.normal_(layer.weight, 1.0, 0.02)
                nn.init.zeros_(layer.bias)
    return generator, discriminator


def tutorial_run(x: Tensor, seed: int, seconds: float) -> tuple[Tensor, int]:
    """The loop of the public tutorials for so many wall seconds -> samples, steps."""
    torch.manual_seed(seed)
    generator, discriminator = tutorial_networks()
    criterion = nn.BCELoss()
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x), batch_size=BATCH_SIZE, shuffle=True)
    end, steps = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        for (real,) in loader:
            discriminator.zero_grad()
            label = torch.full((len(real),), 1.0)
            output = discriminator(real).view(-1)
            loss_real = criterion(output, label)
            loss_real.backward()
            output.mean().item()
            fake = generator(torch.randn(len(real), LATENT_DIM, 1, 1))
            label.fill_(0.0)
            output = discriminator(fake.detach()).view(-1)
            loss_fake = criterion(output, label)
            loss_fake.backward()
            output.mean().item()
            (loss_real + loss_fake).item()
            optimizer_d.step()
            generator.zero_grad()
            label.fill_(1.0)
            output = discriminator(fake).view(-1)
            loss = criterion(output, label)
            loss.backward()
            loss.item()
            output.mean().item()
            optimizer_g.step()
            steps += 1
            if time.perf_counter() >= end:
                break
    latents = torch.randn(NUM_SAMPLES, LATENT_DIM, 1, 1, generator=torch.Generator().manual_seed(SAMPLE_SEED))
    with torch.no_grad():  # in training mode still, as the tutorials sample
        return generator(latents), steps


# --- the report -------------------------------------------------------------------------------------------------------


def save_grid(samples: Tensor, path: Path, across: int = 16, scale: int = 3) -> None:
    """The first across x across samples, one pixel apart, as one PNG."""
    pixels = ((samples[: across * across] + 1) * 127.5).clamp(0, 255)
    cells = F.pad(pixels, (1, 1, 1, 1), value=90.0).byte().view(across, across, 18, 18)
    picture = Image.fromarray(cells.permute(0, 2, 1, 3).reshape(across * 18, across * 18).numpy())
    picture.resize((across * 18 * scale,) * 2, Image.Resampling.BICUBIC).save(path)


def processor() -> str:
    """The processor's name where Linux tells it, else what Python knows."""
    told = Path("/proc/cpuinfo")
    if told.exists():
        for line in told.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def row(name: str, seed: int | str, seconds: float, told: dict[str, Any]) -> str:
    return (
        f"{name:<10} {seed:>4} {seconds:>7.1f} {told['fd_digits_cnn']:>13.2f} {told['confidence']:>10.4f} "
        f"{told['sure']:>6.3f} {told['min_share']:>9.3f} {told['entropy']:>8.4f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, help="for the tutorial loop; default: what the default run took")
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--grids", type=Path, help="folder for a picture of each one's samples")
    parser.add_argument("--no-tutorial", action="store_true", help="judge the default run alone")
    parser.add_argument("--no-default", action="store_true", help="judge the tutorial loop alone; needs --seconds")
    parser.add_argument("extra", nargs="*", help="further words for ganreg train, after --")
    asked = parser.parse_args()
    if asked.no_default and asked.seconds is None:
        parser.error("--no-default needs --seconds")

    x, y = ganreg.create("dataset", "digits").tensors
    judge = Judge(x, y)
    real = judge(x)
    print(f"classifier: {judge.accuracy:.2%} of held-out digits right; real halves fd_digits_cnn {judge.floor:.2f}")
    print(HEAD)
    print(row("real", "", 0.0, real), flush=True)
    if asked.grids:
        asked.grids.mkdir(parents=True, exist_ok=True)
    results: list[dict[str, Any]] = []
    command: list[str] = []
    for seed in asked.seeds:
        seconds = asked.seconds or 0.0
        if not asked.no_default:
            with tempfile.TemporaryDirectory() as folder:
                samples, taken, command = default_run(seed, Path(folder) / "run", asked.extra)
            results.append({"who": "ganreg", "seed": seed, "seconds": taken, **judge(samples)})
            print(row("ganreg", seed, taken, results[-1]), flush=True)
            seconds = asked.seconds or taken
            if asked.grids:
                save_grid(samples, asked.grids / f"ganreg-{seed}.png")
        if not asked.no_tutorial:
            samples, steps = tutorial_run(x, seed, seconds)
            results.append({"who": "tutorial", "seed": seed, "seconds": seconds, "steps": steps, **judge(samples)})
            print(row("tutorial", seed, seconds, results[-1]), flush=True)
            if asked.grids:
                save_grid(samples, asked.grids / f"tutorial-{seed}.png")

    medians = {
        who: {
            key: statistics.median(told[key] for told in results if told["who"] == who)
            for key in ("seconds", "fd_digits_cnn", "confidence", "sure", "min_share", "entropy")
        }
        for who in dict.fromkeys(told["who"] for told in results)
    }
    for who, told in medians.items():
        print(row(who, "med", told["seconds"], told))
    if asked.json:
        named = ["python", *command[1:]] if command else []
        record = {
            "processor": processor(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "command": ["RUN" if before == "--out" else word for before, word in zip(["", *named], named, strict=False)],
            "seeds": asked.seeds,
            "num_real": len(x),
            "num_samples": NUM_SAMPLES,
            "sample_seed": SAMPLE_SEED,
            "weights": {"ganreg": "EMA", "tutorial": "last"},
            "extractor": "64 features of a classifier trained on half of the real digits",
            "classifier_accuracy": judge.accuracy,
            "real_halves_fd_digits_cnn": judge.floor,
            "real": real,
            "results": results,
            "medians": medians,
        }
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
