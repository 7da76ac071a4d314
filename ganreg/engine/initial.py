"""Fine-tuning: the first weights are another run's, where they fit; what does not keeps those it was built with, and is told.

A tensor fits where one of its name and shape was saved: with another number of classes all but what depends on the class.  With
another resolution a network has more levels, or fewer, and those at the image are the same: a discriminator's first ones, a
generator's last ones, whose numbers are moved to where they stand now.  Of the generator the averaged weights are taken, where
there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ganreg.contracts import GAN
from ganreg.engine import checkpoint
from ganreg.errors import CheckpointError

SHOWN = 3
"""Names of tensors that are told; the number of the others follows."""

NUMBERED = re.compile(r"(.*?\.)(\d+)(\..*)")
"""The name of a tensor in a list of layers: what stands before the first number, the number, the rest."""


def fill(gan: GAN, source: str) -> tuple[Path, list[str]]:
    """Take what fits from a run, or from one of its checkpoints -> which checkpoint, a line for each network.

    Raises CheckpointError where there is none, where it is damaged, or where nothing fits.
    """
    try:
        path = Path(source).expanduser()
        there = path.is_dir()
    except (OSError, RuntimeError):  # no file can have such a name; the home of nobody
        there = False
    if not there:
        raise CheckpointError("the run directory does not exist", at=f"--init-from {source}", fix="give the path of a run")
    wanted = ("ema", "generator", "discriminator")
    is_one = checkpoint.STEP.fullmatch(path.name)
    chosen, (files, _) = (path, checkpoint.load(path, wanted)) if is_one else checkpoint.newest(path, wanted)
    saved = {"generator": files.get("ema", files["generator"]), "discriminator": files["discriminator"]}
    saved["generator"] = _from_the_end(saved["generator"], gan.generator.state_dict())
    found = {name: _take(getattr(gan, name), saved[name]) for name in saved}
    if not any(taken.share for taken in found.values()):
        raise CheckpointError(
            "none of its weights fits these networks", at=str(chosen), fix="use the networks and widths of that run"
        )
    return chosen, [_told(name, taken, chosen) for name, taken in found.items()]


@dataclass(frozen=True, slots=True)
class Taken:
    """How many tensors, of how many, which share of the weights they are, and what was left as it was built."""

    count: int
    of: int
    share: float
    left: list[str]


@torch.no_grad()
def _take(network: nn.Module, saved: Mapping[str, Tensor]) -> Taken:
    """Copy what fits."""
    left: list[str] = []
    state = network.state_dict()
    weights = dict(network.named_parameters())
    taken = 0
    for name, tensor in state.items():
        if name not in saved:
            left.append(f"{name}, which is not there")
        elif saved[name].shape != tensor.shape:
            left.append(f"{name}, {list(tensor.shape)} here and {list(saved[name].shape)} there")
        else:
            tensor.copy_(saved[name])
            taken += tensor.numel() if name in weights else 0
    return Taken(len(state) - len(left), len(state), taken / max(sum(one.numel() for one in weights.values()), 1), left)


def _from_the_end(saved: Mapping[str, Tensor], built: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The saved tensors, those in lists of layers renumbered so that the last layer of each list is the last one here."""
    last_saved, last_built = _last(saved), _last(built)
    moved: dict[str, Tensor] = {}
    for name, tensor in saved.items():
        found = NUMBERED.match(name)
        shift = last_built.get(found[1], 0) - last_saved[found[1]] if found and found[1] in last_built else 0
        moved[f"{found[1]}{int(found[2]) + shift}{found[3]}" if found and shift else name] = tensor
    return moved


def _last(names: Iterable[str]) -> dict[str, int]:
    """The largest number that follows each beginning of a name: "blocks." -> 2."""
    last: dict[str, int] = {}
    for name in names:
        if found := NUMBERED.match(name):
            last[found[1]] = max(last.get(found[1], 0), int(found[2]))
    return last


def _told(name: str, taken: Taken, path: Path) -> str:
    more = f" and {len(taken.left) - SHOWN} more" if len(taken.left) > SHOWN else ""
    rest = f"; left as built: {'; '.join(taken.left[:SHOWN])}{more}" if taken.left else ""
    return f"{name}: {taken.count} of {taken.of} tensors, {taken.share:.0%} of the weights, from {path}{rest}"
