"""What was first not finite is named, and the step can be run again from what is written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import ganreg
from ganreg.components.losses.bce import BCE
from ganreg.errors import NonFiniteError
from tests.engine.small import Discriminator, Generator, game, points, train


class Exploding(nn.Module):
    """Its third layer gives infinities for samples far out."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = Discriminator()
        self.far = Far()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(self.far(x))


class Far(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 50.0, torch.inf, x)


def poisoned(count: int = 64, *, at: int = 37) -> Tensor:
    data = points(count)
    data[at] = 100.0
    return data


@pytest.mark.parametrize("log_every", [1, 50])
@pytest.mark.parametrize("workers", [0, 2])
def test_the_module_whose_output_was_first_is_named_with_phase_and_step(log_every: int, workers: int, tmp_path: Path):
    gan = ganreg.GAN(Generator(), Exploding())
    out = tmp_path / "run"

    with pytest.raises(NonFiniteError, match=r"first: the output of discriminator\.far") as told:
        train(gan, dataset=poisoned(), steps=20, log_every=log_every, out=out, workers=workers, checkpoint_every=1)

    step = json.loads((out / "crash" / "state.json").read_text())["step"]
    assert told.value.at == f"discriminator main phase of step {step}"
    assert str(out / "crash") in told.value.fix
    assert json.loads((out / "exit.json").read_text())["error"] == "GR401"
    assert 100.0 in load_file(out / "crash" / "batch.safetensors")["0.real"]


def test_the_step_can_be_run_again_from_the_crash_folder(tmp_path: Path):
    gan = ganreg.GAN(Generator(), Exploding())
    with pytest.raises(NonFiniteError):
        train(gan, dataset=poisoned(), steps=20, log_every=7, out=tmp_path / "run")

    crash = tmp_path / "run" / "crash"
    again = Exploding()
    again.load_state_dict(load_file(crash / "discriminator.safetensors"))
    batch = load_file(crash / "batch.safetensors")
    loss = BCE().discriminator(again(batch["0.real"]), again(batch["0.fake"]))
    generator = Generator()
    generator.load_state_dict(load_file(crash / "generator.safetensors"))

    assert not loss.isfinite()
    torch.testing.assert_close(generator(batch["0.latents"]), batch["0.fake"], rtol=0, atol=0)
    assert not any(path.suffix not in (".json", ".safetensors") for path in crash.iterdir())


def test_a_gradient_that_broke_alone_is_named_by_its_weight(tmp_path: Path):
    class Root(nn.Module):
        """sqrt at 0: a finite value with an infinite slope."""

        def __init__(self) -> None:
            super().__init__()
            self.layer, self.slope = nn.Linear(2, 1), nn.Parameter(torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x) + self.slope.abs().sqrt()

    with pytest.raises(NonFiniteError, match=r"first: the gradient of discriminator\.slope"):
        train(ganreg.GAN(Generator(), Root()), steps=4)


def test_finite_gradients_that_are_too_long_are_named():
    class Steep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.slope = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
            self.layer.register_hook(lambda grad: torch.full_like(grad, 1.5e19))
            self.slope.register_hook(lambda grad: torch.full_like(grad, 1.6e19))

        def forward(self, x: Tensor) -> Tensor:
            return x.sum(1, keepdim=True) * (self.layer + self.slope)

    with pytest.raises(NonFiniteError, match=r"first: the length of the gradients, the longest that of discriminator\.slope"):
        train(ganreg.GAN(Generator(), Steep()), steps=4)


def test_a_penalty_that_broke_is_named_with_its_phase(tmp_path: Path):
    class Broken:
        network, interval = "generator", 3

        def penalty(self, context: Any) -> Tensor:
            return context.generator(context.latents).sum() * 0 + (torch.nan if context.step == 3 else 0.0)

    with pytest.raises(NonFiniteError, match="first: the value of penalty_Broken") as told:
        train(game(), steps=8, regularizers=[Broken()], out=tmp_path / "run")

    assert told.value.at == "generator Broken phase of step 4"


def test_what_does_not_happen_again_is_said(tmp_path: Path):
    class Once(BCE):
        def discriminator_value_and_grad(self, real: Any, fake: Any, scale: Any) -> Any:
            result = super().discriminator_value_and_grad(real, fake, scale)
            calls.append(1)
            return result._replace(value=result.value * (torch.nan if len(calls) == 5 else 1.0))

    calls: list[int] = []

    with pytest.raises(NonFiniteError, match="first: it did not happen again when the step was run once more"):
        train(game(), steps=8, loss=Once(), log_every=4)


def test_random_numbers_of_the_step_are_those_it_had(tmp_path: Path):
    seen: list[Tensor] = []

    class Dropping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.drop = nn.Linear(2, 1), nn.Dropout(0.5)

        def forward(self, x: Tensor) -> Tensor:
            out = self.drop(self.layer(x))
            seen.append(out.detach().clone())
            return torch.where((x > 50).any(), torch.nan, 1.0) * out

    with pytest.raises(NonFiniteError, match="first: the output of discriminator"):
        train(ganreg.GAN(Generator(), Dropping()), dataset=poisoned(), steps=20, log_every=20)

    again = seen[-2:]  # reals and fakes of D's phase, run once more
    assert any(torch.equal(again[0], before) for before in seen[:-2])
    assert any(torch.equal(again[1], before) for before in seen[:-2])
