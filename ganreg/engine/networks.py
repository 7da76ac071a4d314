"""A network as the engine calls it: with labels where it takes them."""

from __future__ import annotations

import inspect
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from ganreg.contracts import GAN, DataSpec
from ganreg.errors import ContractError, MismatchError


class Player:
    """One of the two networks; labels are passed only where the data has classes and `forward` takes them."""

    def __init__(self, network: nn.Module, *, role: str, num_classes: int) -> None:
        self.network = network
        self.role = role
        self._passes_labels = num_classes > 0 and "labels" in inspect.signature(network.forward).parameters
        self._trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
        if role == "generator":
            self.latent_dim = _latent_dim(network)

    def learns(self, does: bool) -> None:
        """Whether backward makes gradients for its weights; those that came frozen stay so."""
        for parameter in self._trainable:
            parameter.requires_grad_(does)

    def __call__(self, inputs: Tensor, labels: Tensor | None) -> Any:
        return self.network(inputs, labels) if self._passes_labels else self.network(inputs)


def _latent_dim(network: nn.Module) -> int:
    value = getattr(network, "latent_dim", None)
    if not isinstance(value, int) or value < 1:
        raise ContractError(
            f"the generator {type(network).__name__} has no latent_dim",
            at="generator",
            fix="set generator.latent_dim to the length of one latent vector",
        )
    return value


def check_fit(gan: GAN, spec: DataSpec) -> None:
    """Run the pair once, two samples, on copies: nothing changes, no random number is used up.

    Raises MismatchError, with both shapes, when G's samples do not fit the data or D cannot judge them.
    """
    with torch.random.fork_rng(), torch.no_grad():
        generator, discriminator = deepcopy(gan.generator), deepcopy(gan.discriminator)
        device = next((p.device for p in generator.parameters()), torch.device("cpu"))
        labels = torch.zeros(2, dtype=torch.int64, device=device)
        maker = Player(generator, role="generator", num_classes=spec.num_classes)
        judge = Player(discriminator, role="discriminator", num_classes=spec.num_classes)
        try:
            made = maker(torch.randn(2, maker.latent_dim, device=device), labels)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise _misfit(f"the generator cannot take latents [2, {maker.latent_dim}]: {_first_line(error)}") from error
        if tuple(made.shape) != (2, *spec.shape):
            raise _misfit(f"the generator makes samples {list(made.shape[1:])}, the data has samples {list(spec.shape)}")
        try:
            answer = judge(made, labels)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise _misfit(f"the discriminator cannot take samples {list(made.shape[1:])}: {_first_line(error)}") from error
        logits = getattr(answer, "logits", answer)
        if not isinstance(logits, Tensor) or logits.dim() == 0 or len(logits) != 2:
            shape = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise _misfit(f"the discriminator must give logits [N, …] for N samples, for 2 it gave {shape}")


def _misfit(what: str) -> MismatchError:
    return MismatchError(what, at="generator, discriminator, data", fix="give all three one shape, e.g. one --resolution")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
