"""The gate before the optimizer: a value or gradient that is not finite never reaches weights, moments, averages or buffers.

A gradient counts as finite while its 2-norm is (below about 1e19 in float32): beyond, Adam's squares are not.  Once closed the
gate stays closed, unless steps may be skipped (`most_skips`), and the run ends at the next look (`NonFiniteError`): weights
and moments hold every update before the refused one (D's of the same step, if G was the one to break), buffers and the
average are those of the last whole step.  The flag stays on the device: fused optimizers take it as `found_inf`; others cost
one host read a step.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ganreg.engine.distributed import ALONE, Ranks
from ganreg.engine.precision import Scaler
from ganreg.errors import NonFiniteError


class Gate:
    """Watches both networks' updates, and makes their gradients fit: unscaled, no longer than `clip`.

    A gradient that overflows under a loss scale is no fault of the game: that one update is skipped and the scale halved.
    """

    def __init__(
        self,
        networks: dict[str, nn.Module],
        device: torch.device,
        *,
        clip: float | None = None,
        scalers: Mapping[str, Scaler] | None = None,
        ranks: Ranks = ALONE,
        most_skips: int | None = None,
    ) -> None:
        self.clip = clip
        self.most_skips = most_skips  # None: the first one ends the run
        self._skips = torch.zeros((), dtype=torch.int64, device=device)  # steps that were skipped
        self._told = 0  # of them
        self._lengths = {name: torch.zeros((), device=device) for name in networks}  # of the last gradients, not clipped yet
        self.scalers = dict(scalers or {})
        self.closed = torch.zeros((), device=device)  # 1.0 once any broke
        self._lost = torch.zeros((), device=device)  # steps since
        self._lost_early = torch.zeros((), device=device)  # of them, those in which it was closed when G's turn came
        self._own = torch.zeros((), device=device)  # above 0 where this rank brought it
        self.broke_at: tuple[str, int] | None = None  # network and step, once that was read
        self._mine = torch.zeros((), device=device)  # 1 where this rank's own gradient, before the averaging, was not finite
        self.ranks = ranks
        self._buffers = [buffer for network in networks.values() for buffer in network.buffers()]
        self._good = [buffer.clone() for buffer in self._buffers]

    def open(self) -> None:
        """Begin anew, after a rollback."""
        for flag in (self.closed, self._lost, self._lost_early, self._own):
            flag.zero_()
        self.broke_at = None

    def begin_step(self) -> None:
        """Where a step may be skipped the gate opens again for the next one."""
        if self.most_skips is not None:
            self.closed.zero_()

    @torch.no_grad()
    def update(self, name: str, value: Tensor, optimizer: Optimizer) -> None:
        """Let the optimizer step if `value` and the gradients are finite, now and ever before."""
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        scaler = self.scalers.get(name)
        length = norm(grads) if grads else torch.zeros_like(self.closed)
        if name == "generator":
            self._lost_early.add_(self.closed)
        if self.ranks.size > 1:
            self._own.sub_(self._mine * self.closed)  # what broke before is no news
        refused = self.closed
        if scaler is None:
            _close(self.closed, value, length)
        else:
            _close(self.closed, value)
            overflow = _close(torch.zeros_like(self.closed), length)
            refused = torch.maximum(self.closed, overflow)
            torch._foreach_mul_(grads, 1.0 / scaler.scale)
            length = length / scaler.scale
        if self.ranks.size > 1:
            self._own.add_(self._mine * self.closed)
        self._lengths[name].copy_(length)
        if self.clip is not None and grads:
            torch._foreach_mul_(grads, (self.clip / (length + 1e-6)).clamp(max=1.0))
        if takes_flag(optimizer):
            optimizer.found_inf = refused  # type: ignore[attr-defined]  # torch's own protocol with GradScaler
            optimizer.step()
        elif not refused.item():
            optimizer.step()
        if scaler is not None:
            scaler.update(overflow)

    def note_own(self, finite: Tensor | None) -> None:
        """Among several ranks: whether what this one brought along was finite, before it was averaged with the others'."""
        if finite is not None:
            self._mine.copy_(~finite)

    @torch.no_grad()
    def end_of_step(self) -> None:
        """Remember the buffers of a good step; put them back after a refused one, before anything averages them."""
        if self.most_skips is None:
            self._lost += self.closed
        else:
            self._skips += self.closed.long()
        if not self._buffers:
            return
        closed = self.closed.bool()
        for good, buffer in zip(self._good, self._buffers, strict=True):
            torch.where(closed, good, buffer, out=good)
            buffer.copy_(good)

    def counts(self) -> dict[str, Tensor]:
        """For the log: the lengths of both gradients, before clipping; where steps may be skipped, how many were."""
        norms = {f"grad_{name[0]}": length for name, length in self._lengths.items()}
        return norms if self.most_skips is None else {**norms, "skipped": self._skips}

    def is_shut(self) -> bool:
        """Read the flag and raise nothing."""
        return bool(self._lost)

    def look(self, step: int) -> None:
        """Read the flag, on all ranks at the same step.  Raises NonFiniteError once the gate is closed, and names the rank."""
        for name, scaler in self.scalers.items():
            scaler.look(name)
        if self.most_skips is not None:
            self._look_at_skips(self.most_skips, step)
        lost = int(self._lost)
        if not lost:
            return
        culprit = "generator" if int(self._lost_early) < lost else "discriminator"
        told = self.ranks.gather(float(self._own), "a value broke")
        brought = [rank for rank, own in enumerate(told) if own]
        where = f" on rank {', '.join(map(str, brought))}" if brought else ""
        self.broke_at = culprit, step - lost + 1
        when = f"step {step - lost + 1}"
        raise NonFiniteError(
            f"the {culprit}'s loss or gradient is not finite{where}; nothing of it reached the weights, at {when}",
            at=when,
            fix="lower the learning rate, or resume from the last checkpoint with other settings",
        )

    def _look_at_skips(self, most: int, step: int) -> None:
        skips = int(self._skips)
        if skips > most:
            raise NonFiniteError(
                f"{skips} steps were not finite and skipped, more than {most}",
                at=f"step {step}",
                fix="lower the learning rate, or allow more with --max-nonfinite",
            )
        if skips > self._told:
            new, self._told = skips - self._told, skips
            told = f"{new} step{'s' if new > 1 else ''} up to {step} not finite and skipped, {skips} of at most {most} in all"
            warnings.warn(told, stacklevel=2)

    def state_dict(self) -> dict[str, Tensor]:
        """For a checkpoint: how often it was closed."""
        return {"skips": self._skips.clone()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """From a checkpoint."""
        if "skips" in state:  # else a run that might not skip was allowed to
            self._skips.copy_(state["skips"])
        self._told = int(self._skips)


def norm(grads: Sequence[Tensor]) -> Tensor:
    """The 2-norm of all, at least one, in float32 at least: on a CPU ten times as quick as the largest entry."""
    wide = [grad if grad.dtype.itemsize > 2 else grad.float() for grad in grads]
    length: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(wide)))
    return length


def _close(flag: Tensor, *values: Tensor) -> Tensor:
    """The flag, 0-dim, becomes 1.0 where one of the values, 0-dim, is not finite: 0 times that is nan.  In few operators."""
    for value in values:
        flag.add_(value, alpha=0)
    return flag.nan_to_num_(nan=1.0)


def takes_flag(optimizer: Optimizer) -> bool:
    """Whether the optimizer skips a step by a flag on the device (torch's fused ones do)."""
    return bool(getattr(optimizer, "_step_supports_amp_scaling", False))


def without_flag(optimizers: Iterable[Optimizer]) -> list[str]:
    """Names of optimizers that need one host read a step."""
    return sorted({type(optimizer).__name__ for optimizer in optimizers if not takes_flag(optimizer)})
