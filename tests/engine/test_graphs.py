"""Recorded phases do what the written ones do.  A stand-in plays the recordings here; tests for a card: test_cuda.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from ganreg.components.regularizers.r1 import R1
from ganreg.engine.graphs import GIVEN, WARM_UP, Graphs, why_eager
from ganreg.engine.phases import phases
from ganreg.engine.precision import Scaler
from ganreg.engine.work import Work
from ganreg.errors import DeviceError, NonFiniteError
from tests.engine.small import CPU, bits, game, train, work

PARTS = [(network, what) for network in ("discriminator", "generator") for what in ("gradients", "update")]


class StandIn:
    """Behaves as a card's graph: nothing happens while it records, then each replay writes into the recording's memory."""

    def __init__(self, at: Work) -> None:
        self.at = at
        self.replays = 0

    def __call__(self, run: Callable[[], None]) -> Callable[[], None]:
        held = [*self._state(), *(parameter.grad for parameter in self._parameters() if parameter.grad is not None)]
        before = [(tensor, tensor.clone()) for tensor in held]
        random, olds = torch.get_rng_state(), [getattr(draw, "fake", None) for draw in self.at.draws]
        run()
        torch.set_rng_state(random)
        for tensor, old in before:
            tensor.data.copy_(old)
        names = GIVEN if any(draw.fake is not old for draw, old in zip(self.at.draws, olds, strict=True)) else ()
        given = [{name: getattr(draw, name) for name in names} for draw in self.at.draws]
        fakes = [draw.fake.detach() for draw in self.at.draws]
        grads = [(parameter, parameter.grad) for parameter in self._parameters() if parameter.grad is not None]
        values = dict(self.at.values)

        def replay() -> None:
            self.replays += 1
            for draw, mine in zip(self.at.draws, given, strict=True):
                for name, tensor in mine.items():  # a graph knows addresses, not attributes
                    setattr(draw, name, tensor)
            old = dict(self.at.values)
            others = [(one, one.grad) for one in self._parameters() if not any(one is its for its, _ in grads)]
            if not names:  # an update reads what it found when it was recorded, and writes no value
                self.at.values |= values
                for parameter, grad in grads:
                    parameter.grad = grad
                run()
                self.at.values = old
                return
            run()
            for parameter, grad in others:  # what is no part of the recording stays as it was
                parameter.grad = grad
            for draw, fake in zip(self.at.draws, fakes, strict=True):
                fake.copy_(draw.fake)
                draw.fake = fake
            for parameter, grad in grads:
                if parameter.grad is not None and parameter.grad is not grad:
                    grad.copy_(parameter.grad)
                    parameter.grad = None  # only a caller that knows better has it
            for name, value in values.items():
                if self.at.values.get(name) is not old.get(name):
                    value.copy_(self.at.values[name])
                    self.at.values[name] = torch.full_like(value, torch.nan)

        return replay

    def _parameters(self) -> list[Any]:
        return [*self.at.generator.network.parameters(), *self.at.discriminator.network.parameters()]

    def _state(self) -> list[Tensor]:
        buffers = [*self.at.generator.network.buffers(), *self.at.discriminator.network.buffers()]
        moments = [
            value
            for optimizer in self.at.state.optimizers.values()
            for held in optimizer.state.values()
            for value in held.values()
            if isinstance(value, Tensor)
        ]
        held = [vars(self.at.gate), self.at.gate._lengths, *map(vars, self.at.gate.scalers.values())]
        gate = [value for one in held for value in one.values() if isinstance(value, Tensor)]
        return [*self._parameters(), *buffers, *moments, *gate]


def fused(parameters: Any, lr: float) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=lr, fused=True)


def after(
    steps: int,
    *,
    recorded: bool,
    parts: int = 1,
    turns: int = 1,
    averaged: bool = False,
    clip: float | None = None,
    scaled: bool = False,
) -> tuple[Work, StandIn | None]:
    """A run of `steps`, with a lazy R1 and batch norm."""
    at = work(game(norm=True), regularizers=[R1(weight=0.5, interval=3)], optimizer=fused, shared=False)
    at.parts, at.gate.clip = parts, clip
    if scaled:  # as in float16; a scale that overflows at first
        at.gate.scalers = {name: Scaler(CPU) for name in at.state.optimizers}
        for scaler in at.gate.scalers.values():
            scaler.scale.fill_(2.0**127)
            scaler.PATIENCE = 3
    stand_in = StandIn(at) if recorded else None
    if stand_in is not None:
        at.graphs = Graphs(PARTS, stand_in, pytest.fail)
    if averaged:  # as several ranks do: other memory, every step
        average = at.average

        def elsewhere(network: str) -> None:
            average(network)
            player = at.discriminator if network == "discriminator" else at.generator
            for parameter in player.network.parameters():
                parameter.grad = None if parameter.grad is None else parameter.grad.clone()

        at.average = elsewhere  # type: ignore[method-assign]
    run(at, steps, turns)
    return at, stand_in


def run(at: Work, steps: int, turns: int = 1) -> None:
    for _ in range(steps):
        for phase in phases(at.regularizers, turns):
            if at.state.step % phase.interval == 0:
                phase.run(at)
        at.state.advance()
        at.gate.end_of_step()


@pytest.mark.parametrize(
    "options",
    [{}, {"parts": 2}, {"turns": 2}, {"averaged": True}, {"clip": 0.01}, {"scaled": True}, {"scaled": True, "clip": 0.01}],
    ids=str,
)
def test_recorded_training_is_written_training(options: dict[str, Any]):
    written, _ = after(12, recorded=False, **options)
    recorded, stand_in = after(12, recorded=True, **options)

    assert stand_in is not None
    turns = options.get("turns", 1)
    assert stand_in.replays == 2 * (12 * turns - WARM_UP) + 2 * (12 - WARM_UP)
    assert bits(recorded.generator.network) == bits(written.generator.network)
    assert bits(recorded.discriminator.network) == bits(written.discriminator.network)
    for name, scaler in written.gate.scalers.items():
        assert recorded.gate.scalers[name].state_dict() == scaler.state_dict()
        assert scaler.scale < 2.0**127
    for name, value in (written.values | written.gate.counts()).items():
        torch.testing.assert_close((recorded.values | recorded.gate.counts())[name], value, rtol=0, atol=0, equal_nan=True)


def test_a_weight_that_only_a_penalty_reaches_forgets_it_in_the_next_step(monkeypatch: pytest.MonkeyPatch):
    class Pull:
        network, interval = "discriminator", 3

        def penalty(self, context: Any) -> Tensor:
            return (context.discriminator.aside - 1.0).square().sum()

    def aside(*, recorded: bool) -> Tensor:
        gan = game()
        gan.discriminator.aside = torch.nn.Parameter(torch.zeros(()))
        at = work(gan, regularizers=[Pull()], optimizer=fused, shared=False)
        at.graphs = Graphs(PARTS, StandIn(at), pytest.fail) if recorded else None
        run(at, 10)
        return gan.discriminator.aside.detach()

    assert torch.equal(aside(recorded=True), aside(recorded=False))


def test_a_penalty_that_breaks_closes_the_gate_of_a_recorded_update(monkeypatch: pytest.MonkeyPatch):
    penalty = R1.penalty

    def broken(self: R1, context: Any) -> Tensor:
        return penalty(self, context) + (torch.inf if context.step == 6 else 0.0)  # its gradient stays finite

    monkeypatch.setattr(R1, "penalty", broken)
    at, stand_in = after(8, recorded=True)

    assert stand_in is not None
    assert at.gate.is_shut()
    assert all(bool(parameter.isfinite().all()) for parameter in at.discriminator.network.parameters())
    with pytest.raises(NonFiniteError, match=r"the discriminator's loss or gradient is not finite.*step 7"):
        at.gate.look(at.state.step)


def test_a_batch_of_another_shape_runs_as_written(monkeypatch: pytest.MonkeyPatch):
    draw_real = Work.draw_real

    def shorter(self: Work) -> None:
        draw_real(self)
        if self.state.step == WARM_UP + 2:
            self.draws[0].real = self.draws[0].real[:5]

    monkeypatch.setattr(Work, "draw_real", shorter)
    monkeypatch.setattr(Work, "count", property(lambda self: len(self.draws[0].real)))
    written, _ = after(8, recorded=False)
    recorded, stand_in = after(8, recorded=True)

    assert stand_in is not None
    assert stand_in.replays == 4 * (8 - WARM_UP) - 2  # both gradients of that step; both updates go on
    assert bits(recorded.discriminator.network) == bits(written.discriminator.network)
    assert bits(recorded.generator.network) == bits(written.generator.network)


def test_what_cannot_be_recorded_runs_as_written_and_says_so():
    told: list[str] = []

    def refuse(run: Callable[[], None]) -> Callable[[], None]:
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nand more")

    written, _ = after(6, recorded=False)
    at = work(game(norm=True), regularizers=[R1(weight=0.5, interval=3)], optimizer=fused, shared=False)
    at.graphs = Graphs(PARTS, refuse, told.append)
    run(at, 6)

    why = "run without a CUDA graph, recording failed: CUDA error: operation not permitted when stream is capturing"
    assert told == [f"the {network}'s {what} {why}" for network, what in PARTS]
    assert bits(at.generator.network) == bits(written.generator.network)


def test_what_is_not_recorded_is_told_with_its_reason():
    class Joins(R1):
        shares_forward = True

    at = work(game(), regularizers=[Joins()], optimizer=fused)
    at.state.optimizers["generator"].param_groups[0]["schedules"] = {"lr": None}

    assert why_eager(at) == {
        ("discriminator", "gradients"): "Joins joins them by rules of its own",
        ("generator", "update"): "Adam follows a schedule, and a recording keeps its numbers",
    }
    assert at.state.optimizers["discriminator"].param_groups[0]["capturable"] is True
    assert why_eager(work(game()))["generator", "update"] == "SGD is not a fused optimizer"


def test_graphs_without_a_card_are_refused():
    with pytest.raises(DeviceError, match="CUDA graphs need a card, and this run is on the cpu"):
        train(cuda_graphs="on", device="cpu")
