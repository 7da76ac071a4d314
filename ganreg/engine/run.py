"""A run: what was asked for, and what its observers may see."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ganreg import __version__
from ganreg.contracts import GAN, DataSpec
from ganreg.engine.distributed import ALONE, Ranks
from ganreg.engine.modes import in_use
from ganreg.engine.sampling import Labels, refresh, sample, stream
from ganreg.engine.settings import RunSettings as RunSettings

if TYPE_CHECKING:
    from torch import Tensor

    from ganreg.engine.measuring import Measuring
    from ganreg.engine.state import State


@dataclass
class Run:
    """One training run, as an observer sees it."""

    gan: GAN
    spec: DataSpec
    settings: RunSettings
    config: Mapping[str, Any]
    state: State
    total_steps: int
    equilibrium: tuple[float, float] | None = None
    directory: Path | None = None
    reals: Tensor | None = None
    ranks: Ranks = ALONE
    precision: str = "fp32"
    repeatable: bool = True  # every part was named, so that the configuration alone repeats the run

    word: str = ""  # the watchdog's last, while it holds
    shown: list[str] = field(default_factory=list)  # where trackers show it
    measuring: Measuring | None = None  # what is measured while it trains
    notes: Sequence[str] = ()  # what was taken from elsewhere, for whoever starts it
    labels: Labels = field(default_factory=Labels)
    origins: Mapping[str, str] = field(default_factory=dict)  # "loss.hinge" -> the distribution and version it came with

    def identity(self) -> dict[str, Any]:
        """What must be the same when this run goes on: its configuration, data, and plugins' versions."""
        plugins = {part: origin for part, origin in self.origins.items() if origin.split()[0] != "ganreg"}
        return {**self.config, "data": self.state.batches.source.fingerprint(), "versions": plugins}

    def refresh(self) -> None:
        """Give the averaged generator batch norm statistics of its own."""
        if self.state.ema is not None:
            refresh(self.averaged, labels=self.labels, device=self.state.device)

    def sample(self, count: int, *, seed: int) -> Tensor:
        """Samples [count, *spec.shape] of the averaged generator, from this seed alone."""
        self.refresh()
        with in_use(self.state.optimizers["generator"]) if self.state.ema is None else nullcontext():
            return sample(self.averaged, count, labels=self.labels, seed=seed, device=self.state.device)

    def samples(self, count: int, *, seed: int) -> Iterator[Tensor]:
        """The same as batches [N, *spec.shape], for more than fit into memory."""
        self.refresh()
        with in_use(self.state.optimizers["generator"]) if self.state.ema is None else nullcontext():
            yield from stream(self.averaged, count, labels=self.labels, seed=seed, device=self.state.device)

    def facts(self) -> dict[str, str]:
        """What every rank of the run must hold alike."""
        digest = sha256()
        for network in self.gan:
            for parameter in network.parameters():
                digest.update(parameter.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes())
        return {
            "configuration": json.dumps(self.config, sort_keys=True, default=str),
            "version": f"ganreg {__version__}, torch {torch.__version__}",
            "data": self.state.batches.source.fingerprint(),
            "step": str(self.state.step),
            "weights": digest.hexdigest(),
        }

    @property
    def averaged(self) -> Any:
        """The generator to sample from: the moving average where there is one, else G itself."""
        return self.state.ema.module if self.state.ema is not None else self.gan.generator
