"""Sample grids: the same latents every time, averaged weights, beside a grid of real samples.

Written into the run's directory, and shown to whoever wants to see them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from PIL import Image

from ganreg.contracts import Observer
from ganreg.engine.run import Run
from ganreg.pictures import picture

POINTS = 2048
IMAGES = 64


class SampleGrids(Observer):
    """Writes RUN/samples/reals.png and step-00001000.png; nothing for samples that are neither images nor points.

    Without a directory nothing is written.  `show` gets "reals" or "samples", and the picture.
    """

    required = True

    def __init__(self, directory: Path | None, every: int) -> None:
        self.directory = directory
        self.every = every
        self.show: Callable[[str, Image.Image], object] = lambda name, made: None

    def started(self, run: Run) -> None:
        """The reals, once."""
        self.run = run
        if self.directory is not None:
            self.directory.mkdir(exist_ok=True)
        if run.reals is not None:
            self._write("reals", "reals", run.reals)

    def stepped(self, step: int, values: Mapping[str, float]) -> None:
        """What G makes now."""
        count = IMAGES if self.run.spec.is_image else POINTS
        self._write("samples", f"step-{step:08d}", self.run.sample(count, seed=self.run.settings.seed))

    def _write(self, name: str, stem: str, samples: torch.Tensor) -> None:
        made = picture(samples)
        if made is None:
            return
        if self.directory is not None:
            made.save(self.directory / f"{stem}.png")
        self.show(name, made)
