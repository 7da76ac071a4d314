"""Reconstruction on drawings whose distance is known, and with the discriminator it is made for."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganreg.components.discriminators.fastgan import FastGANDiscriminator
from ganreg.components.regularizers.reconstruction import Reconstruction
from ganreg.contracts import DataSpec, DiscriminatorOutput, Schedule
from ganreg.errors import ContractError
from ganreg.settings import model_of
from tests.components.regularizers.contexts import context


def answer(**extras: torch.Tensor) -> DiscriminatorOutput:
    return DiscriminatorOutput(torch.zeros(2), extras=extras)


def given(output: DiscriminatorOutput | None, **other: object):
    return context(nn.Identity(), torch.zeros(2, 1, 8, 8), real_output=output, **other)


def test_it_costs_the_mean_distance_of_each_drawing_summed_over_drawings():
    output = answer(
        reconstruction=torch.tensor([[1.0, 3.0]]),
        reconstruction_target=torch.tensor([[0.0, 5.0]]),  # |1| and |-2|: mean 1.5
        reconstruction_part=torch.tensor([[2.0]]),
        reconstruction_part_target=torch.tensor([[-2.0]]),  # 4
        other=torch.tensor([[100.0]]),
    )

    assert Reconstruction().penalty(given(output)).item() == pytest.approx(5.5)
    assert Reconstruction(weight=2.0).penalty(given(output)).item() == pytest.approx(11.0)


def test_it_reads_the_reals_answer_and_not_the_fakes():
    near, far = (answer(reconstruction=torch.full((1,), x), reconstruction_target=torch.zeros(1)) for x in (1.0, 9.0))

    assert Reconstruction().penalty(given(near, fake_output=far)).item() == pytest.approx(1.0)


def test_a_scheduled_weight_is_that_of_the_images_seen():
    penalty = Reconstruction(weight=Schedule(start=2.0, stop=0.0, shape="linear", over_images=100)).penalty
    output = answer(reconstruction=torch.ones(1), reconstruction_target=torch.zeros(1))

    values = [penalty(given(output, images=images)).item() for images in (0, 50, 100)]

    assert values == pytest.approx([2.0, 1.0, 0.0])


def test_16_bit_drawings_are_compared_in_float32():
    drawing = torch.full((3000,), 1.0, dtype=torch.bfloat16)
    output = answer(reconstruction=drawing, reconstruction_target=torch.linspace(0, 2, 3000))

    value = Reconstruction().penalty(given(output))

    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(0.5, rel=1e-3)


def test_it_joins_the_discriminators_backward():
    assert (Reconstruction.network, Reconstruction.shares_forward, Reconstruction().interval) == ("discriminator", True, 1)


def test_descending_it_makes_fastgans_drawings_better():
    torch.manual_seed(0)
    discriminator = FastGANDiscriminator(DataSpec((1, 32, 32), value_range=(-1.0, 1.0)), width=4)
    real = torch.rand(4, 1, 1, 1).expand(4, 1, 32, 32) - 0.5
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=0.01)
    values = []
    for _ in range(25):
        optimizer.zero_grad()
        value = Reconstruction().penalty(context(discriminator, real, real_output=discriminator(real)))
        value.backward()
        optimizer.step()
        values.append(value.item())

    assert values[-1] < 0.7 * values[0]
    reached = [name for name, one in discriminator.named_parameters() if one.grad is not None and one.grad.any()]
    assert {name.split(".")[0] for name in reached} == {"first", "halves", "decode_whole", "decode_part"}


@pytest.mark.parametrize("output", [None, answer(), answer(other=torch.zeros(2))])
def test_a_discriminator_without_drawings_is_refused(output):
    with pytest.raises(ContractError) as refusal:
        Reconstruction().penalty(given(output))

    assert str(refusal.value) == (
        "error[GR203]: the discriminator draws none of its reals again: its answer has no 'reconstruction' among its extras\n"
        "  at: regularizer reconstruction\n"
        "  fix: use the discriminator fastgan with reconstruct on, or leave this regularizer out"
    )


@pytest.mark.parametrize(
    ("target", "there"), [({}, "none"), ({"reconstruction_target": torch.zeros(2, 1)}, r"one of shape \[2, 1\]")]
)
def test_a_drawing_without_a_target_like_it_is_refused(target, there):
    output = answer(reconstruction=torch.zeros(2, 3), **target)

    with pytest.raises(ContractError, match=rf"shape \[2, 3\] needs a 'reconstruction_target' like it, got {there}"):
        Reconstruction().penalty(given(output))


@pytest.mark.parametrize(("setting", "value"), [("weight", 0.0), ("interval", 0)])
def test_values_without_sense_are_refused(setting, value):
    with pytest.raises(ValueError, match=setting):
        model_of(Reconstruction, 0)(**{setting: value})
