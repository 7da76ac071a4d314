"""A poisoned step leaves everything as it was, bit for bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import ganreg
from ganreg.components.losses.bce import BCE
from ganreg.engine import loop
from ganreg.engine.gate import Gate, norm, takes_flag
from ganreg.engine.phases import phases
from ganreg.errors import NonFiniteError
from tests.engine.small import bits, game, train, work

BUILT_IN = {
    f"ganreg's {part.name}": lambda params, lr, name=part.name: ganreg.create("optimizer", name, list(params), lr=lr)
    for part in ganreg.components("optimizer")
}
OPTIMIZERS = BUILT_IN | {
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "fused adam": lambda params, lr: torch.optim.Adam(params, lr=lr, fused=True),
    "fused sgd": lambda params, lr: torch.optim.SGD(params, lr=lr, momentum=0.9, fused=True),
}


class Watch:
    """Looks at the gate after each step."""

    def __init__(self, ours: Any) -> None:
        self.ours = ours
        self.good: Any = None

    def stepped(self, ours: Any, *, is_last: bool) -> None:
        ours.gate.look(ours.state.step)
        self.good = everything(ours)


def everything(ours: Any) -> list[Any]:
    moments = [optimizer.state_dict()["state"] for optimizer in ours.state.optimizers.values()]
    told = [{k: as_bytes(v) for k, v in moment.items()} for states in moments for moment in states.values()]
    modules = (ours.state.gan.generator, ours.state.gan.discriminator, ours.state.ema.module)
    return [*(bits(module) for module in modules), told]


def as_bytes(value: Any) -> Any:
    return value.numpy().tobytes() if isinstance(value, torch.Tensor) else value


@pytest.mark.parametrize("side", ["discriminator", "generator"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_poisoned_loss_leaves_the_state_of_the_last_good_step(optimizer: str, side: str):
    class Poisoned(BCE):
        def discriminator_value_and_grad(self, real: Any, fake: Any, scale: Any) -> Any:
            result = super().discriminator_value_and_grad(real, fake, scale)
            poison = torch.nan if side == "discriminator" and ours.state.step == 3 else 0.0
            return result._replace(grads=tuple(grad + poison for grad in result.grads))

        def generator_value_and_grad(self, fake: Any, real: Any, scale: Any) -> Any:
            result = super().generator_value_and_grad(fake, real, scale)
            poison = torch.inf if side == "generator" and ours.state.step == 3 else 0.0
            return result._replace(value=result.value + poison)

    ours = work(game(norm=True), loss=Poisoned(), optimizer=OPTIMIZERS[optimizer])
    watch = Watch(ours)

    with pytest.raises(
        NonFiniteError, match=rf"error\[GR401\]: the {side}'s loss or gradient is not finite; .* at step 4"
    ) as told:
        loop.train(ours, phases((), 1), watch, last_step=10)

    assert told.value.exit_code == 5
    generator, discriminator, averaged, moments = everything(ours)
    assert [generator, averaged] == [watch.good[0], watch.good[2]]
    if side == "discriminator":  # in the other case D had moved before G's loss was known
        assert [discriminator, moments] == [watch.good[1], watch.good[3]]


def test_a_gate_that_is_read_late_still_names_the_step_and_keeps_the_weights():
    ours = work(game(norm=True))
    turn = phases((), 1)
    for _ in range(3):
        run_step(ours, turn)
    good = everything(ours)[0:3]
    poison, ours.loss = ours.loss, Nan()
    run_step(ours, turn)
    ours.loss = poison
    for _ in range(5):
        run_step(ours, turn)

    with pytest.raises(NonFiniteError, match="at step 4"):
        ours.gate.look(ours.state.step)
    assert everything(ours)[0:3] == good
    assert ours.gate.closed.item() == 1.0


@pytest.mark.parametrize("discriminator_steps", [1, 2])
@pytest.mark.parametrize("side", ["discriminator", "generator"])
def test_a_gate_that_is_read_late_still_names_the_network(side: str, discriminator_steps: int):
    ours = work(game())
    turn = phases((), discriminator_steps)
    run_step(ours, turn)
    poison, ours.loss = ours.loss, Nan() if side == "discriminator" else NanForG()
    run_step(ours, turn)
    ours.loss = poison
    for _ in range(4):
        run_step(ours, turn)

    with pytest.raises(NonFiniteError, match=f"the {side}'s loss .* at step 2"):
        ours.gate.look(ours.state.step)


@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan])
def test_whatever_is_not_finite_closes_and_a_gradient_cannot_take_it_back(value: float):
    ours = work(game())
    optimizer = ours.state.optimizers["generator"]
    for parameter in ours.state.gan.generator.parameters():
        parameter.grad = torch.full_like(parameter, 3e38)  # its norm is inf: their sum would be nan, or inf
    ours.gate.update("generator", torch.tensor(value), optimizer)

    assert ours.gate.closed.item() == 1.0


@pytest.mark.parametrize("clip", [None, 1.0])
@pytest.mark.parametrize("name", BUILT_IN)
def test_a_gradient_of_finite_numbers_whose_squares_are_not_never_reaches_the_moments(name: str, clip: float | None):
    ours = work(game(), optimizer=BUILT_IN[name])
    ours.gate.clip = clip
    run_step(ours, phases((), 1))
    before = everything(ours)
    for parameter in ours.state.gan.generator.parameters():
        parameter.grad = torch.full_like(parameter, 1e20)
    ours.gate.update("generator", torch.tensor(0.5), ours.state.optimizers["generator"])

    assert ours.gate.closed.item() == 1.0
    assert everything(ours) == before


def test_weights_of_16_bits_measure_their_gradients_in_32():
    weight = torch.nn.Parameter(torch.zeros(4, dtype=torch.float16))
    weight.grad = torch.full_like(weight, 60000.0)  # its length, 120000, is no float16

    assert norm([weight.grad]).item() == 120000.0


def test_a_weight_without_a_gradient_has_nothing_to_be_clipped():
    ours = work(game())
    ours.gate.clip = 1.0
    ours.gate.update("generator", torch.tensor(0.5), ours.state.optimizers["generator"])

    assert ours.gate.counts()["grad_g"].item() == 0.0


def test_lengths_are_measured_before_an_optimizer_touches_the_gradients():
    def forgetful(params: Any, lr: float) -> torch.optim.Optimizer:
        class Forgetful(torch.optim.SGD):
            def step(self, closure: Any = None) -> Any:
                super().step(closure)
                self.zero_grad()

        return Forgetful(params, lr=lr)

    told = []
    for optimizer in (torch.optim.SGD, forgetful):
        ours = work(game(), optimizer=optimizer)
        run_step(ours, phases((), 1))
        told.append({name: length.item() for name, length in ours.gate.counts().items()})

    assert told[0] == told[1]
    assert min(told[0].values()) > 0.0


def test_the_lengths_of_gradients_are_those_before_clipping():
    told = {}
    for clip in (None, 1e-3):
        ours = work(game())
        ours.gate.clip = clip
        run_step(ours, phases((), 1))
        told[clip] = {name: round(value.item(), 6) for name, value in ours.gate.counts().items()}

    assert told[None]["grad_d"] == told[1e-3]["grad_d"] > 1e-3  # G's differs: D has moved less


@pytest.mark.parametrize("value", [0.0, -0.0, -7.5, 3.4e38, 1e-45])
def test_whatever_is_finite_leaves_the_gate_open(value: float):
    ours = work(game())
    ours.gate.update("generator", torch.tensor(value), ours.state.optimizers["generator"])

    assert ours.gate.closed.item() == 0.0


def test_a_generator_that_breaks_inside_leaves_no_nan_in_buffers_or_average():
    ours = work(game(norm=True))
    turn = phases((), 1)
    run_step(ours, turn)
    good = [bits(ours.state.ema.module), bits(ours.state.gan.generator), bits(ours.state.gan.discriminator)]
    broken = ours.state.gan.generator.layers[0].register_forward_hook(lambda module, inputs, output: output * torch.nan)
    run_step(ours, turn)
    broken.remove()

    assert [bits(ours.state.ema.module), bits(ours.state.gan.generator), bits(ours.state.gan.discriminator)] == good
    with pytest.raises(NonFiniteError, match=r"the discriminator's loss .* at step 2"):
        ours.gate.look(ours.state.step)


@pytest.mark.parametrize("shares", [True, False])
@pytest.mark.parametrize("side", ["discriminator", "generator"])
def test_a_penalty_that_is_not_finite_closes_the_gate_even_where_its_gradient_is(side: str, shares: bool):
    class Nan:
        network, interval, shares_forward = side, 1, shares

        def penalty(self, context: Any) -> torch.Tensor:
            player = context.discriminator if side == "discriminator" else context.generator
            return sum(parameter.sum() for parameter in player.parameters()) + torch.nan

    ours = work(game(), regularizers=[Nan()])
    run_step(ours, phases(ours.regularizers, 1))

    with pytest.raises(NonFiniteError, match=f"the {side}'s loss"):
        ours.gate.look(ours.state.step)


class Nan(BCE):
    def discriminator_value_and_grad(self, real: Any, fake: Any, scale: Any) -> Any:
        result = super().discriminator_value_and_grad(real, fake, scale)
        return result._replace(value=result.value * torch.nan)


class NanForG(BCE):
    def generator_value_and_grad(self, fake: Any, real: Any, scale: Any) -> Any:
        result = super().generator_value_and_grad(fake, real, scale)
        return result._replace(value=result.value * torch.nan)


def run_step(ours: Any, turn: Any) -> None:
    for phase in turn:
        phase.run(ours)
    ours.state.advance()
    ours.gate.end_of_step()
    ours.state.ema.update(batch_size=8, images=ours.state.images, closed=ours.gate.closed)


@pytest.mark.parametrize("optimizer", BUILT_IN)
def test_a_fused_optimizer_costs_no_read_and_any_other_costs_one(optimizer: str, monkeypatch: pytest.MonkeyPatch):
    ours = work(game(), optimizer=OPTIMIZERS[optimizer])
    turn = phases((), 1)
    run_step(ours, turn)
    reads = []
    read = torch.Tensor.item
    monkeypatch.setattr(torch.Tensor, "item", lambda self: reads.append(1) or read(self))

    run_step(ours, turn)

    fused = takes_flag(ours.state.optimizers["generator"])
    assert len(reads) == (0 if fused else 2)
    assert fused == (optimizer not in ("ganreg's rmsprop", "ganreg's muon"))


# --- steps that may be skipped ----------------------------------------------------------------------------------------


class EveryThird(BCE):
    """Not finite in steps 3, 6, 9, …"""

    calls = 0

    def discriminator_value_and_grad(self, real: Any, fake: Any, scale: Any) -> Any:
        result = super().discriminator_value_and_grad(real, fake, scale)
        type(self).calls += 1
        poison = torch.nan if type(self).calls % 3 == 0 else 0.0
        return result._replace(grads=tuple(grad + poison for grad in result.grads))


def test_a_step_that_is_not_finite_is_skipped_whole_and_counted():
    EveryThird.calls = 0
    ours = work(game(norm=True), loss=EveryThird(), optimizer=OPTIMIZERS["fused adam"])
    ours.gate.most_skips = 10
    states = []

    for _ in range(7):
        ours.begin_step()
        for phase in phases((), 1):
            phase.run(ours)
        ours.state.advance()
        ours.gate.end_of_step()
        ours.state.ema.update(batch_size=8, images=ours.state.images, closed=ours.gate.closed)
        states.append(everything(ours))

    changed = [states[index] != states[index - 1] for index in range(1, 7)]
    assert changed == [True, False, True, True, False, True]  # steps 3 and 6
    with pytest.warns(UserWarning, match="2 steps up to 7 not finite and skipped, 2 of at most 10 in all"):
        ours.gate.look(7)
    ours.gate.look(7)  # told once


def test_too_many_skips_end_a_run():
    EveryThird.calls = 0

    with (
        pytest.warns(UserWarning, match=r"1 step up to \d not finite and skipped, \d of at most 2 in all"),
        pytest.raises(NonFiniteError, match="3 steps were not finite and skipped, more than 2"),
    ):
        train(game(), steps=30, loss=EveryThird(), on_nonfinite="skip", max_nonfinite=2)


def test_the_log_counts_what_was_skipped():
    EveryThird.calls = 0

    with pytest.warns(UserWarning, match="skipped"):
        history = train(game(), steps=9, loss=EveryThird(), on_nonfinite="skip").history

    assert history["skipped"] == sorted(history["skipped"])
    assert history["skipped"][-1] == 3
    assert "skipped" not in train(game(), steps=2).history


def test_skips_are_counted_over_a_restart():
    gate = Gate({}, torch.device("cpu"), most_skips=3)
    gate.load_state_dict({"skips": torch.tensor(4)})

    with pytest.raises(NonFiniteError, match="4 steps were not finite and skipped, more than 3"):
        gate.look(1)
