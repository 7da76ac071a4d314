"""Compiled networks: tried out before the first step, forward and backward, and left alone where the compiler fails."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ganreg.engine.networks import Player
from ganreg.engine.precision import Precision


def compile_player(
    player: Player, inputs: Tensor, labels: Tensor | None, precision: Precision, *, needs_input_grad: bool
) -> str:
    """Let the player run compiled, for this shape of inputs -> why it does not, or nothing.

    The try leaves no trace: buffers, gradients and random numbers are as before.
    """
    player.call = torch.compile(player.network, dynamic=False)
    saved = [(buffer, buffer.clone()) for buffer in player.network.buffers()]
    devices = [inputs.device] if inputs.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        try:
            if needs_input_grad:  # as in G's phase, D frozen
                player.learns(False)
                _once(lambda: player(inputs.clone().requires_grad_(), labels), precision)
                player.learns(True)
            if player.per_sample:  # reals and fakes in one pass
                inputs, labels = torch.cat([inputs, inputs]), torch.cat([labels, labels]) if labels is not None else None
            _once(lambda: player(inputs, labels), precision)
        except Exception as error:  # whatever the compiler raises; what is the network's own fault, its eager form raises, too
            player.call = player.network
            torch.compiler.reset()
            return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
        finally:
            player.learns(True)
            for buffer, before in saved:
                buffer.copy_(before)
            _drop_gradients(player.network)
    return ""


def _once(forward: Callable[[], object], precision: Precision) -> None:
    with precision.autocast():
        answer = forward()
    output = getattr(answer, "logits", answer)
    assert isinstance(output, Tensor)
    output.float().sum().backward()  # type: ignore[no-untyped-call]


def _drop_gradients(network: nn.Module) -> None:
    for parameter in network.parameters():
        parameter.grad = None
