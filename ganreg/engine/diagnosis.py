"""After a value that was not finite: which phase, module or weight was first, and everything to run that step again.

    RUN/crash/   batch.safetensors  random.safetensors  generator.safetensors  discriminator.safetensors  state.json

The gate kept weights and buffers as they were before the refused update, so that the step is run once more, watched, without
an update.  What a loss or data set does by counters of its own may not happen again; that is said, too.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganreg.engine import checkpoint
from ganreg.engine.gate import norm
from ganreg.engine.phases import Phase
from ganreg.engine.run import Run
from ganreg.engine.work import Work
from ganreg.errors import GanregError, NonFiniteError

NOT_AGAIN = "it did not happen again when the step was run once more"


class Watch:
    """The first output of a module that is not finite."""

    def __init__(self) -> None:
        self.first = ""

    @contextmanager
    def over(self, networks: dict[str, nn.Module]) -> Iterator[None]:
        """Watch while the body runs."""
        handles = [
            module.register_forward_hook(self._seen(f"{network}.{name}" if name else network))
            for network, root in networks.items()
            for name, module in root.named_modules()
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _seen(self, name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            tensors = output if isinstance(output, tuple) else (getattr(output, "logits", output),)
            if not self.first and not all(_is_finite(one) for one in tensors if isinstance(one, Tensor)):
                self.first = f"the output of {name}"

        return hook


def explained(error: NonFiniteError, run: Run, work: Work, turn: Sequence[Phase]) -> NonFiniteError:
    """The same error with what was first, and where the step lies to be run again."""
    if work.gate.broke_at is None:
        return error
    network, step = work.gate.broke_at
    streams = work.trail.back_to(step - 1, work.state)
    if streams is None:
        return error
    first, phase = _run_again(work, turn, network)
    where = f"{phase} phase of step {step}"
    fix = error.fix
    if run.directory is not None:
        try:
            _write(run.directory / "crash", work, streams, {"step": step, "network": network, "phase": phase, "first": first})
            fix = f"{fix}; the step lies in {run.directory / 'crash'}"
        except (OSError, GanregError) as unwritten:
            fix = f"{fix} (the step could not be written down: {unwritten})"
    return NonFiniteError(f"{error.what}; first: {first}", at=where, fix=fix)


def _run_again(work: Work, turn: Sequence[Phase], network: str) -> tuple[str, str]:
    """The phases up to the one that broke, without updates -> what was first, the phase."""
    networks = {"discriminator": work.discriminator.network, "generator": work.generator.network}
    work.graphs, work.values = None, {}
    work.discriminator.call, work.generator.call = work.discriminator.network, work.generator.network
    watch, phase = Watch(), f"{network} main"
    work.begin_step()
    with watch.over(networks):
        for one in turn:
            if one.name.endswith(" update") or work.state.step % one.interval:
                continue
            one.run(work)
            if not one.name.startswith(network):
                continue
            phase = one.name
            found = watch.first or _first_in(work, network, networks[network])
            if found:
                return found, phase
    return NOT_AGAIN, phase


def _first_in(work: Work, network: str, module: nn.Module) -> str:
    for draw in work.draws:
        if not _is_finite(draw.real):
            return "the batch"
    names = [name for name, value in work.values.items() if name.startswith("penalty_") and not _is_finite(value)]
    if names:
        return f"the value of {names[0]}"
    if not _is_finite(work.values[f"total_{network}"]):
        return "the loss"
    grads = {name: one.grad for name, one in module.named_parameters() if one.grad is not None}
    broken = next((name for name, grad in grads.items() if not _is_finite(grad)), "")
    if broken or not grads or _is_finite(norm(list(grads.values()))):
        return f"the gradient of {network}.{broken}" if broken else ""
    longest = max(grads, key=lambda name: float(grads[name].abs().double().norm()))
    return f"the length of the gradients, the longest that of {network}.{longest}"


def _is_finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor.detach()).all())


def _write(folder: Path, work: Work, streams: dict[str, Tensor], told: dict[str, Any]) -> None:
    """No pickle; over what an earlier crash left."""
    shutil.rmtree(folder, ignore_errors=True)
    batch: dict[str, Tensor] = {}
    for number, draw in enumerate(work.draws):
        for name in ("real", "labels", "latents", "fake_labels", "fake"):
            value = getattr(draw, name, None)
            if value is not None:
                batch[f"{number}.{name}"] = value
    files = {
        "batch": batch,
        "random": streams,
        "generator": dict(work.generator.network.state_dict()),
        "discriminator": dict(work.discriminator.network.state_dict()),
    }
    values = {name: float(value) for name, value in work.values.items() if value.dim() == 0}
    folder.mkdir()
    for name, content in checkpoint.packed(files).items():
        (folder / name).write_bytes(content)
    (folder / "state.json").write_text(json.dumps({**told, "values": values}, indent=1) + "\n", encoding="utf-8")
