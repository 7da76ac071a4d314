"""The phases of one step, as data: who learns from what, and how often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ganreg.contracts import Regularizer
from ganreg.engine import step
from ganreg.engine.lazy import own_steps
from ganreg.engine.work import Work


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a step, due every `interval`-th one."""

    name: str
    run: Callable[[Work], None]
    interval: int = 1


def phases(regularizers: Sequence[Regularizer], discriminator_steps: int) -> list[Phase]:
    """D's phases, once for each of its steps, then G's: gradients from the logits, from penalties, one update.

    After it come the penalties that take an update of their own.
    """
    mains = {"discriminator": step.discriminator_main, "generator": step.generator_main}
    turn = {
        network: [
            Phase(f"{network} main", main),
            *(
                Phase(f"{network} {type(regularizer).__name__}", step.penalty(regularizer), regularizer.interval)
                for regularizer in regularizers
                if regularizer.network == network
                and not getattr(regularizer, "shares_forward", False)
                and not getattr(regularizer, "own_step", False)
            ),
            Phase(f"{network} update", step.update(network)),
            *(phase for regularizer in own_steps(regularizers, network) for phase in _own(regularizer, network)),
        ]
        for network, main in mains.items()
    }
    return turn["discriminator"] * discriminator_steps + turn["generator"]


def _own(regularizer: Regularizer, network: str) -> list[Phase]:
    name = f"{network} {type(regularizer).__name__}"
    return [
        Phase(name, step.own_penalty(regularizer), regularizer.interval),
        Phase(f"{name} update", step.own_update(network), regularizer.interval),
    ]
