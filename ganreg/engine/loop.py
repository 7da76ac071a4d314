"""Who moves next."""

from __future__ import annotations

from collections.abc import Sequence

from ganreg.engine.observers import Observers
from ganreg.engine.phases import Phase
from ganreg.engine.step import Work


def train(work: Work, phases: Sequence[Phase], observers: Observers, *, last_step: int) -> str:
    """Step until `last_step`, or until an observer says stop -> "done" or "stopped".

    Raises NonFiniteError when a loss or gradient is not finite.
    """
    state = work.state
    while state.step < last_step:
        for phase in phases:
            if state.step % phase.interval == 0:
                phase.run(work)
        state.advance()
        work.gate.end_of_step()
        if state.ema is not None:
            state.ema.update(batch_size=len(work.real), images=state.images, closed=work.gate.closed)
        if observers.stepped(work, is_last=state.step == last_step) == "stop":
            return "stopped"
    return "done"
