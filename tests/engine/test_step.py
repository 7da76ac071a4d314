"""One step, followed by hand."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch.nn import functional as F

from ganreg.contracts import PenaltyContext, Schedule
from ganreg.engine import step
from ganreg.engine.phases import phases
from ganreg.errors import ContractError
from tests.engine.small import game, work


def test_both_updates_are_those_of_the_textbook_loop():
    gan = game(norm=True)
    generator, discriminator = deepcopy(gan.generator), deepcopy(gan.discriminator)
    ours = work(gan)
    for phase in phases((), 1):
        phase.run(ours)

    of_d = torch.optim.SGD(discriminator.parameters(), lr=0.1)
    of_g = torch.optim.SGD(generator.parameters(), lr=0.1)
    fake = generator(ours.draws[0].latents)
    real_logits, fake_logits = discriminator(ours.draws[0].real), discriminator(fake.detach())
    loss_d = F.binary_cross_entropy_with_logits(real_logits, torch.ones(8, 1))
    loss_d = loss_d + F.binary_cross_entropy_with_logits(fake_logits, torch.zeros(8, 1))
    loss_d.backward()
    of_d.step()
    loss_g = F.binary_cross_entropy_with_logits(discriminator(fake), torch.ones(8, 1))
    of_g.zero_grad()
    loss_g.backward()
    of_g.step()

    torch.testing.assert_close(ours.values["loss_d"], loss_d.detach())
    torch.testing.assert_close(ours.values["loss_g"], loss_g.detach())
    torch.testing.assert_close(gan.discriminator.state_dict(), discriminator.state_dict())
    torch.testing.assert_close(gan.generator.state_dict(), generator.state_dict())


def test_the_discriminators_weights_get_no_gradient_in_the_generators_phase():
    ours = work(game())
    step.discriminator_main(ours)
    of_its_own = [parameter.grad.clone() for parameter in ours.discriminator.network.parameters()]

    step.generator_main(ours)

    for before, parameter in zip(of_its_own, ours.discriminator.network.parameters(), strict=True):
        assert torch.equal(before, parameter.grad)


def test_weights_that_came_frozen_stay_frozen():
    gan = game()
    gan.discriminator.layers[0].requires_grad_(False)
    ours = work(gan)

    for phase in phases((), 1):
        phase.run(ours)

    assert not gan.discriminator.layers[0].weight.requires_grad
    assert gan.discriminator.layers[0].weight.grad is None


def test_shared_latents_save_a_pass_of_the_generator_and_fresh_ones_are_new():
    for shared, passes in ((True, 1), (False, 2)):
        gan = game()
        calls = []
        gan.generator.register_forward_hook(lambda module, inputs, output, calls=calls: calls.append(inputs[0].clone()))
        ours = work(gan, shared=shared)
        for phase in phases((), 1):
            phase.run(ours)

        assert len(calls) == passes
        assert shared or not torch.equal(calls[0], calls[1])


class Recorder:
    """A penalty of 3 per call on the first bias, and a diary."""

    def __init__(self, network: str, interval: int = 1, *, shares_forward: bool = False) -> None:
        self.network, self.interval, self.shares_forward = network, interval, shares_forward
        self.steps: list[int] = []

    def penalty(self, context: PenaltyContext) -> torch.Tensor:
        self.steps.append(context.step)
        player = context.discriminator if self.network == "discriminator" else context.generator
        return 3.0 * next(parameter for name, parameter in player.named_parameters() if name.endswith("bias")).sum()


def gradient_of_first_bias(ours: step.Work, network: str) -> torch.Tensor:
    player = ours.discriminator if network == "discriminator" else ours.generator
    return next(p.grad for name, p in player.network.named_parameters() if name.endswith("bias")).clone()


def test_a_penalty_adds_to_the_gradient_weighted_by_its_interval():
    for network in ("discriminator", "generator"):
        for shares in (False, True):
            plain, ours = work(game()), work(game(), regularizers=[Recorder(network, 4, shares_forward=shares)])
            for phase in phases((), 1):
                phase.run(plain)
            for phase in phases(ours.regularizers, 1):
                phase.run(ours)
                if phase.name == f"{network} update":
                    break

            expected = gradient_of_first_bias(plain, network) + 3.0 * 4
            torch.testing.assert_close(gradient_of_first_bias(ours, network), expected)


def test_a_penalty_for_both_networks_joins_each_in_its_own_phase():
    class OfBoth(Recorder):
        def penalty(self, context: PenaltyContext) -> torch.Tensor:
            phases_seen.append(context.phase)
            player = getattr(context, context.phase)
            return 3.0 * next(one for name, one in player.named_parameters() if name.endswith("bias")).sum()

    phases_seen: list[str] = []
    plain, ours = work(game()), work(game(), regularizers=[OfBoth("both", 4, shares_forward=True)])
    for one in (plain, ours):
        for phase in phases(one.regularizers, 1):
            if not phase.name.endswith("update"):
                phase.run(one)

    assert phases_seen == ["discriminator", "generator"]
    for network in ("discriminator", "generator"):
        expected = gradient_of_first_bias(plain, network) + 3.0 * 4
        torch.testing.assert_close(gradient_of_first_bias(ours, network), expected)
    assert {"penalty_OfBoth_d", "penalty_OfBoth_g"} <= set(ours.values)


def test_an_adaptive_augmentation_hears_the_statistics_after_each_update_of_the_discriminator():
    heard = []

    class Adaptive:
        def __call__(self, images: torch.Tensor) -> torch.Tensor:
            return images

        def update(self, statistics: torch.Tensor, images: int) -> None:
            heard.append(statistics)
            assert images == 8

    ours = work(game())
    ours.augment = Adaptive()
    for phase in phases((), 2):
        phase.run(ours)

    assert len(heard) == 2
    assert heard[0].shape == (8,)


def test_a_scheduled_value_is_set_before_the_update():
    ours = work(game())
    group = ours.state.optimizers["generator"].param_groups[0]
    group["schedules"] = {"lr": Schedule(start=0.5, stop=0.0, shape="linear", over_images=80)}
    ours.state.images = 40

    for phase in phases((), 1):
        phase.run(ours)

    assert group["lr"] == 0.25


def test_reals_and_fakes_are_augmented_in_both_phases():
    seen = []

    def augment(images: torch.Tensor) -> torch.Tensor:
        seen.append(images)
        return images + 1.0

    plain, ours = work(game()), work(game())
    ours.augment = augment
    for phase in phases((), 1):
        phase.run(plain)
        phase.run(ours)

    assert [images.requires_grad for images in seen] == [False, False, True]  # reals, fakes for D, fakes for G
    assert torch.equal(seen[0], ours.draws[0].real)
    assert not torch.equal(plain.values["loss_d"], ours.values["loss_d"])


def test_two_penalties_of_one_class_have_a_value_each_and_must_be_one_number():
    ours = work(game(), regularizers=[Recorder("discriminator"), Recorder("discriminator")])
    for phase in phases(ours.regularizers, 1):
        phase.run(ours)
    assert {"penalty_Recorder", "penalty_Recorder_2"} <= set(ours.values)

    class Several(Recorder):
        def penalty(self, context: PenaltyContext) -> torch.Tensor:
            return super().penalty(context).reshape(1)

    for shares in (True, False):
        ours = work(game(), regularizers=[Several("discriminator", shares_forward=shares)])
        with pytest.raises(ContractError, match=r"must be one number, got shape \[1\]"):
            [phase.run(ours) for phase in phases(ours.regularizers, 1)]
