"""CUDA graphs: the kernels of a phase are recorded once, then launched together, and the host does next to nothing in a step.

For each network its gradients are one graph (forward, loss, backward) and its update another (gate and optimizer); penalties
and the mean over ranks run eagerly between the two.  A graph reads and writes the same memory each time, so that what a step
brings is copied to where the recording found it, and gradients are always those of the recording.

What decides on the host while a network runs, by a step's number or a Python random number, is recorded as it was, and a
tensor that an attribute is bound to anew at each call stays the one of the recording.  Random numbers of the device go on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ganreg.engine.gate import takes_flag
from ganreg.nn.sync_batchnorm import SyncBatchNorm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ganreg.engine.networks import Player
    from ganreg.engine.work import Draw, Work

Part = tuple[str, str]
"""What is recorded by itself: ("discriminator", "gradients")."""
GIVEN = ("real", "labels", "latents", "fake_labels")
"""What a part of a batch brings along."""
WARM_UP = 3
"""Eager steps before the recording: cuDNN chooses its algorithms, the optimizer makes its state."""
MISFITS = 10
"""Batches of another shape than the recorded one, after which that is told."""

Replay = Callable[[], None]
Record = Callable[[Callable[[], None]], Replay]


@dataclass
class Held:
    """The memory that a recording reads and writes."""

    replay: Replay
    grads: list[tuple[nn.Parameter, Tensor]]
    values: dict[str, Tensor]
    draws: list[dict[str, Tensor | None]] = field(default_factory=list)


class Graphs:
    """Runs the parts of a step: as written at first, then from recordings.  `told` receives a line where one fails."""

    def __init__(self, parts: Iterable[Part], record: Record, told: Callable[[str], None]) -> None:
        self._parts = set(parts)
        self._record = record
        self._told = told
        self._runs: Counter[Part] = Counter()
        self._misfits: Counter[str] = Counter()
        self._held: dict[Part, Held] = {}

    def gradients(self, network: str, run: Callable[[Work], None], work: Work) -> None:
        """Forward and backward of a main phase."""
        held = self._main(network, run, work)
        if held is None or not _fits(held, work.draws):
            if held is not None:
                self._misfit(network)
            run(work)
            return
        for draw, mine in zip(work.draws, held.draws, strict=True):
            for name, tensor in mine.items():
                if name in GIVEN:
                    _hand_in(tensor, getattr(draw, name))
                setattr(draw, name, tensor)
        held.replay()
        work.values |= held.values
        _player(work, network).forget()  # a penalty may have reached weights that this does not
        for parameter, grad in held.grads:
            parameter.grad = grad

    def update(self, network: str, run: Callable[[Work], None], work: Work) -> None:
        """Gate and optimizer, from the gradients and the phase's total."""
        held = self._update(network, run, work)
        if held is None or [id(one) for one, _ in held.grads] != [id(one) for one, _ in _grads(work, network)]:
            run(work)
            return
        for parameter, grad in held.grads:
            _hand_in(grad, parameter.grad)
            parameter.grad = grad
        for name, value in held.values.items():
            _hand_in(value, work.values[name])
        held.replay()

    def _misfit(self, network: str) -> None:
        self._misfits[network] += 1
        if self._misfits[network] == MISFITS:
            self._told(
                f"the {network}'s gradients were recorded for another shape than {MISFITS} batches had, which run eagerly"
            )

    def _main(self, network: str, run: Callable[[Work], None], work: Work) -> Held | None:
        part = network, "gradients"
        if self._is_due(part) and part not in self._held:
            before = dict(work.values)
            replay = self._recorded(part, run, work)
            if replay is not None:
                values = {name: value for name, value in work.values.items() if before.get(name) is not value}
                self._held[part] = Held(replay, _grads(work, network), values, [_told_by(draw) for draw in work.draws])
        return self._held.get(part)

    def _update(self, network: str, run: Callable[[Work], None], work: Work) -> Held | None:
        part, total = (network, "update"), f"total_{network}"
        if self._is_due(part) and part not in self._held:
            work.values[total] = work.values[total].clone()
            replay = self._recorded(part, run, work)
            if replay is not None:
                self._held[part] = Held(replay, _grads(work, network), {total: work.values[total]})
        return self._held.get(part)

    def _is_due(self, part: Part) -> bool:
        self._runs[part] += 1
        return part in self._parts and self._runs[part] > WARM_UP

    def _recorded(self, part: Part, run: Callable[[Work], None], work: Work) -> Replay | None:
        try:
            return self._record(lambda: run(work))
        except RuntimeError as error:  # what waits for the device, or asks where it is, cannot be recorded
            self._parts.discard(part)
            first = error.__context__ or error  # what the end of a broken recording says is not why it broke
            why = (str(first).strip().splitlines() or [type(first).__name__])[0]
            self._told(f"the {part[0]}'s {part[1]} run without a CUDA graph, recording failed: {why}")
            return None


