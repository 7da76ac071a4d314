"""What the phases of one step do.  Backward starts at the logits: the loss hands over value *and* gradient.

    z - G -> fake -> augment -+
    real ---------> augment --+-> D -> logits -> loss -> grads -> backward -> average over ranks -> gate -> optimizer

Everything stays on the device: no host read, no branch on a device, nothing printed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor

from ganreg.contracts import Regularizer
from ganreg.engine import value_and_grad
from ganreg.engine.work import Draw, Network, Work
from ganreg.errors import ContractError


def discriminator_main(work: Work) -> None:
    """D learns to tell real from fake."""
    work.discriminator.learns(True)
    work.draw_real()
    work.draw_latents()
    work.gradients("discriminator", discriminator_gradients)


def discriminator_gradients(work: Work) -> None:
    """From the logits of reals and fakes into D's weights."""
    work.discriminator.forget()
    for draw in work.draws:
        with work.precision.autocast():
            work.make_fake(draw, with_graph=work.shares_latents)
            real_output, fake_output = work.judge_both(draw)
        logits = real_output.logits, fake_output.logits
        result = value_and_grad.discriminator(work.loss, *logits, scale=work.scale("discriminator"))
        work.note("loss_d", result.value, draw)
        work.note("statistics", result.statistics, draw)
        backward(work, draw, "discriminator", logits, result.grads, result.value)


def generator_main(work: Work) -> None:
    """G learns to pass for real; D is frozen, its weight gradients would be thrown away."""
    work.discriminator.learns(False)
    if not work.shares_latents:
        work.draw_latents()
    work.gradients("generator", generator_gradients)


def generator_gradients(work: Work) -> None:
    """From the logits of fakes into G's weights."""
    work.generator.forget()
    needs_real = getattr(work.loss, "needs_real_in_generator_step", False)
    for draw in work.draws:
        with work.precision.autocast():
            if not work.shares_latents:
                work.make_fake(draw, with_graph=True)
            draw.fake_output = work.judge(draw.fake, draw.fake_labels)
            draw.real_output = work.judge(draw.real, draw.labels) if needs_real else None
        logits, real_logits = draw.fake_output.logits, draw.real_output.logits if draw.real_output is not None else None
        result = value_and_grad.generator(work.loss, logits, real_logits, work.scale("generator"))
        work.note("loss_g", result.value, draw)
        backward(work, draw, "generator", [logits], result.grads[:1], result.value)


def backward(
    work: Work, draw: Draw, network: Network, logits: Sequence[Tensor], grads: Sequence[Tensor], value: Tensor
) -> None:
    """From the logits, and from the due penalties that share this forward, into the gradients."""
    roots, slopes = list(logits), list(grads)
    for regularizer in work.regularizers:
        shares = getattr(regularizer, "shares_forward", False)
        if shares and regularizer.network in (network, "both") and work.state.step % regularizer.interval == 0:
            penalty = one_number(regularizer.penalty(work.context(draw, network, joins=True)), regularizer)
            roots.append(penalty)
            slopes.append(torch.full_like(penalty, regularizer.interval) * work.scale(network))
            value = value + penalty.detach()
            work.note(label(work.regularizers, regularizer, network), penalty, draw)
    torch.autograd.backward(roots, slopes)
    work.note(f"total_{network}", value, draw)


def penalty(regularizer: Regularizer) -> Callable[[Work], None]:
    """A penalty with a forward and backward of its own, in full precision; it adds to the gradients of its network."""

    def run(work: Work) -> None:
        network = cast("Network", regularizer.network)  # only what shares the main forward may be for both
        name = label(work.regularizers, regularizer, network)
        for draw in work.draws:
            value = one_number(regularizer.penalty(work.context(draw, network, joins=False)), regularizer)
            torch.autograd.backward(value, torch.full_like(value, regularizer.interval) * work.scale(network))
            work.note(name, value, draw)
        work.values[f"total_{network}"] = work.values[f"total_{network}"] + work.values[name]

    return run


def own_penalty(regularizer: Regularizer) -> Callable[[Work], None]:
    """As `penalty`, for an update of its own: nothing of the loss is in its gradients."""
    alone = penalty(regularizer)

    def run(work: Work) -> None:
        player = work.discriminator if regularizer.network == "discriminator" else work.generator
        player.forget()
        work.values[f"total_{regularizer.network}"] = torch.zeros((), device=work.state.device)
        alone(work)

    return run


def own_update(network: str) -> Callable[[Work], None]:
    """The optimizer step of such a penalty: rates are those of the step before, and no augmentation adapts."""

    def run(work: Work) -> None:
        work.average(network)
        work.gate.update(network, work.values[f"total_{network}"], work.state.optimizers[network])

    return run


def update(network: str) -> Callable[[Work], None]:
    """One optimizer step of one network, on the mean over all ranks, if the gate lets it pass."""

    def pass_the_gate(work: Work) -> None:
        work.gate.update(network, work.values[f"total_{network}"], work.state.optimizers[network])

    def run(work: Work) -> None:
        apply_schedules(work.state.optimizers[network].param_groups, work.state.images)
        work.average(network)
        work.update(network, pass_the_gate)
        adapt = getattr(work.augment, "update", None)
        if network == "discriminator" and adapt is not None:
            adapt(work.values["statistics"], work.count)

    return run


def apply_schedules(groups: Sequence[dict[str, object]], images: int) -> None:
    """Set every scheduled value (`group["schedules"]`) to what it is after this many images."""
    for group in groups:
        schedules = group.get("schedules")
        if isinstance(schedules, Mapping):
            group.update({key: schedule.at(images) for key, schedule in schedules.items()})


def one_number(value: Tensor, regularizer: Regularizer) -> Tensor:
    """A penalty as its contract has it.  Raises ContractError."""
    if value.dim() != 0:
        raise ContractError(
            f"the penalty of {type(regularizer).__name__} must be one number, got shape {list(value.shape)}",
            at=f"{regularizer.network} penalty",
            fix="return its mean or sum",
        )
    return value


def label(regularizers: Sequence[Regularizer], one: Regularizer, network: str) -> str:
    """The name of its value in the log: penalty_R1, penalty_R1_2 for the second of a class, penalty_ACGAN_g of both in G's."""
    same = [other for other in regularizers if type(other) is type(one)]
    number = next(index for index, other in enumerate(same) if other is one)
    side = f"_{network[0]}" if one.network == "both" else ""
    return f"penalty_{type(one).__name__}" + (f"_{number + 1}" if number else "") + side
