"""Signals while a run trains: the step is finished and saved before anything ends.

SIGINT (Ctrl-C), SIGTERM, SIGHUP    finish the step, save, end with status 130 or 143; a second one leaves at once
SIGUSR1                             save, and go on
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
SAVING = getattr(signal, "SIGUSR1", None)
GRACE = 10  # seconds for a step among several ranks, which one that is gone would hold up for ever

WORKER_GRACE = 3  # seconds that a worker goes on after it was told to end


class Terminated(SystemExit):
    """The process was told to end, and did so in order."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


class Signals:
    """What the process was told since it began to watch."""

    def __init__(self, *, several_ranks: bool = False) -> None:
        self.ending: int | None = None
        self.saves = False
        self._several_ranks = several_ranks

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch while the body runs; outside the main thread nothing can be watched."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        # what is ignored stays so: nohup, and a shell's background jobs, mean it
        heard = [number for number in ENDING if signal.getsignal(number) != signal.SIG_IGN]
        before = {number: signal.signal(number, self._end) for number in heard}
        if SAVING is not None:
            before[SAVING] = signal.signal(SAVING, self._save)
        try:
            yield
        finally:
            if self._several_ranks and hasattr(signal, "alarm"):
                signal.alarm(0)
            for number, handler in before.items():
                signal.signal(number, handler)

    def asked(self) -> dict[str, bool]:
        """What this process wants, by the names under which ranks tell each other."""
        return {"asked_to_end": self.ending is not None, "asked_to_save": self.saves}

    def heard(self, *, ending: bool, saves: bool) -> None:
        """What any rank wants is what all do; a wish to save is fulfilled once."""
        if ending and self.ending is None:
            self.ending = signal.SIGTERM
        if saves:
            self.saves = False

    def raise_if_ending(self) -> None:
        """Once everything is saved.  Raises KeyboardInterrupt, Terminated."""
        if self.ending is not None:
            raise self._error(self.ending)

    def _end(self, number: int, frame: FrameType | None) -> None:
        if self.ending is not None:
            if self._several_ranks:
                return  # torchrun tells its processes more than once; the alarm is set
            raise self._error(number)
        self.ending = number
        if self._several_ranks and hasattr(signal, "alarm"):
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(GRACE)
        once_more = b"" if self._several_ranks else b"; once more to leave at once"
        with suppress(OSError):  # nobody may be there to read it: the terminal is closed, or `tee` has gone
            os.write(2, b"\nending: the step is finished and saved first" + once_more + b"\n")

    def _save(self, number: int, frame: FrameType | None) -> None:
        self.saves = True

    @staticmethod
    def _error(number: int) -> BaseException:
        return KeyboardInterrupt() if number == signal.SIGINT else Terminated()


def of_a_worker(worker: int) -> None:
    """In a process that reads data: a signal to the whole group is the main process's affair, which still needs this one.

    A worker that is told to end does so some seconds later, when the main process has finished its step.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "alarm"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # whatever the main process does with it
        signal.signal(signal.SIGTERM, lambda number, frame: signal.alarm(WORKER_GRACE))
