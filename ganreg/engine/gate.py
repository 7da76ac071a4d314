"""The gate before the optimizer: a value or gradient that is not finite never reaches weights, moments, averages or buffers.

A gradient counts as finite while its 2-norm is (below about 1e19 in float32).  Once closed the gate stays closed, and the run
ends at the next look (`NonFiniteError`): weights and moments hold every update before the refused one (D's of the same step, if
G was the one to break), buffers and the average are those of the last whole step.  The flag stays on the device: fused
optimizers take it as `found_inf`; others cost one host read a step.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from ganreg.errors import NonFiniteError


class Gate:
    """Watches both networks' updates."""

    def __init__(self, networks: dict[str, nn.Module], device: torch.device) -> None:
        self._names = list(networks)
        self._broke = torch.zeros(len(networks), device=device)  # [networks] 1 for the one that was first
        self.closed = torch.zeros((), device=device)  # 1.0 once any broke
        self._lost = torch.zeros((), device=device)  # steps since
        self._buffers = [buffer for network in networks.values() for buffer in network.buffers()]
        self._good = [buffer.clone() for buffer in self._buffers]

    @torch.no_grad()
    def update(self, name: str, value: Tensor, optimizer: Optimizer) -> None:
        """Let the optimizer step if `value` and the gradients are finite, now and ever before."""
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        norm = get_total_norm(grads).to(self.closed.device)  # the 2-norm: on a CPU ten times as quick as the largest entry
        finite = torch.isfinite(value) & torch.isfinite(norm)
        broken = (~finite).float() * (1.0 - self.closed)
        self._broke[self._names.index(name)] += broken
        self.closed += broken
        if takes_flag(optimizer):
            optimizer.found_inf = self.closed  # type: ignore[attr-defined]  # torch's own protocol with GradScaler
            optimizer.step()
        elif not self.closed.item():
            optimizer.step()

    @torch.no_grad()
    def end_of_step(self) -> None:
        """Remember the buffers of a good step; put them back after a refused one, before anything averages them."""
        self._lost += self.closed
        closed = self.closed.bool()
        for good, buffer in zip(self._good, self._buffers, strict=True):
            torch.where(closed, good, buffer, out=good)
            buffer.copy_(good)

    def look(self, step: int) -> None:
        """Read the flag.  Raises NonFiniteError once the gate is closed."""
        lost = int(self._lost)
        if not lost:
            return
        culprit = self._names[int(self._broke.argmax())]
        raise NonFiniteError(
            f"the {culprit}'s loss or gradient is not finite; nothing of it reached the weights, at step {step - lost + 1}",
            at=f"step {step - lost + 1}",
            fix="lower the learning rate, or resume from the last checkpoint with other settings",
        )


def takes_flag(optimizer: Optimizer) -> bool:
    """Whether the optimizer skips a step by a flag on the device (torch's fused ones do)."""
    return bool(getattr(optimizer, "_step_supports_amp_scaling", False))


def without_flag(optimizers: Iterable[Optimizer]) -> list[str]:
    """Names of optimizers that need one host read a step."""
    return sorted({type(optimizer).__name__ for optimizer in optimizers if not takes_flag(optimizer)})
