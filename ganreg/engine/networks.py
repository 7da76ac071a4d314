"""A network as the engine calls it: with labels where it takes them."""

from __future__ import annotations

import inspect
from operator import index
from typing import Any

from torch import Tensor, nn

from ganreg.errors import ContractError


class Player:
    """One of the two networks; labels are passed only where the data has classes and `forward` takes them.

    `per_sample`, the network's own word: what it makes of a sample depends on no other sample of the batch.
    `call` is what a main phase runs: the network, or a compiled form of it.
    """

    def __init__(self, network: nn.Module, *, role: str, num_classes: int) -> None:
        self.network = network
        self.role = role
        self._passes_labels = num_classes > 0 and "labels" in inspect.signature(network.forward).parameters
        self.call: Any = network
        self.per_sample = bool(getattr(network, "per_sample", False))
        self._parameters = list(network.parameters())
        self._trainable = [parameter for parameter in self._parameters if parameter.requires_grad]
        if role == "generator":
            self.latent_dim = _latent_dim(network)

    def learns(self, does: bool) -> None:
        """Whether backward makes gradients for its weights; those that came frozen stay so."""
        for parameter in self._trainable:
            parameter.requires_grad_(does)

    def forget(self) -> None:
        """Its weights, those that it had when the run began, have no gradient: `zero_grad` without a walk through modules."""
        for parameter in self._parameters:
            parameter.grad = None

    def __call__(self, inputs: Tensor, labels: Tensor | None) -> Any:
        return self.call(inputs, labels) if self._passes_labels else self.call(inputs)

    def eager(self, inputs: Tensor, labels: Tensor | None) -> Any:
        """The network itself, whether or not `call` is a compiled one."""
        return self.network(inputs, labels) if self._passes_labels else self.network(inputs)


def _latent_dim(network: nn.Module) -> int:
    try:
        value = index(getattr(network, "latent_dim", None))  # type: ignore[arg-type]  # None is refused, too
    except TypeError:
        value = 0
    if value < 1:
        raise ContractError(
            f"the generator {type(network).__name__} has no latent_dim",
            at="generator",
            fix="set generator.latent_dim to the length of one latent vector",
        )
    return value
