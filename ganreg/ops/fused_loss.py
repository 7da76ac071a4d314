"""A plugin's own fused loss: its functor, compiled beside ganreg's kernel on first use, and the formula that defines it.

    HUBER = ganreg.FusedLoss("huber", struct="Huber", functor=Path(__file__).with_name("huber.h"), formula=huber)
    result = HUBER.pair(real_logits, fake_logits, real_target=1.0, fake_target=0.0, parameter=0.5, scale=scale)

The functor has the form of those in csrc/pointwise.h, without `curvature`, and gets all that they have: every instruction set
and dtype, one pass for value, gradients and statistics, the same bits for any number of threads, CUDA.  Where it cannot be
compiled, the formula computes in float64 and one line says why; `GANREG_KERNEL` and `GANREG_CPU` choose as they do for ours.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from ganreg.contracts import LossResult
from ganreg.ops import jit, library, pointwise_loss, reference
from ganreg.ops.library import KernelStatus
from ganreg.ops.rules import POINTWISE_LOSS, POINTWISE_LOSS_PAIR
from ganreg.ops.sources import Functor

Formula = Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor]]
"""Logits, their target (0-dim) and the parameter, in float64 -> loss and derivative of each."""

_lock = threading.Lock()
_statuses: dict[tuple[str, str], KernelStatus] = {}


class FusedLoss:
    """A pointwise loss with a kernel of its own.

    `struct` names the template in the file `functor`, which includes nothing and takes no name of csrc/pointwise.h; it is built
    from the target and the parameter and gives loss and derivative of a logit.  `formula(logits, target, parameter)` gives the
    same in plain torch.

    Raises ValueError for a name that is not of lower case letters, digits and '-', or a struct that the file does not hold,
    and for a file that includes others; OSError when the file cannot be read.
    """

    def __init__(self, name: str, *, struct: str, functor: Path, formula: Formula) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            raise ValueError(f"expected a name of lower case letters, digits and '-', got {name!r}")
        text = Path(functor).read_text(encoding="utf-8")
        if not re.search(rf"\bstruct\s+{re.escape(struct)}\b", text):
            raise ValueError(f"expected {functor} to hold 'struct {struct}'")
        if re.search(r"^\s*#\s*include", text, re.MULTILINE):
            raise ValueError(f"expected {functor} to include nothing: it is compiled inside ganreg's own namespace")
        self.functor = Functor(name, struct, text)
        self._formula = formula
        self._operators: dict[tuple[str, str], Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs: it compiles, or finds what is compiled, for itself."""
        return {**vars(self), "_operators": {}}

    def pair(
        self,
        real_logits: Tensor,
        fake_logits: Tensor,
        *,
        real_target: float,
        fake_target: float,
        parameter: float = 1.0,
        reduction: Literal["mean", "sum"] = "mean",
        scale: float | Tensor = 1.0,
    ) -> LossResult:
        """The discriminator's loss, of reals and of fakes each with its target; shapes and dtypes as `ops.pointwise_loss_pair`.

        Nothing of the result is differentiable: its gradients are the derivatives.
        """
        number, tensor = pointwise_loss.checked((real_logits, fake_logits), scale, parameter, real_target, fake_target)
        rest = (real_target, fake_target, number, tensor, reduction, parameter)
        value, grad_real, grad_fake, statistics = self._call("pointwise_loss_pair", (real_logits, fake_logits), rest)
        return LossResult(value, (grad_real, grad_fake), statistics)

    def single(
        self,
        logits: Tensor,
        *,
        target: float,
        is_real: bool = False,
        parameter: float = 1.0,
        reduction: Literal["mean", "sum", "none"] = "mean",
        scale: float | Tensor = 1.0,
    ) -> LossResult:
        """One side alone: the generator's loss is that of its fakes.  All else as `pair`."""
        number, tensor = pointwise_loss.checked((logits,), scale, parameter, target)
        rest = (target, is_real, number, tensor, reduction, parameter)
        value, grad, statistics = self._call("pointwise_loss", (logits,), rest)
        return LossResult(value, (grad,), statistics)

    def status(self, device: str = "cpu") -> KernelStatus:
        """Which kernel serves tensors there; compiled now if it has not been.  Raises KernelError as `GANREG_KERNEL` says."""
        key = (self.functor.namespace, device)
        with _lock:
            if key not in _statuses:
                _statuses[key] = self._decide(device)
            return _statuses[key]

    def _decide(self, device: str) -> KernelStatus:
        mode = library.mode()
        if mode == "reference":
            status = KernelStatus("reference", reason="GANREG_KERNEL=reference")
        elif device not in library.KEYS:
            status = KernelStatus("reference", reason=f"there is no native kernel for {device} tensors")
        else:
            status = self._build(device)
        if status.kind == "reference" and mode == "native":
            raise library.unavailable(status.reason, status.last_lines)
        if status.kind == "reference" and mode == "auto" and device in library.KEYS:
            library.tell_once(f"ganreg: the loss '{self.functor.name}' runs on its formula: {status.reason}")
        return status

    def _build(self, device: str) -> KernelStatus:
        """Compile, load, and declare what was loaded."""
        try:
            built = jit.build(device, self.functor)
        except jit.BuildError as error:
            return KernelStatus("reference", reason=error.reason, last_lines=error.last_lines, log=error.log)
        if refused := library.load(built.path):
            return KernelStatus("reference", reason=refused, compiler=built.compiler)
        _declare(self.functor.namespace)
        status = KernelStatus("compiled", built.path, "", built.compiler)
        return library.with_variant(status, self.functor.namespace) if device == "cpu" else status

    def _call(self, form: str, logits: tuple[Tensor, ...], rest: tuple[Any, ...]) -> Any:
        if torch._C._functorch.peek_interpreter_stack() is not None:
            raise NotImplementedError("a fused loss is not differentiable under torch.func: use the scalar methods there")
        if rest[4] not in ("mean", "sum", *["none"] * (len(logits) == 1)):
            raise ValueError(f"expected a reduction of mean or sum, for one side also none, got '{rest[4]}'")
        device = logits[0].device.type
        operator = self._operators.get((form, device))
        if operator is None and self.status(device).kind != "reference":
            operator = self._operators[form, device] = getattr(getattr(torch.ops, self.functor.namespace), form).default
        if operator is None:
            with torch.no_grad():
                return getattr(reference, form)(*logits, self._whole_formula, *rest)
        with torch._C._AutoDispatchBelowAutograd():
            return operator(*logits, self.functor.name, *rest)

    def _whole_formula(self, x: Tensor, target: Tensor, parameter: float) -> tuple[Tensor, Tensor, Tensor]:
        loss, derivative = self._formula(x, target, parameter)
        return loss, derivative.expand_as(x), torch.zeros_like(x)


_declared: dict[str, torch.library.Library] = {}


def _declare(namespace: str) -> None:
    """The schemas of a loaded library, once; a second device's joins them."""
    if namespace not in _declared:
        operators = torch.library.Library(namespace, "FRAGMENT")  # type: ignore[no-untyped-call]
        for schema in (POINTWISE_LOSS, POINTWISE_LOSS_PAIR):
            operators.define(schema)  # type: ignore[no-untyped-call]
        _declared[namespace] = operators
