"""Fine-tuning: the first weights are another run's, where they fit; what does not keeps those it was built with, and is told.

A tensor fits where one of its name and shape was saved: with another number of classes all but what depends on the class, with
another resolution the levels that both have under one name.  Of the generator the averaged weights are taken, where there are.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ganreg.contracts import GAN
from ganreg.engine import checkpoint
from ganreg.errors import CheckpointError

SHOWN = 3
"""Names of tensors that are told; the number of the others follows."""


def fill(gan: GAN, source: str) -> tuple[Path, list[str]]:
    """Take what fits from a run, or from one of its checkpoints -> which checkpoint, a line for each network.

    Raises CheckpointError where there is none, where it is damaged, or where nothing fits.
    """
    path = Path(source).expanduser()
    if not path.is_dir():
        raise CheckpointError("the run directory does not exist", at=f"--init-from {source}", fix="give the path of a run")
    wanted = ("ema", "generator", "discriminator")
    is_one = checkpoint.STEP.fullmatch(path.name)
    chosen, (files, _) = (path, checkpoint.load(path, wanted)) if is_one else checkpoint.newest(path, wanted)
    saved = {"generator": files.get("ema", files["generator"]), "discriminator": files["discriminator"]}
    found = {name: _take(getattr(gan, name), saved[name]) for name in saved}
    if not any(count for count, _, _ in found.values()):
        raise CheckpointError(
            "none of its weights fits these networks", at=str(chosen), fix="use the networks and widths of that run"
        )
    return chosen, [_told(name, *one, chosen) for name, one in found.items()]


@torch.no_grad()
def _take(network: nn.Module, saved: dict[str, Tensor]) -> tuple[int, int, list[str]]:
    """Copy what fits -> how many tensors, of how many, and those left as they were built."""
    left = []
    state = network.state_dict()
    for name, tensor in state.items():
        if name not in saved:
            left.append(f"{name}, which is not there")
        elif saved[name].shape != tensor.shape:
            left.append(f"{name}, {list(tensor.shape)} here and {list(saved[name].shape)} there")
        else:
            tensor.copy_(saved[name])
    return len(state) - len(left), len(state), left


def _told(name: str, count: int, of: int, left: list[str], path: Path) -> str:
    more = f" and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
    rest = f"; left as built: {'; '.join(left[:SHOWN])}{more}" if left else ""
    return f"{name}: {count} of {of} tensors from {path}{rest}"