def _told_by(draw: Draw) -> dict[str, Tensor | None]:
    """What a recording leaves in a draw, for the eager penalties: no graph of autograd's."""
    return {**{name: getattr(draw, name) for name in GIVEN}, "fake": draw.fake.detach()}


def _grads(work: Work, network: str) -> list[tuple[nn.Parameter, Tensor]]:
    parameters = _player(work, network).network.parameters()
    return [(parameter, parameter.grad) for parameter in parameters if parameter.grad is not None]


def _player(work: Work, network: str) -> Player:
    return work.discriminator if network == "discriminator" else work.generator


def _fits(held: Held, draws: list[Draw]) -> bool:
    """Whether a batch is of the recorded shape: data that we do not order may end on a shorter one."""
    shapes = [[_shape(mine[name]) for name in GIVEN] for mine in held.draws]
    return shapes == [[_shape(getattr(draw, name)) for name in GIVEN] for draw in draws]


def _shape(tensor: Tensor | None) -> object:
    return None if tensor is None else (tensor.shape, tensor.dtype, tensor.stride())


def _hand_in(mine: Tensor | None, given: Tensor | None) -> None:
    if mine is not None and given is not None and mine is not given:
        mine.copy_(given)


def why_eager(work: Work) -> dict[Part, str]:
    """The parts that are not recorded, and why; makes the optimizers of the others ready for it."""
    reasons: dict[Part, str] = {}
    for network, optimizer in work.state.optimizers.items():
        joins = [one for one in work.regularizers if one.network in (network, "both") and getattr(one, "shares_forward", False)]
        if joins:
            reasons[network, "gradients"] = (
                f"{' and '.join(type(one).__name__ for one in joins)} joins them by rules of its own"
            )
        elif work.ranks.size > 1 and any(isinstance(one, SyncBatchNorm) for one in _modules(work)):
            reasons[network, "gradients"] = "its batch norm asks the other ranks"
        why = _why_not_recorded(optimizer)
        if why:
            reasons[network, "update"] = why
    return reasons


def _modules(work: Work) -> Iterator[nn.Module]:
    for player in (work.generator, work.discriminator):  # either may run in the other's phase
        yield from player.network.modules()


def _why_not_recorded(optimizer: Optimizer) -> str:
    name = type(optimizer).__name__
    if not takes_flag(optimizer):
        return f"{name} is not a fused optimizer"
    if any(group.get("schedules") for group in optimizer.param_groups):
        return f"{name} follows a schedule, and a recording keeps its numbers"
    if "capturable" in optimizer.defaults:
        for group in optimizer.param_groups:
            group["capturable"] = True
    return ""


class OnCard:
    """Records on a card, all graphs in one pool of memory."""

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator
        self._pool: Any = None

    def __call__(self, run: Callable[[], None]) -> Replay:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator)
        # thread_local: a thread that pins batches, or watches NCCL, may go on with its own calls meanwhile
        with torch.cuda.graph(graph, pool=self._pool, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"):
            run()
        self._pool = graph.pool()
        return graph.replay


@contextmanager
def stream_of_its_own(device: torch.device) -> Iterator[None]:
    """A recording cannot be made on the default stream, and autograd remembers the stream that a weight was first used on."""
    ours = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    theirs = torch.cuda.current_stream(device)
    ours.wait_stream(theirs)
    try:
        with torch.cuda.stream(ours):
            yield
    finally:
        theirs.wait_stream(ours)
