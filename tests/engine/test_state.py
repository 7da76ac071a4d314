"""What is saved is everything: a run that goes on from it is the run that would have been."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ganreg.contracts import Schedule
from ganreg.engine import checkpoint
from ganreg.engine.phases import phases
from tests.engine.small import bits, game, work
from tests.engine.test_gate import run_step

OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "fused adam": lambda params, lr: torch.optim.Adam(params, lr=lr, betas=(0.5, 0.999), fused=True),
}


class Running:
    """A penalty with a state of its own."""

    network, interval = "discriminator", 2

    def __init__(self) -> None:
        self.mean, self.calls = torch.zeros(()), 0

    def penalty(self, context: Any) -> torch.Tensor:
        logits = context.discriminator(context.real).mean()
        self.mean, self.calls = 0.9 * self.mean + 0.1 * logits.detach(), self.calls + 1
        return (logits - self.mean) ** 2 * torch.rand((), generator=context.rng) * torch.rand(())

    def state_dict(self) -> dict[str, Any]:
        return {"mean": self.mean, "calls": self.calls}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.mean, self.calls = state["mean"], state["calls"]


def build(optimizer: str, seed: int) -> Any:
    ours = work(game(norm=True, seed=seed), optimizer=OPTIMIZERS[optimizer], regularizers=[Running()])
    ours.state.components = {"0-Running": ours.regularizers[0]}
    for one in ours.state.optimizers.values():
        schedule = Schedule(start=0.1, stop=0.0, over_images=100)
        one.param_groups[0]["schedules"] = {"lr": schedule}
    return ours


def everything(ours: Any) -> list[Any]:
    files, values = ours.state.tensors(), ours.state.values()
    return [{file: {k: v.numpy().tobytes() for k, v in tensors.items()} for file, tensors in files.items()}, values]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("stop", [1, 5, 8])
def test_a_run_that_goes_on_from_a_checkpoint_is_the_run_that_would_have_been(optimizer: str, stop: int, tmp_path: Path):
    torch.manual_seed(0)
    whole = build(optimizer, 0)
    turn = phases(whole.regularizers, 1)
    for step in range(11):
        if step == stop:
            checkpoint.save(tmp_path / "step", whole.state.tensors(), whole.state.values())
        run_step(whole, turn)

    resumed = build(optimizer, 99)
    resumed.state.restore(*checkpoint.load(tmp_path / "step"))
    for _ in range(stop, 11):
        run_step(resumed, phases(resumed.regularizers, 1))

    assert everything(resumed) == everything(whole)


def test_schedules_are_not_saved_but_kept(tmp_path: Path):
    ours = build("sgd", 0)
    run_step(ours, phases((), 1))
    checkpoint.save(tmp_path / "step", ours.state.tensors(), ours.state.values())

    ours.state.restore(*checkpoint.load(tmp_path / "step"))

    assert isinstance(ours.state.optimizers["generator"].param_groups[0]["schedules"]["lr"], Schedule)


def test_weights_of_another_network_are_refused():
    ours, other = work(game(norm=True)), work(game())

    with pytest.raises(RuntimeError, match="Missing key"):
        ours.state.restore(other.state.tensors(), other.state.values())
    assert bits(ours.state.gan.generator)
