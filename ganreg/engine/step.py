"""What the phases of one step do.  Backward starts at the logits: the loss hands over value *and* gradient.

    z - G -> fake -> augment -+
    real ---------> augment --+-> D -> logits -> loss -> grads -> backward -> gate -> optimizer

Everything stays on the device: no host read, no branch on a device, nothing printed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ganreg.contracts import DiscriminatorOutput, Loss, PenaltyContext, Regularizer
from ganreg.engine import value_and_grad
from ganreg.engine.gate import Gate
from ganreg.engine.networks import Player
from ganreg.engine.state import State
from ganreg.errors import ContractError


@dataclass
class Work:
    """What the phases of a step share: the parts, this step's batch, and what came of it."""

    state: State
    generator: Player
    discriminator: Player
    loss: Loss
    regularizers: Sequence[Regularizer]
    augment: Callable[[Tensor], Tensor]
    gate: Gate
    fake_labels: Callable[[int], Tensor | None]
    shares_latents: bool

    real: Tensor = field(init=False)
    labels: Tensor | None = field(init=False)
    latents: Tensor = field(init=False)
    drawn_labels: Tensor | None = field(init=False)
    fake: Tensor = field(init=False)
    real_output: DiscriminatorOutput | None = None
    fake_output: DiscriminatorOutput | None = None
    values: dict[str, Tensor] = field(default_factory=dict)

    def draw_real(self) -> None:
        """A batch of data, one for each update of D."""
        self.real, self.labels = self.state.batches.next()

    def draw_fake(self, *, with_graph: bool) -> None:
        """Latents, labels and the samples made of them; with the graph when G will learn from these."""
        count = len(self.real)
        self.latents = torch.randn(count, self.generator.latent_dim, generator=self.state.rng, device=self.state.device)
        self.drawn_labels = self.fake_labels(count)
        with torch.set_grad_enabled(with_graph):
            self.fake = self.generator(self.latents, self.drawn_labels)

    def judge(self, samples: Tensor, labels: Tensor | None) -> DiscriminatorOutput:
        """Augmented samples through D."""
        return as_output(self.discriminator(self.augment(samples), labels))

    def context(self, network: str, *, joins: bool) -> PenaltyContext:
        """What a penalty sees: outputs of this phase only where it joins the phase's backward; G's graph only in G's."""
        return PenaltyContext(
            generator=self.generator.network,
            discriminator=self.discriminator.network,
            augment=self.augment,
            judge=self.judge,
            real=self.real,
            fake=self.fake if joins and network == "generator" else self.fake.detach(),
            latents=self.latents,
            labels=self.labels,
            fake_labels=self.drawn_labels,
            real_output=self.real_output if joins else None,
            fake_output=self.fake_output if joins else None,
            step=self.state.step,
            images=self.state.images,
            rng=self.state.rng,
        )


def discriminator_main(work: Work) -> None:
    """D learns to tell real from fake."""
    work.discriminator.learns(True)
    work.state.optimizers["discriminator"].zero_grad(set_to_none=True)
    work.draw_real()
    work.draw_fake(with_graph=work.shares_latents)
    work.real_output = work.judge(work.real, work.labels)
    work.fake_output = work.judge(work.fake.detach(), work.drawn_labels)
    real_logits, fake_logits = work.real_output.logits, work.fake_output.logits
    result = value_and_grad.discriminator(work.loss, real_logits, fake_logits)
    work.values |= {"loss_d": result.value, "statistics": result.statistics}
    backward(work, "discriminator", [real_logits, fake_logits], list(result.grads), result.value)


def generator_main(work: Work) -> None:
    """G learns to pass for real; D is frozen, its weight gradients would be thrown away."""
    work.discriminator.learns(False)
    work.state.optimizers["generator"].zero_grad(set_to_none=True)
    if not work.shares_latents:
        work.draw_fake(with_graph=True)
    work.fake_output = work.judge(work.fake, work.drawn_labels)
    work.real_output, real_logits = None, None
    if getattr(work.loss, "needs_real_in_generator_step", False):
        work.real_output = work.judge(work.real, work.labels)
        real_logits = work.real_output.logits
    logits = work.fake_output.logits
    result = value_and_grad.generator(work.loss, logits, real_logits)
    work.values["loss_g"] = result.value
    backward(work, "generator", [logits], list(result.grads), result.value)


def backward(work: Work, network: str, roots: list[Tensor], grads: list[Tensor], value: Tensor) -> None:
    """From the logits, and from the due penalties that share this forward, into the gradients."""
    for regularizer in work.regularizers:
        shares = getattr(regularizer, "shares_forward", False)
        if shares and regularizer.network == network and work.state.step % regularizer.interval == 0:
            penalty = one_number(regularizer.penalty(work.context(network, joins=True)), regularizer)
            roots.append(penalty)
            grads.append(torch.full_like(penalty, regularizer.interval))
            value = value + penalty.detach()
            work.values[label(work.regularizers, regularizer)] = penalty.detach()
    torch.autograd.backward(roots, grads)
    work.values[f"total_{network}"] = value


def penalty(regularizer: Regularizer) -> Callable[[Work], None]:
    """A penalty with a forward and backward of its own; it adds to the gradients of its network."""

    def run(work: Work) -> None:
        value = one_number(regularizer.penalty(work.context(regularizer.network, joins=False)), regularizer)
        torch.autograd.backward(value, torch.full_like(value, regularizer.interval))
        work.values[label(work.regularizers, regularizer)] = value.detach()
        work.values[f"total_{regularizer.network}"] = work.values[f"total_{regularizer.network}"] + value.detach()

    return run


def update(network: str) -> Callable[[Work], None]:
    """One optimizer step of one network, if the gate lets it pass."""

    def run(work: Work) -> None:
        optimizer = work.state.optimizers[network]
        apply_schedules(optimizer.param_groups, work.state.images)
        work.gate.update(network, work.values[f"total_{network}"], optimizer)
        adapt = getattr(work.augment, "update", None)
        if network == "discriminator" and adapt is not None:
            adapt(work.values["statistics"])

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


def label(regularizers: Sequence[Regularizer], one: Regularizer) -> str:
    """The name of its value in the log: penalty_R1, or penalty_R1_2 for the second of a class."""
    same = [other for other in regularizers if type(other) is type(one)]
    number = next(index for index, other in enumerate(same) if other is one)
    return f"penalty_{type(one).__name__}" + (f"_{number + 1}" if number else "")


def as_output(answer: Tensor | DiscriminatorOutput) -> DiscriminatorOutput:
    """A discriminator may answer with logits alone."""
    return answer if isinstance(answer, DiscriminatorOutput) else DiscriminatorOutput(answer)
