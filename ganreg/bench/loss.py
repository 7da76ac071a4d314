"""The fused loss beside torch's own: binary cross-entropy and its gradient at N logits.

    fused      pointwise_loss(x, target=1)                         value, gradient, statistics
    in place   the same, its gradient written over the logits
    eager      binary_cross_entropy_with_logits(x, ones), then backward()
    compiled   the same under torch.compile; its first call, which compiles, is not timed
    copy       the logits copied: the bytes that "fused" reads and writes, without arithmetic; its speed is the roof

The peers find their targets made and their gradient cleared.  A pair is the discriminator's step: N reals and N fakes,
two cross-entropies added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ganreg.bench import DTYPES, ROUNDS, SIZES, machine
from ganreg.bench.interleave import Contender, Timings, cuda_clock, interleave, wall_clock
from ganreg.errors import DeviceError
from ganreg.ops.pointwise_loss import pointwise_loss, pointwise_loss_pair

SCHEMA = 1
FUSED = ("fused", "in place")
PEERS = ("eager", "compiled", "copy")
NAMES = FUSED + PEERS
TARGETS = (1.0, 0.0)
"""Of the reals, or of the generator's fakes that would pass for them; of the fakes."""

Sides = Sequence[Tensor]


def measure(
    *,
    device: str = "cpu",
    dtypes: Sequence[str] = DTYPES[:1],
    sizes: Sequence[int] = SIZES,
    rounds: int = ROUNDS,
    pair: bool = False,
    tell: Callable[[str], object] = lambda line: None,
) -> dict[str, Any]:
    """Plain values, ready for JSON; `tell` hears what is being measured.

    Raises `DeviceError` where torch sees no card, and what `GANREG_KERNEL=native` raises where there is no kernel.
    """
    check_device(device)
    where = machine.describe(device)
    rows = []
    for dtype in dtypes:
        for num_logits in sizes:
            tell(f"{dtype}, {num_logits:,} logits")
            rows.append(_row(device, dtype, num_logits, rounds, pair))
    return {
        "schema": SCHEMA,
        "kind": "loss",
        "command": [*machine.switches(), *_command(device, dtypes, sizes, rounds, pair)],
        **where,
        "device": device,
        "pair": pair,
        "rounds": rounds,
        "rows": rows,
    }


def check_device(device: str) -> None:
    """Raises `DeviceError`."""
    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("torch sees no CUDA device", at="--device cuda", fix="ganreg bench loss --device cpu")


def contenders(sides: Sides, names: Iterable[str] = NAMES) -> tuple[dict[str, Contender], dict[str, str]]:
    """Logits of one side or two -> what can be timed on them, and why the rest cannot."""
    targets = [torch.full_like(logits, target) for logits, target in zip(sides, TARGETS, strict=False)]
    make: dict[str, Callable[[], Contender]] = {
        "fused": lambda: Contender(lambda: _fused(sides)),
        "in place": lambda: _in_place(sides),
        "eager": lambda: Contender(value_and_gradient(cross_entropy, sides, targets)),
        "compiled": lambda: _compiled(sides, targets),
        "copy": lambda: _copy(sides),
    }
    found, not_run = {}, {}
    for name in names:
        try:
            found[name] = make[name]()
        except Exception as error:
            if name != "compiled":
                raise
            not_run[name] = _first_line(error)  # torch.compile raises whatever its compiler does
    return found, not_run


def cross_entropy(sides: Sides, targets: Sides) -> Tensor:
    """Logits and targets of one side or two -> the mean, or the sum of both means, as the tutorials write it."""
    loss = F.binary_cross_entropy_with_logits(sides[0], targets[0])
    for logits, target in zip(sides[1:], targets[1:], strict=True):
        loss = loss + F.binary_cross_entropy_with_logits(logits, target)
    return loss


