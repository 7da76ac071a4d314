"""What the phases of a step share: the parts, this step's batch, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganreg.contracts import STATISTICS, DiscriminatorOutput, Loss, PenaltyContext, Regularizer
from ganreg.engine.distributed import ALONE, Ranks
from ganreg.engine.gate import Gate
from ganreg.engine.graphs import Graphs
from ganreg.engine.networks import Player
from ganreg.engine.precision import FULL, Precision
from ganreg.engine.rollback import Rollbacks
from ganreg.engine.signals import Signals
from ganreg.engine.state import State
from ganreg.engine.trail import Trail
from ganreg.errors import ContractError

FINITE = STATISTICS.index("finite")
Network = Literal["discriminator", "generator"]
OUTPUTS = tuple(one.name for one in fields(DiscriminatorOutput) if one.name != "extras")


@dataclass(slots=True)
class Draw:
    """A part of a batch, real and made: all of it, unless gradients are accumulated over several parts."""

    real: Tensor  # [n, *shape]
    labels: Tensor | None  # [n]
    is_first: bool
    latents: Tensor = field(init=False)  # [n, latent_dim]
    fake_labels: Tensor | None = field(init=False)
    fake: Tensor = field(init=False)  # [n, *shape]
    real_output: DiscriminatorOutput | None = None
    fake_output: DiscriminatorOutput | None = None


@dataclass
class Work:
    """A step at work."""

    state: State
    generator: Player
    discriminator: Player
    loss: Loss
    regularizers: Sequence[Regularizer]
    augment: Callable[[Tensor], Tensor]
    gate: Gate
    fake_labels: Callable[[int], Tensor | None]
    shares_latents: bool
    parts: int = 1
    precision: Precision = FULL
    ranks: Ranks = ALONE
    memory_format: torch.memory_format = torch.preserve_format
    graphs: Graphs | None = None
    signals: Signals = field(default_factory=Signals)
    trail: Trail = field(default_factory=Trail)
    rollbacks: Rollbacks | None = None

    draws: list[Draw] = field(init=False)
    values: dict[str, Tensor] = field(default_factory=dict)
    _agreed: set[tuple[str, tuple[int, ...]]] = field(default_factory=set)

    @property
    def count(self) -> int:
        """Samples of an update, over all parts and ranks."""
        return self.ranks.size * sum(len(draw.real) for draw in self.draws)

    def begin_step(self) -> None:
        """Remember where it began; random numbers of this rank's own."""
        self.gate.begin_step()
        self.trail.mark(self.state)
        self.ranks.begin_step(self.state.step)

    def draw_real(self) -> None:
        """This rank's share of a batch of data, one for each update of D."""
        real, labels = self.state.batches.next()
        if real.dim() == 4:
            real = real.contiguous(memory_format=self.memory_format)
        pairs = zip(self._parts(real), self._parts(labels), strict=True)
        self.draws = [Draw(part, chosen, is_first=not index) for index, (part, chosen) in enumerate(pairs)]

    def draw_latents(self) -> None:
        """Latents and labels of this rank's fakes: every rank draws those of all and takes its share."""
        latents = torch.randn(self.count, self.generator.latent_dim, generator=self.state.rng, device=self.state.device)
        labels = self.fake_labels(self.count)
        pairs = zip(self._parts(self.ranks.share(latents)), self._parts(self.ranks.share(labels)), strict=True)
        for draw, (part, chosen) in zip(self.draws, pairs, strict=True):
            draw.latents, draw.fake_labels = part, chosen

    def _parts(self, tensor: Tensor | None) -> Sequence[Any]:
        """[N, ...] in equal parts."""
        if tensor is None or self.parts == 1:
            return [tensor] * self.parts
        return tensor.chunk(self.parts)

    def make_fake(self, draw: Draw, *, with_graph: bool) -> None:
        """Samples from a draw's latents; with the graph when G will learn from these."""
        with torch.set_grad_enabled(with_graph):
            fake = self.generator(draw.latents, draw.fake_labels)
            draw.fake = fake if fake.dtype.itemsize > 2 else fake.float()  # augmentations see what they see in reals

    def judge(self, samples: Tensor, labels: Tensor | None) -> DiscriminatorOutput:
        """Augmented samples through D, compiled where it is."""
        return as_output(self.discriminator(self.augment(samples), labels))

    def judge_both(self, draw: Draw) -> tuple[DiscriminatorOutput, DiscriminatorOutput]:
        """Reals and fakes through D: in one pass where D judges each sample by itself, which saves it reading its weights."""
        fake = draw.fake.detach()
        if not self.discriminator.per_sample:
            outputs = self.judge(draw.real, draw.labels), self.judge(fake, draw.fake_labels)
            draw.real_output, draw.fake_output = outputs
            return outputs
        samples = torch.cat([self.augment(draw.real), self.augment(fake)])
        labels = (
            torch.cat([draw.labels, draw.fake_labels]) if draw.labels is not None and draw.fake_labels is not None else None
        )
        outputs = halves(as_output(self.discriminator(samples, labels)))
        draw.real_output, draw.fake_output = outputs
        return outputs

    def judge_eagerly(self, samples: Tensor, labels: Tensor | None) -> DiscriminatorOutput:
        """As `judge`, but never compiled: a penalty differentiates twice, which compiled code cannot."""
        return as_output(self.discriminator.eager(self.augment(samples), labels))

    def gradients(self, network: str, run: Callable[[Work], None]) -> None:
        """A main phase's forward and backward, recorded where graphs are."""
        run(self) if self.graphs is None else self.graphs.gradients(network, run, self)

    def update(self, network: str, run: Callable[[Work], None]) -> None:
        """A network's update, recorded where graphs are."""
        run(self) if self.graphs is None else self.graphs.update(network, run, self)

    def scale(self, network: str) -> float | Tensor:
        """What the logits' gradients of one part carry: its share of the batch, and the loss scale of 16-bit floats."""
        scaler = self.gate.scalers.get(network)
        return 1.0 / self.parts if scaler is None else scaler.scale / self.parts

    def note(self, name: str, value: Tensor, draw: Draw) -> None:
        """A value of this step: the mean over its parts."""
        if self.parts == 1:
            self.values[name] = value.detach()
        elif draw.is_first:
            self.values[name] = value.detach() / self.parts
        else:
            self.values[name] = self.values[name] + value.detach() / self.parts

    def average(self, network: str) -> None:
        """Gradients, values and buffers: the mean over all ranks."""
        if self.ranks.size == 1:
            return
        for name, asked in self.signals.asked().items():  # told to all ranks with the gradients
            self.values[name] = torch.full((), float(asked), device=self.state.device)
        players = {"discriminator": self.discriminator, "generator": self.generator}
        parameters = list(players[network].network.parameters())
        self._agree_on_gradients(network, parameters)
        done = players.values() if network == "generator" else ()  # before, a graph may still need G's statistics
        buffers = [one for player in done for one in player.network.buffers() if one.is_floating_point() or one.is_complex()]
        learning = [parameter for parameter in parameters if parameter.grad is not None]
        grads = [parameter.grad for parameter in learning if parameter.grad is not None]
        means, finite = self.ranks.average([*grads, *buffers, *self.values.values()], network)
        self.gate.note_own(finite)
        for parameter in learning:
            parameter.grad = means.pop(0)
        for buffer in buffers:
            buffer.copy_(means.pop(0))
        self.values = {name: mean.clone() for name, mean in zip(self.values, means, strict=True)}
        self.values["statistics"][FINITE].floor_()  # 1 only where every rank's is

    def _agree_on_gradients(self, network: str, parameters: Sequence[nn.Parameter]) -> None:
        """A different set of gradients would be averaged wrongly.  Looked at once for each set of due phases."""
        due = tuple(
            index
            for index, one in enumerate(self.regularizers)
            if one.network in (network, "both") and self.state.step % one.interval == 0
        )
        if (network, due) in self._agreed:
            return
        self._agreed.add((network, due))
        has = "".join("01"[parameter.grad is not None] for parameter in parameters)
        self.ranks.check_agree({f"{network}'s weights that have a gradient": has}, step=self.state.step)

    def context(self, draw: Draw, network: Network, *, joins: bool) -> PenaltyContext:
        """What a penalty sees: outputs of this phase only where it joins the phase's backward; G's graph only in G's."""
        return PenaltyContext(
            generator=self.generator.network,
            discriminator=self.discriminator.network,
            augment=self.augment,
            judge=self.judge_eagerly,
            real=draw.real,
            fake=draw.fake if joins and network == "generator" else draw.fake.detach(),
            latents=draw.latents,
            labels=draw.labels,
            fake_labels=draw.fake_labels,
            real_output=in_float32(draw.real_output) if joins else None,
            fake_output=in_float32(draw.fake_output) if joins else None,
            step=self.state.step,
            images=self.state.images,
            rng=self.state.rng,
            phase=network,
        )


