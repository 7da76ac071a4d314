"""What optimizers, regularizers, augmentations, data sets and trackers must do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ganreg.contracts import DataSpec, DiscriminatorOutput, PenaltyContext
from ganreg.engine.checks import check_regularizers
from ganreg.engine.modes import to_train
from ganreg.engine.state import packed_optimizer, restore_optimizer
from ganreg.engine.work import as_output
from ganreg.errors import ContractError
from ganreg.testing.subject import Subject, expect, number

# --- optimizers -------------------------------------------------------------------------------------------------------


def _weights() -> list[nn.Parameter]:
    return [nn.Parameter(torch.linspace(0.5, 1.5, 6).view(3, 2)), nn.Parameter(torch.tensor([-1.0, -0.5]))]


def _optimizer(subject: Subject, weights: list[nn.Parameter]) -> torch.optim.Optimizer:
    made: torch.optim.Optimizer = subject.part.build(subject.part.check(subject.settings), weights)
    to_train(made)
    return made


def _descend(optimizer: torch.optim.Optimizer, weights: list[nn.Parameter], steps: int) -> float:
    loss = torch.zeros(())
    for _ in range(steps):
        optimizer.zero_grad()
        loss = torch.stack([one.square().sum() for one in weights]).sum()
        torch.autograd.backward(loss)
        optimizer.step()
    return float(loss.detach())


def descends(subject: Subject) -> None:
    """A bowl gets lower, and with it everything it was given to move."""
    weights = _weights()
    before = [one.detach().clone() for one in weights]
    optimizer = _optimizer(subject, weights)
    first = _descend(optimizer, weights, 1)
    expect(_descend(optimizer, weights, 20) < first, "20 steps do not lower the sum of squares")
    moved = all(not torch.equal(one, old) for one, old in zip(weights, before, strict=True))
    expect(moved, "it does not move all the parameters that it was given")


def goes_on_from_its_state(subject: Subject) -> None:
    """`state_dict` holds all, as a checkpoint can hold it: after a restart every bit is what it would have been."""
    weights = _weights()
    optimizer = _optimizer(subject, weights)
    _descend(optimizer, weights, 3)
    others = [nn.Parameter(one.detach().clone()) for one in weights]
    again = _optimizer(subject, others)
    try:
        tensors, values = packed_optimizer(optimizer)
    except ContractError as error:
        raise AssertionError(f"{error.what}: {error.fix}") from error
    restore_optimizer(again, {name: tensor.clone() for name, tensor in tensors.items()}, json.loads(json.dumps(values)))
    for chosen, held in ((optimizer, weights), (again, others)):
        torch.manual_seed(0)
        _descend(chosen, held, 3)
    same = all(torch.equal(one, other) for one, other in zip(weights, others, strict=True))
    expect(same, "after load_state_dict it goes on differently: keep nothing outside of state and param_groups")


OPTIMIZER = (descends, goes_on_from_its_state)

# --- regularizers -----------------------------------------------------------------------------------------------------


class _Generator(nn.Module):
    latent_dim = 4

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.shape = spec.shape
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, spec.size), nn.Tanh())

    def forward(self, latents: Tensor) -> Tensor:
        made: Tensor = self.layers(latents).view(-1, *self.shape)
        return made


CLASSES = 3
FAR = 10_000
"""Steps and images, when a penalty that starts late has started."""


class _Discriminator(nn.Module):
    """Answers all that a penalty may read: logits, class logits, and a drawing of what it was shown."""

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.shape = spec.shape
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(spec.size, 8), nn.Tanh())
        self.logit, self.classes, self.drawing = nn.Linear(8, 1), nn.Linear(8, CLASSES), nn.Linear(8, spec.size)

    def forward(self, samples: Tensor) -> DiscriminatorOutput:
        features: Tensor = self.layers(samples)
        drawn = self.drawing(features).view(-1, *self.shape)
        extras = {"reconstruction": drawn, "reconstruction_target": samples.detach()}
        return DiscriminatorOutput(self.logit(features), self.classes(features), features, features, extras)


def _context(spec: DataSpec, phase: Literal["discriminator", "generator"], *, joins: bool) -> PenaltyContext:
    torch.manual_seed(0)
    generator, discriminator = _Generator(spec), _Discriminator(spec)
    latents, real, labels = torch.randn(4, 4), torch.randn(4, *spec.shape).clamp(-1, 1), torch.arange(4).remainder(CLASSES)
    fake = generator(latents)
    return PenaltyContext(
        generator=generator,
        discriminator=discriminator,
        augment=lambda samples: samples,
        judge=lambda samples, labels: as_output(discriminator(samples)),
        real=real,
        fake=fake if joins else fake.detach(),
        latents=latents,
        labels=labels,
        fake_labels=labels,
        real_output=discriminator(real) if joins else None,
        fake_output=discriminator(fake if phase == "generator" else fake.detach()) if joins else None,
        step=FAR,
        images=FAR,
        rng=torch.Generator().manual_seed(0),
        phase=phase,
    )


def can_be_applied(subject: Subject) -> None:
    """`network`, `interval` and `penalty` as the engine reads them."""
    check_regularizers([subject.made()], _WithAll())


class _WithAll(nn.Module):
    def __getattr__(self, name: str) -> Any:  # every capability that a penalty may require
        return None


def penalises_its_network(subject: Subject) -> None:
    """One finite number, whose gradient reaches weights of the network that it names."""
    one = subject.made()
    if getattr(one, "requires", ()):
        return  # needs networks that we do not have
    spec = DataSpec((1, 8, 8), value_range=(-1.0, 1.0))
    for phase in ("discriminator", "generator") if one.network == "both" else (one.network,):
        context = _context(spec, phase, joins=bool(getattr(one, "shares_forward", False)))
        torch.autograd.backward(number(one.penalty(context), "the penalty"))
        weights = getattr(context, phase).parameters()
        reached = any(weight.grad is not None and bool(weight.grad.any()) for weight in weights)
        expect(reached, f"no gradient of the penalty reaches the {phase}")


REGULARIZER = (can_be_applied, penalises_its_network)

# --- augmentations ----------------------------------------------------------------------------------------------------


def keeps_shape_and_gradient(subject: Subject) -> None:
    """[N, *shape] -> the same shape and dtype, with a gradient: G learns through it."""
    images = subject.samples(4).requires_grad_()
    out = subject.made()(images)
    expect(out.shape == images.shape, f"it makes {list(out.shape)} of {list(images.shape)}")
    expect(out.dtype == images.dtype, f"it makes {out.dtype} of {images.dtype}")
    expect(bool(out.isfinite().all()), "what it makes is not finite")
    expect(out.requires_grad, "no gradient passes through it: G could not learn")
    torch.autograd.backward(out.sum())
    expect(bool(images.grad is not None and images.grad.isfinite().all()), "the gradient through it is not finite")


AUGMENTATION = (keeps_shape_and_gradient,)

# --- data sets --------------------------------------------------------------------------------------------------------


def holds_what_it_promises(subject: Subject) -> None:
    """`spec`, `len` and samples agree."""
    data = subject.made()
    spec: DataSpec = data.spec
    expect(len(data) > 0, "it is empty")
    for index in {0, len(data) // 2, len(data) - 1}:
        sample, label = data[index]
        expect(isinstance(sample, Tensor), f"sample {index} must be a tensor, is a {type(sample).__name__}")
        expect(
            tuple(sample.shape) == tuple(spec.shape), f"sample {index} is {list(sample.shape)}, spec says {list(spec.shape)}"
        )
        expect(sample.dtype == torch.float32, f"sample {index} must be float32, is {sample.dtype}")
        expect(bool(sample.isfinite().all()), f"sample {index} is not finite")
        if spec.value_range is not None:
            low, high = spec.value_range
            inside = bool((sample >= low).all() and (sample <= high).all())
            expect(inside, f"sample {index} leaves the range [{low:g}, {high:g}] that spec promises")
        if spec.num_classes:
            expect(0 <= int(label) < spec.num_classes, f"label {label} of sample {index} is none of {spec.num_classes} classes")


def has_a_lasting_fingerprint(subject: Subject) -> None:
    """The same data, the same text; a resumed run compares it."""
    first, again = subject.made(), subject.made(seed=1)
    told = first.fingerprint()
    expect(isinstance(told, str) and bool(told), f"fingerprint() must return text, returned {told!r}")
    expect(told == again.fingerprint(), "built twice from the same settings it has two fingerprints")


def gives_the_same_sample_again(subject: Subject) -> None:
    """Under the same random state, as a resumed run has it."""
    data = subject.made()
    torch.manual_seed(5)
    first = data[0][0]
    torch.manual_seed(5)
    expect(torch.equal(first, data[0][0]), "the same index gives another sample: draw from torch's generator alone")


DATASET = (holds_what_it_promises, has_a_lasting_fingerprint, gives_the_same_sample_again)

# --- trackers ---------------------------------------------------------------------------------------------------------


TOLD = {"generator": {"name": "mlp", "hidden": [8, 8]}, "regularizers": [], "steps": 2, "ema": None, "tf32": True}
VALUES = {"loss_d": 1.4, "loss_g": 0.7, "real_logit": -0.3, "metric/frechet-distance": 2.5}


def writes_nothing_before_it_starts(subject: Subject) -> None:
    """A rehearsal builds it, too, and a run that is refused before its first step leaves nothing."""
    with subject.in_a_run_of_its_own() as folder:
        subject.made()
        left = sorted(path.name for path in folder.iterdir())
        expect(not left, f"building it wrote {', '.join(left)} into the run directory: open things in start()")


def takes_a_whole_run(subject: Subject) -> None:
    """`start`, `scalars`, `images`, `finish`, in that order, with plain numbers and uint8 pictures [N, H, W, C]."""
    with subject.in_a_run_of_its_own():
        _follows(subject.made(), (1, 2))


def goes_on_in_the_same_run(subject: Subject) -> None:
    """Built anew in the run directory where it was before; after a rollback, steps come again."""
    with subject.in_a_run_of_its_own():
        _follows(subject.made(), (1, 2))
        _follows(subject.made(), (3, 4, 2, 3))


def says_where_it_is_looked_at(subject: Subject) -> None:
    """`where`, text, if it has one."""
    with subject.in_a_run_of_its_own():
        tracker = subject.made()
        tracker.start(TOLD)
        where = getattr(tracker, "where", "")
        tracker.finish("done")
    expect(isinstance(where, str), f"where must be text, is {where!r}")


def _follows(tracker: Any, steps: Sequence[int]) -> None:
    tracker.start(TOLD)
    tracker.images(steps[0] - 1, "reals", np.zeros((1, 4, 6, 1), dtype=np.uint8))
    for step in steps:
        tracker.scalars(step, VALUES)
    tracker.images(steps[-1], "samples", np.zeros((2, 4, 4, 3), dtype=np.uint8))
    tracker.finish("done")


TRACKER = (writes_nothing_before_it_starts, takes_a_whole_run, goes_on_in_the_same_run, says_where_it_is_looked_at)
