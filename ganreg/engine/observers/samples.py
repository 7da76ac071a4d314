"""Sample grids: the same latents every time, averaged weights, beside a grid of real samples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from ganreg.contracts import Observer
from ganreg.engine.run import Run
from ganreg.pictures import picture

POINTS = 2048
IMAGES = 64


class SampleGrids(Observer):
    """Writes RUN/samples/reals.png and step-00001000.png; nothing for samples that are neither images nor points."""

    required = True

    def __init__(self, directory: Path, every: int) -> None:
        self.directory = directory
        self.every = every

    def started(self, run: Run) -> None:
        """The reals, once."""
        self.run = run
        self.directory.mkdir(exist_ok=True)
        if run.reals is not None:
            self._write("reals", run.reals)

    def stepped(self, step: int, values: Mapping[str, float]) -> None:
        """What G makes now."""
        count = IMAGES if self.run.spec.is_image else POINTS
        self._write(f"step-{step:08d}", self.run.sample(count, seed=self.run.settings.seed))

    def _write(self, name: str, samples: torch.Tensor) -> None:
        made = picture(samples)
        if made is not None:
            made.save(self.directory / f"{name}.png")
