"""Penalties with an optimizer step of their own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import ganreg
from ganreg.contracts import PenaltyContext, Schedule
from ganreg.engine.lazy import correct, own_steps
from ganreg.engine.phases import phases
from tests.engine.small import game, train, work


class Pull:
    """A penalty of 3 per unit of the first bias."""

    own_step = True

    def __init__(self, network: str = "discriminator", interval: int = 1) -> None:
        self.network, self.interval = network, interval

    def penalty(self, context: PenaltyContext) -> torch.Tensor:
        player = getattr(context, self.network)
        return 3.0 * next(one for name, one in player.named_parameters() if name.endswith("bias")).sum()


def adam(lr: float = 0.4, **group: Any) -> torch.optim.Optimizer:
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=lr, betas=(0.0, 0.99))
    optimizer.param_groups[0].update(group)
    return optimizer


def test_rate_and_betas_are_lowered_by_k_of_k_and_1():
    optimizer = adam()

    correct(optimizer, [Pull(interval=3)])

    (group,) = optimizer.param_groups
    assert group["lr"] == pytest.approx(0.3)
    assert group["betas"] == pytest.approx((0.0, 0.99**0.75))


def test_two_such_penalties_count_together_and_none_changes_nothing():
    optimizer = adam()

    correct(optimizer, [Pull(interval=2), Pull(interval=2)])  # one update of the loss, two halves of a penalty's
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.2)
    correct(optimizer, [])
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.2)


def test_a_scheduled_rate_is_lowered_all_the_way():
    optimizer = adam(schedules={"lr": Schedule(start=0.4, stop=0.0, shape="linear", over_images=100)})

    correct(optimizer, [Pull(interval=3)])

    schedule = optimizer.param_groups[0]["schedules"]["lr"]
    assert [schedule.at(images) for images in (0, 50, 100)] == pytest.approx([0.3, 0.15, 0.0])


@pytest.mark.parametrize("network", ["discriminator", "generator"])
def test_the_loss_moves_the_weights_first_and_the_penalty_alone_after_it(network: str):
    plain, ours = work(game()), work(game(), regularizers=[Pull(network, 4)])
    for phase in phases((), 1)[: 2 if network == "discriminator" else 4]:
        phase.run(plain)
    for phase in phases(ours.regularizers, 1):
        phase.run(ours)
        if phase.name == f"{network} Pull update":
            break

    pairs = zip(getattr(plain, network).network.named_parameters(), getattr(ours, network).network.parameters(), strict=True)
    first = True
    for (name, weight), moved in pairs:
        pulled = 0.1 * 3.0 * 4 if first and name.endswith("bias") else 0.0  # the test's rate, the slope, the interval
        first = first and not name.endswith("bias")
        torch.testing.assert_close(moved, weight - pulled)


def test_its_phases_come_after_the_update_and_name_it():
    turn = phases([Pull(interval=16)], 1)

    assert [(phase.name, phase.interval) for phase in turn] == [
        ("discriminator main", 1),
        ("discriminator update", 1),
        ("discriminator Pull", 16),
        ("discriminator Pull update", 16),
        ("generator main", 1),
        ("generator update", 1),
    ]
    assert own_steps([Pull("generator")], "discriminator") == []


def test_a_run_logs_the_lowered_rate_and_the_penalty():
    run = train(steps=3, regularizers=[Pull(interval=2)], discriminator_optimizer="adam")

    assert run.history["lr_d"] == pytest.approx([2e-4 * 2 / 3] * 3)
    assert "penalty_Pull" in run.history


def test_an_optimizer_that_was_given_is_put_back_when_the_run_is_over():
    generator, discriminator = nn.Linear(2, 2), nn.Linear(2, 1)
    generator.latent_dim = 2
    given = torch.optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.5, 0.9))
    for _ in range(2):
        ganreg.train_gan(
            ganreg.GAN(generator, discriminator),
            torch.randn(16, 2),
            steps=1,
            batch_size=8,
            discriminator_optimizer=given,
            regularizers=[ganreg.create("regularizer", "r1", interval=1, own_step=True)],
            progress=False,
        )

    assert given.param_groups[0]["lr"] == 1e-3
    assert given.param_groups[0]["betas"] == (0.5, 0.9)