def halves(output: DiscriminatorOutput) -> tuple[DiscriminatorOutput, DiscriminatorOutput]:
    """What D said of reals and of fakes, from what it said of both."""
    told = {name: value for name in OUTPUTS if (value := getattr(output, name)) is not None}
    extras = output.extras
    for name, value in {**told, **extras}.items():
        if not (isinstance(value, Tensor) and value.dim() and len(value) == len(output.logits)):
            raise ContractError(
                f"a discriminator that says per_sample must give {name} of one row a sample",
                at="discriminator",
                fix="give tensors [N, ...], or leave per_sample out",
            )

    parts, more = ({name: value.chunk(2) for name, value in one.items()} for one in (told, extras))

    def side(number: int) -> DiscriminatorOutput:
        whole: dict[str, Any] = {name: part[number] for name, part in parts.items()}
        return DiscriminatorOutput(**whole, extras={name: part[number] for name, part in more.items()})

    return side(0), side(1)


def in_float32(output: DiscriminatorOutput | None) -> DiscriminatorOutput | None:
    """The same, 16-bit tensors widened: penalties are computed in float32."""
    if output is None or output.logits.dtype.itemsize > 2:
        return output
    told = {one.name: getattr(output, one.name) for one in fields(output)}
    wide: dict[str, Any] = {name: value.float() if isinstance(value, Tensor) else value for name, value in told.items()}
    wide["extras"] = {name: value.float() for name, value in output.extras.items()}
    return DiscriminatorOutput(**wide)


def as_output(answer: Tensor | DiscriminatorOutput) -> DiscriminatorOutput:
    """A discriminator may answer with logits alone."""
    return answer if isinstance(answer, DiscriminatorOutput) else DiscriminatorOutput(answer)
