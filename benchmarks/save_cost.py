"""What saving costs a run: the time that saves take from training, over the time that is trained between two of them.

    python -m benchmarks.save_cost [--json FILE]

An MLP GAN whose generator and discriminator hold 100 MB trains on two cores; its checkpoints hold both, the average and two
moments a weight, 351 MB.  Windows of steps with a save that begins with the window and without take turns; the
median difference of neighbours is what a save costs: the copy of the state, and what writing it in the background slows.  At
default settings a run saves five times.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch

import ganreg
from ganreg.assembly.config import DEFAULT_STEPS
from ganreg.bench import machine
from ganreg.engine import checkpoint

HIDDEN = (2048, 4400)  # both networks together: 100 MB of float32
WINDOW = 16  # steps, longer than a save takes
ROUNDS = 9
SAVES = 5  # of a run at default settings


class Saves(ganreg.Observer):
    """Times windows, by whether they end just before a save; the one after is slowed by it."""

    every = 1

    def __init__(self) -> None:
        self.windows: dict[bool, list[float]] = {True: [], False: []}
        self.began = 0.0

    def stepped(self, step: int, values: Any) -> None:
        if step % WINDOW == 0:
            now, saved = time.perf_counter(), (step // WINDOW) % 2 == 0
            if self.began and step > 2 * WINDOW:
                self.windows[saved].append(now - self.began)
            self.began = now


def main() -> None:
    """Measure, and write it down."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", type=Path)
    asked = options.parse_args()
    spec = ganreg.DataSpec((1, 28, 28), value_range=(-1.0, 1.0))
    gan = ganreg.GAN(
        ganreg.create("generator", "mlp", spec=spec, hidden=HIDDEN),
        ganreg.create("discriminator", "mlp", spec=spec, hidden=HIDDEN[::-1]),
    )
    weights = sum(parameter.nbytes for network in gan for parameter in network.parameters())
    saves = Saves()
    steps = 2 * WINDOW * (ROUNDS + 1)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        ganreg.train_gan(
            gan,
            torch.rand(1024, 1, 28, 28) * 2 - 1,
            steps=steps,
            batch_size=64,
            precision="fp32",
            out=Path(folder) / "run",
            checkpoint_every=2 * WINDOW,
            sample_every=0,
            keep=1,
            observers=[saves],
            progress=False,
        )
        newest = checkpoint.checkpoints(Path(folder) / "run")[-1]
        size = sum(path.stat().st_size for path in newest.iterdir())
    # the save of step 2k * WINDOW falls into the window that begins there, which ends at an odd multiple
    pairs = [one - other for one, other in zip(saves.windows[False], saves.windows[True], strict=False)]
    cost = median(pairs)
    step = median(saves.windows[True]) / WINDOW
    between = DEFAULT_STEPS / SAVES * step
    told = {
        "schema": 1,
        "kind": "save-cost",
        "command": ["python", "-m", "benchmarks.save_cost"],
        **machine.describe("cpu"),
        "weight_bytes": weights,
        "checkpoint_bytes": size,
        "seconds_a_step": step,
        "seconds_a_save_costs": cost,
        "quartiles": quantiles(pairs, n=4),
        "default_steps_between_saves": DEFAULT_STEPS // SAVES,
        "share": cost / between,
        "windows": {"with a save": saves.windows[False], "without": saves.windows[True]},
    }
    print(f"{weights / 1e6:.0f} MB of weights, {size / 1e6:.0f} MB a checkpoint; a step takes {step * 1e3:.0f} ms")
    share = 100 * cost / between
    print(f"a save costs {cost:.2f} s, {share:.1f} % of the {between:.0f} s between two saves at default settings")
    if asked.json:
        asked.json.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
