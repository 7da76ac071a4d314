"""Who moves next."""

from __future__ import annotations

from collections.abc import Sequence

from ganreg.engine.observers import Observers
from ganreg.engine.phases import Phase
from ganreg.engine.work import Work


def train(work: Work, phases: Sequence[Phase], observers: Observers, *, last_step: int, is_end: bool = True) -> str:
    """Step until `last_step`, or until an observer says stop -> "done" or "stopped"; `is_end`: every observer sees that step.

    Raises NonFiniteError when a loss or gradient is not finite.
    """
    state = work.state
    while state.step < last_step:
        work.begin_step()
        for phase in phases:
            if state.step % phase.interval == 0:
                phase.run(work)
        state.advance()
        work.gate.end_of_step()
        if state.ema is not None:
            state.ema.update(batch_size=work.count, images=state.images, closed=work.gate.closed)
        if observers.stepped(work, is_last=is_end and state.step == last_step) == "stop":
            return "stopped"
    return "done"
