"""Optimizers that train at other weights than those that are meant to be used."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

import ganreg
from ganreg.engine.modes import has_modes, in_use
from tests.engine.small import bits, game, train


class Averaging(torch.optim.Optimizer):
    """Gradient descent on z; the weights are y = x + 0.3 (z - x) in training, the mean x of all z in use."""

    def __init__(self, params: Iterable[Any], lr: float = 0.1) -> None:
        super().__init__(params, {"lr": lr, "train_mode": False, "count": 0})
        self.calls: list[str] = []

    def _weights(self) -> Iterable[tuple[torch.nn.Parameter, dict[str, torch.Tensor]]]:
        for group in self.param_groups:
            for weight in group["params"]:
                state = self.state[weight]
                if not state:
                    state.update(z=weight.detach().clone(), x=weight.detach().clone())
                yield weight, state

    @torch.no_grad()
    def train(self) -> None:
        self.calls.append("train")
        for weight, state in self._weights():
            weight.copy_(state["x"] + 0.3 * (state["z"] - state["x"]))
        self.param_groups[0]["train_mode"] = True

    @torch.no_grad()
    def eval(self) -> None:
        self.calls.append("eval")
        for weight, state in self._weights():
            weight.copy_(state["x"])
        self.param_groups[0]["train_mode"] = False

    @torch.no_grad()
    def step(self) -> None:
        (group,) = self.param_groups
        assert group["train_mode"], "it was asked to step at the weights for use"
        group["count"] += 1
        for weight, state in self._weights():
            state["z"] -= group["lr"] * weight.grad
            state["x"].lerp_(state["z"], 1 / group["count"])
            weight.copy_(state["x"] + 0.3 * (state["z"] - state["x"]))


def test_what_has_both_modes_has_them():
    assert has_modes(Averaging([torch.nn.Parameter(torch.ones(1))]))
    assert not has_modes(torch.optim.SGD([torch.nn.Parameter(torch.ones(1))]))


def test_in_use_its_weights_are_those_for_use_and_afterwards_the_very_same_as_before():
    weight = torch.nn.Parameter(torch.tensor([0.1]))
    optimizer = Averaging([weight])
    optimizer.train()
    weight.grad = torch.tensor([1.0])
    optimizer.step()
    optimizer.step()  # z = -0.1, x = (0 - 0.1) / 2
    trained = weight.item()

    with in_use(optimizer):
        torch.testing.assert_close(weight.detach(), torch.tensor([-0.05]))

    assert weight.item() == trained
    assert optimizer.param_groups[0]["train_mode"]


def test_it_trains_at_its_weights_for_training_and_ends_at_those_for_use():
    gan = game()
    optimizer = Averaging(gan.generator.parameters())
    train(gan, generator_optimizer=optimizer, ema=None)

    assert (optimizer.calls[0], optimizer.calls[-1]) == ("train", "eval")
    for weight, state in optimizer._weights():
        torch.testing.assert_close(weight.detach(), state["x"], rtol=0, atol=0)


def test_watching_and_saving_change_nothing_and_what_is_saved_to_sample_from_is_for_use(tmp_path: Path):
    def run(out: Path | None, every: int) -> ganreg.GAN:
        saves = {"out": out, "sample_every": every, "checkpoint_every": every} if out else {}
        return train(generator_optimizer=Averaging, discriminator_optimizer=Averaging, ema=None, **saves).gan

    alone, watched = run(None, 1), run(tmp_path / "run", 1)

    assert bits(alone.generator) == bits(watched.generator)
    assert bits(alone.discriminator) == bits(watched.discriminator)
    path = tmp_path / "run" / "checkpoints" / "step-00000006"
    used, trained = load_file(path / "ema.safetensors"), load_file(path / "generator.safetensors")
    assert {name: tensor.numpy().tobytes() for name, tensor in used.items()} == bits(watched.generator)
    assert any(not torch.equal(used[name], trained[name]) for name in used)
