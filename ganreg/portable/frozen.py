"""A generator made ready to leave Python: a copy in eval mode whose answer depends on its inputs alone.

- Weights that are computed whenever they are read, as spectral normalisation's are, are computed once.
- Noise that is drawn inside, with `randn_like` or `rand_like`, is drawn once from seed 0: one noise for every sample of every
  batch, as StyleGAN2's generator has it.  Anything else that draws is refused by whoever writes the graph.
- Labels are an input where the answer depends on them, else they are none.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode

from ganreg.contracts import DataSpec
from ganreg.errors import ExportError, reason_of

SEED = 0
LOOKED_AT = 7
"""Samples of the batch that tells which noise is drawn: a number that no other dimension is likely to be."""

DRAWS: Mapping[Callable[..., Any], Callable[..., Tensor]] = {torch.randn_like: torch.randn, torch.rand_like: torch.rand}


class Frozen(nn.Module):
    """`generator` as it will be written: latents [N, latent_dim], labels [N] where `conditional`, -> samples [N, *shape]."""

    def __init__(self, generator: nn.Module, spec: DataSpec, *, conditional: bool, noises: Sequence[Tensor]) -> None:
        super().__init__()
        self.generator = generator
        self.spec = spec
        self.latent_dim = int(generator.latent_dim)  # type: ignore[arg-type]
        self.conditional = conditional
        self.num_noises = len(noises)
        for number, noise in enumerate(noises):
            self.register_buffer(f"noise_{number}", noise)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """[N, latent_dim], [N] -> [N, *shape]."""
        noises = [self.get_buffer(f"noise_{number}") for number in range(self.num_noises)]
        with _Given(noises) if noises else nullcontext():
            samples: Tensor = self.generator(z, labels) if self.conditional else self.generator(z)
        return samples

    def inputs(self, count: int, seed: int = SEED) -> tuple[Tensor, ...]:
        """Latents [count, latent_dim] and, where `conditional`, labels [count] of every class in turn."""
        z = torch.randn(count, self.latent_dim, generator=torch.Generator().manual_seed(seed))
        return (z, torch.arange(count).remainder(self.spec.num_classes)) if self.conditional else (z,)


@torch.no_grad()
def freeze(generator: nn.Module, spec: DataSpec) -> Frozen:
    """A copy on the CPU, ready to be written; `generator` stays as it is.

    Raises ExportError for one that cannot be copied, or that makes nothing of latents.
    """
    try:
        own = copy.deepcopy(generator).cpu().float().eval().requires_grad_(False)
    except Exception as error:
        raise _refused(f"it cannot be copied: {reason_of(error)}", generator) from error
    for module in list(own.modules()):
        if parametrize.is_parametrized(module):
            _compute_once(module)
    try:
        with torch.random.fork_rng():
            conditional = needs_labels(own, spec)
            plain = Frozen(own, spec, conditional=conditional, noises=())
            with _Watched(LOOKED_AT) as watched:
                plain(*plain.inputs(LOOKED_AT))
    except Exception as error:
        raise _refused(f"it makes nothing of latents: {reason_of(error)}", generator) from error
    return Frozen(own, spec, conditional=conditional, noises=watched.noises)


def _compute_once(module: nn.Module) -> None:
    """Its parametrized weights become plain ones.  Torch's own way would undo them in the original, whose class it shares."""
    names = list(module.get_submodule("parametrizations")._modules)
    values = {name: getattr(module, name).detach().clone() for name in names}
    module.__class__ = parametrize.type_before_parametrizations(module)
    del module._modules["parametrizations"]
    for name, value in values.items():
        module.register_parameter(name, nn.Parameter(value, requires_grad=False))


@torch.no_grad()
def needs_labels(generator: nn.Module, spec: DataSpec) -> bool:
    """Whether a generator in eval mode cannot do without labels, or answers differently with them."""
    if not spec.num_classes or "labels" not in inspect.signature(generator.forward).parameters:
        return False
    z = torch.randn(2, int(generator.latent_dim), generator=torch.Generator().manual_seed(SEED))  # type: ignore[arg-type]
    made = []
    for labels in (None, torch.zeros(2, dtype=torch.int64), torch.full((2,), spec.num_classes - 1)):
        with torch.random.fork_rng():
            torch.manual_seed(SEED)  # for noise that it draws inside
            try:
                made.append(generator(z, labels))
            except Exception:
                if labels is not None:
                    raise
                return True
    return not all(torch.equal(made[0], one) for one in made[1:])


class _Watched(TorchFunctionMode):
    """Looks on while a batch of `count` is made, and draws the noise that will stand for each that is drawn."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count
        self.noises: list[Tensor] = []
        self.rng = torch.Generator().manual_seed(SEED)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if func in DRAWS:
            every = made.dim() > 0 and made.shape[0] == self.count
            shape = (1, *made.shape[1:]) if every else tuple(made.shape)
            self.noises.append(DRAWS[func](shape, generator=self.rng, dtype=made.dtype))
        return made


class _Given(TorchFunctionMode):
    """Each draw, in turn, is one of these noises, the same for every sample."""

    def __init__(self, noises: Sequence[Tensor]) -> None:
        super().__init__()
        self.noises = list(noises)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func not in DRAWS:
            return func(*args, **(kwargs or {}))
        return self.noises.pop(0).expand(args[0].shape)


def _refused(what: str, generator: nn.Module) -> ExportError:
    return ExportError(
        f"the generator cannot be exported: {what}",
        at=type(generator).__name__,
        fix="export the weights alone: --format safetensors",
    )