def value_and_gradient(
    loss_of: Callable[[Sides, Sides], Tensor], sides: Sides, targets: Sides
) -> Callable[[], tuple[Tensor, list[Tensor]]]:
    """A call that gives the loss and the leaves that hold its gradient."""
    leaves = [logits.detach().requires_grad_() for logits in sides]

    def run() -> tuple[Tensor, list[Tensor]]:
        for leaf in leaves:
            leaf.grad = None
        loss = loss_of(leaves, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss, leaves

    return run


def _fused(sides: Sides, *, in_place: bool = False) -> object:
    if len(sides) == 2:
        return pointwise_loss_pair(sides[0], sides[1], in_place=in_place)
    return pointwise_loss(sides[0], target=TARGETS[0], in_place=in_place)


def _in_place(sides: Sides) -> Contender:
    """Every call after a batch's first judges gradients: numbers as good as any, and the cost is the same for all numbers."""
    buffers = [logits.clone() for logits in sides]

    def refresh() -> None:
        for buffer, logits in zip(buffers, sides, strict=True):
            buffer.copy_(logits)

    return Contender(lambda: _fused(buffers, in_place=True), refresh)


def _compiled(sides: Sides, targets: Sides) -> Contender:
    torch.compiler.reset()  # else the ninth size meets the limit of recompilations
    run = value_and_gradient(torch.compile(cross_entropy, fullgraph=True, dynamic=False), sides, targets)
    run()
    return Contender(run)


def _copy(sides: Sides) -> Contender:
    copies = [torch.empty_like(logits) for logits in sides]

    def run() -> None:
        for copy, logits in zip(copies, sides, strict=True):
            copy.copy_(logits)

    return Contender(run)


def make_sides(device: str, dtype: str, num_logits: int, pair: bool) -> list[Tensor]:
    """Logits of a game that goes on: most within ±6."""
    generator = torch.Generator().manual_seed(0)
    made = [torch.randn(num_logits, generator=generator) * 2 for _ in TARGETS[: 1 + pair]]
    return [logits.to(device, getattr(torch, dtype)) for logits in made]


def _row(device: str, dtype: str, num_logits: int, rounds: int, pair: bool) -> dict[str, Any]:
    sides = make_sides(device, dtype, num_logits, pair)
    found, not_run = contenders(sides)
    timings = interleave(found, rounds=rounds, stopwatch=cuda_clock if device == "cuda" else wall_clock)
    num_bytes = 2 * sum(logits.numel() * logits.element_size() for logits in sides)
    return {
        "dtype": dtype,
        "num_logits": num_logits,
        "bytes": num_bytes,
        "contenders": {name: _told(timings, name, num_bytes) for name in found},
        "ratios": ratios(timings),
        "not_run": not_run,
    }


def _told(timings: Timings, name: str, num_bytes: int) -> dict[str, Any]:
    spread = timings.spread(name)
    return {
        **asdict(spread),
        "seconds": timings.seconds[name],
        "calls": timings.calls[name],
        "gigabytes_per_second": num_bytes / spread.median / 1e9,
    }


def ratios(timings: Timings) -> dict[str, dict[str, float]]:
    """ "eager / fused" and its like: how many times longer a peer takes; "copy / fused" is the share of the copy's speed."""
    return {
        f"{peer} / {ours}": asdict(timings.ratio(peer, ours))
        for ours in FUSED
        for peer in PEERS
        if {peer, ours} <= timings.seconds.keys()
    }


def _first_line(error: Exception) -> str:
    lines: list[str] = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _command(device: str, dtypes: Sequence[str], sizes: Sequence[int], rounds: int, pair: bool) -> list[str]:
    """The words that repeat the measurement, defaults written out."""
    several: Mapping[str, Sequence[object]] = {"--dtype": dtypes, "--sizes": sizes}
    words = [word for option, values in several.items() for value in values for word in (option, str(value))]
    return ["ganreg", "bench", "loss", "--device", device, *words, "--rounds", str(rounds), *(["--pair"] if pair else [])]
