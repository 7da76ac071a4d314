"""16-bit networks: where they are used, what stays in float32, and what an overflow does."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch

from ganreg.components.losses.bce import BCE
from ganreg.engine import precision
from ganreg.engine.phases import phases
from ganreg.engine.precision import FULL, Precision, Scaler, resolve
from ganreg.errors import DeviceError, NonFiniteError
from tests.engine.small import CPU, bits, game, train, work

CUDA = torch.device("cuda")


@pytest.mark.parametrize(("flags", "auto"), [({"avx2"}, "fp32"), ({"avx512_bf16"}, "bf16"), ({"amx_bf16", "avx2"}, "bf16")])
def test_auto_takes_bfloat16_where_the_processor_multiplies_it(monkeypatch, flags, auto):
    monkeypatch.setattr(precision, "processor_flags", lambda: frozenset(flags))

    assert resolve("auto", CPU).name == auto
    assert resolve("bf16", CPU).name == "bf16"  # emulated, but as asked


def test_what_auto_came_to_is_stored(tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "processor_flags", lambda: frozenset({"avx512_bf16"}))
    run = train(steps=2, precision="auto", out=tmp_path / "run").run_dir

    told = (run / "config.yaml").read_text()
    assert "precision: bf16\n" in told
    assert "compile: 'off'\n" in told or 'compile: "off"\n' in told or "compile: off\n" in told


@pytest.mark.parametrize(("capability", "auto"), [((7, 5), "fp32"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_auto_takes_bfloat16_where_the_card_multiplies_it(monkeypatch, capability, auto):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)

    assert resolve("auto", CUDA).name == auto
    if auto == "fp32":
        with pytest.raises(DeviceError, match="this card has no bfloat16"):
            resolve("bf16", CUDA)


@pytest.mark.parametrize(("name", "tolerance"), [("bf16", 0.03), ("fp16", 0.004)])
def test_16_bit_training_follows_that_in_float32(name, tolerance):
    full, half = train(steps=12), train(steps=12, precision=name)

    for value in ("loss_d", "loss_g", "d_real", "d_fake"):
        assert half.history[value] == pytest.approx(full.history[value], abs=tolerance)
        assert half.history[value] != full.history[value]
    assert all(parameter.dtype == torch.float32 for network in half.gan for parameter in network.parameters())


class Look:
    """A penalty that notes in what its networks compute."""

    network, interval, shares_forward = "discriminator", 1, False

    def __init__(self):
        self.seen = []

    def penalty(self, context):
        logits = context.judge(context.real, context.labels).logits
        self.seen += [context.real.dtype, context.fake.dtype, logits.dtype]
        return logits.mean() * 0.0


class Noting(BCE):
    seen: ClassVar[list] = []

    def discriminator_value_and_grad(self, real, fake, scale):
        result = super().discriminator_value_and_grad(real, fake, scale)
        Noting.seen += [real.dtype, result.value.dtype, torch.is_autocast_enabled("cpu")]
        return result


def test_networks_are_cast_losses_and_penalties_are_not():
    look, Noting.seen = Look(), []

    train(steps=1, precision="bf16", regularizers=[look], loss=Noting())

    assert look.seen == [torch.float32] * 3
    assert Noting.seen[-3:] == [torch.bfloat16, torch.float32, False]  # logits as D made them, judged in float32


# --- the loss scale ---------------------------------------------------------------------------------------------------


def fp16(**options):
    ours = work(game(), **options)
    ours.precision = Precision("fp16", "cpu")
    ours.gate.scalers = {name: Scaler(CPU) for name in ("discriminator", "generator")}
    return ours


def step(ours):
    for phase in phases(ours.regularizers, 1):
        phase.run(ours)
    ours.state.advance()
    ours.gate.end_of_step()


def test_an_overflow_skips_that_update_halves_the_scale_and_closes_nothing():
    ours = fp16(optimizer=torch.optim.Adam)
    before = bits(ours.state.gan.discriminator)
    ours.gate.scalers["discriminator"].scale.fill_(2.0**127)

    step(ours)

    assert bits(ours.state.gan.discriminator) == before
    assert ours.gate.scalers["discriminator"].scale.item() == 2.0**126
    assert ours.gate.scalers["generator"].scale.item() == 2.0**16
    assert ours.gate.closed.item() == 0.0
    ours.gate.look(ours.state.step)


def test_the_scale_leaves_the_gradients_as_they_are():
    full, scaled = work(game()), fp16()
    scaled.precision = FULL
    for ours in (full, scaled):
        step(ours)

    for one, other in zip(full.state.gan, scaled.state.gan, strict=True):
        torch.testing.assert_close(one.state_dict(), other.state_dict())


def test_a_loss_that_is_not_finite_closes_the_gate_in_16_bits_too():
    ours = fp16()
    ours.state.gan.generator.layers[0].weight.data.fill_(torch.nan)

    step(ours)

    with pytest.raises(NonFiniteError, match="the discriminator's loss"):
        ours.gate.look(ours.state.step)


def test_the_scale_doubles_after_long_quiet(monkeypatch):
    monkeypatch.setattr(Scaler, "PATIENCE", 3)
    scaler = Scaler(CPU)

    for _ in range(3):
        scaler.update(torch.zeros(()))

    assert scaler.scale.item() == 2.0**17


def test_overflows_without_end_are_told():
    scaler = Scaler(CPU)
    for _ in range(51):
        scaler.update(torch.ones(()))

    with pytest.raises(NonFiniteError, match="the generator's gradient was not finite 51 times in a row") as caught:
        scaler.look("generator")
    assert "--precision bf16" in str(caught.value)


def test_a_scale_comes_back_from_a_checkpoint():
    scaler, fresh = Scaler(CPU), Scaler(CPU)
    for overflow in (1.0, 0.0, 1.0):
        scaler.update(torch.tensor(overflow))

    fresh.load_state_dict(scaler.state_dict())

    assert fresh.scale.item() == 2.0**14
    assert fresh.state_dict() == scaler.state_dict()
