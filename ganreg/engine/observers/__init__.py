"""Who is told: a run's observers, in the main process, the random state forked so that watching changes nothing."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ganreg import ambient
from ganreg.contracts import STATISTICS, Observer
from ganreg.engine.balance import balance as balance
from ganreg.engine.run import Run
from ganreg.engine.signals import Terminated
from ganreg.engine.work import Work
from ganreg.errors import GanregError, StorageError, reason_of


class Observers:
    """Tells each observer, when it is due, the values of a step.

    An observer is due every `log_every` steps, or every `every` steps where it says so; and at the last step.  One that
    raises is dropped with a warning, but a `GanregError`, and whatever goes wrong in one that is `required` (the run's own
    files), ends the run.  `seconds` adds up what observing costs; `origins` says which plugin brought an
    observer, by its id.
    """

    def __init__(self, run: Run, observers: Sequence[Observer]) -> None:
        self.run = run
        self.observers = list(observers)
        self.origins: dict[int, str] = {}
        self._odd: set[int] = set()  # whose interval could not be read, which was told
        self.seconds = 0.0
        self._wish = False  # an observer said stop
        self._began = self._last = time.perf_counter()
        self._last_images = run.state.images

    def started(self) -> None:
        """Before the first step."""
        self._tell(self.observers, lambda observer: observer.started(self.run))
        self._began = self._last = time.perf_counter()

    def stepped(self, work: Work, *, is_last: bool) -> str | None:
        """After each step -> "stop" when an observer says so.  Raises NonFiniteError when the gate has closed."""
        step = self.run.state.step
        due = [observer for observer in self.observers if is_last or step % self._interval(observer) == 0]
        together = is_last or step % self.run.settings.log_every == 0  # every rank is here
        ending, saves = self._asked(work, together=together)
        if not due and not ending and not saves:
            return None
        entered = time.perf_counter()
        if self.run.ranks.size == 1 or together:
            work.gate.look(step)
        elif work.gate.is_shut():
            return None  # nobody is told of what broke; all ranks end at the next step at which all of them look
        values = self._read(work, entered)
        answers: list[Any] = []
        self._tell(due, lambda observer: answers.append(observer.stepped(step, values)))
        self._wish |= "stop" in answers
        stops = self._wish and self.run.ranks.size == 1
        if self.run.ranks.size > 1 and together:
            stops = self.run.ranks.main_says(self._wish)
        # it was the last step, then: whatever writes the run's files writes once more; for a signal, only what can be resumed
        mark = "required" if stops else "saves" if ending or saves else ""
        late = [one for one in self.observers if mark and self._is(mark, one) and one not in due]
        self._tell(late, lambda observer: observer.stepped(step, values))
        stops = stops or ending
        if is_last or stops or saves:
            self._tell(self.observers, lambda observer: getattr(observer, "settle", _nothing)())
        self.seconds += time.perf_counter() - entered
        return "stop" if stops else None

    def _asked(self, work: Work, *, together: bool) -> tuple[bool, bool]:
        """Whether a signal, on any rank, wants an end or a checkpoint; among cards this is read when values are."""
        asked = work.signals.asked()
        if self.run.ranks.size == 1:
            ending, saves = asked.values()
        elif together or self.run.state.device.type == "cpu":
            ending, saves = (bool(work.values[name]) for name in asked)
        else:
            return False, False
        work.signals.heard(ending=ending, saves=saves)
        return ending, saves

    def finished(self, status: str) -> None:
        """The run ended."""
        self._tell(self.observers, lambda observer: observer.finished(status))

    def saved(self, path: Path) -> None:
        """A checkpoint was written."""
        self._tell(self.observers, lambda observer: observer.saved(path))

    def measured(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Metrics were measured."""
        self._tell(self.observers, lambda observer: getattr(observer, "measured", _nothing)(rows))

    def rolled_back(self) -> None:
        """The run went back to a checkpoint, for those who keep what was told since."""
        self._tell(self.observers, lambda observer: getattr(observer, "rolled_back", _nothing)(self.run))

    def _interval(self, observer: Observer) -> int:
        try:
            every = getattr(observer, "every", None)
        except Exception as error:
            every = None
            if id(observer) not in self._odd:
                self._odd.add(id(observer))
                told = f"observer {self._named(observer)} is told every {self.run.settings.log_every} steps, its own number"
                warnings.warn(f"{told} cannot be read: {reason_of(error)}", stacklevel=2)
        return every if isinstance(every, int) and every > 0 else self.run.settings.log_every

    def _named(self, observer: Observer) -> str:
        """Its class, and the plugin that brought it."""
        origin = self.origins.get(id(observer))
        return f"{type(observer).__name__} of {origin}" if origin else type(observer).__name__

    def _is(self, mark: str, observer: Observer) -> bool:
        """Whether it is marked "required" or "saves", which a plugin's may not say of itself."""
        return id(observer) not in self.origins and getattr(observer, mark, False)

    def _tell(self, observers: Sequence[Observer], call: Callable[[Observer], object]) -> None:
        if not observers:
            return
        device = self.run.state.device
        for observer in list(observers):
            foreign = not type(observer).__module__.startswith("ganreg.")
            guard = ambient.kept() if foreign else torch.set_grad_enabled(torch.is_grad_enabled())
            # one by one: what one draws must not reach the state that the next, which saves it, reads
            with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), guard:
                self._tell_one(observer, call)

    def _tell_one(self, observer: Observer, call: Callable[[Observer], object]) -> None:
        origin = self.origins.get(id(observer))
        try:
            call(observer)
        except GanregError as error:
            if origin and origin not in error.what:
                error.what += f" (says observer {self._named(observer)})"
            raise
        except (KeyboardInterrupt, Terminated):
            raise
        except BaseException as error:
            if self._is("required", observer) and isinstance(error, OSError):
                raise StorageError(
                    f"the run's files cannot be written: {error.strerror or error}",
                    at=str(error.filename or self.run.directory),
                    fix="make room, or give another --out; checkpoints are as they were",
                ) from error
            if self._is("required", observer):
                raise
            self.observers.remove(observer)
            warnings.warn(f"observer {self._named(observer)} is dropped: {reason_of(error)}", stacklevel=2)

    def _read(self, work: Work, now: float) -> dict[str, float]:
        """Everything on the device in one read."""
        state = self.run.state
        shown = {name: value for name, value in work.values.items() if name != "statistics" and not name.startswith("asked_")}
        shown |= work.gate.counts()
        names = list(shown)
        rows = [value.detach().float().reshape(1) for value in shown.values()]
        numbers = torch.cat([*rows, work.values["statistics"].float()]).tolist()
        told = dict(zip([*names, *STATISTICS], numbers, strict=True))
        images = state.images - self._last_images
        values: dict[str, float] = {
            "step": state.step,
            "images": state.images,
            "seconds": round(now - self._began, 3),
            "loss_d": told["loss_d"],
            "loss_g": told["loss_g"],
            "d_real": told["d_real"],
            "d_fake": told["d_fake"],
            "accuracy_d": (told["real_accuracy"] + told["fake_accuracy"]) / 2,
            "real_logit": told["real_logit"],
            "fake_logit": told["fake_logit"],
            **{name: value for name, value in told.items() if name.startswith("penalty_") or name == "skipped"},
            **({"rollbacks": work.rollbacks.count} if work.rollbacks is not None else {}),
            "grad_d": told["grad_d"],
            "grad_g": told["grad_g"],
            "lr_d": _lr(state.optimizers["discriminator"]),
            "lr_g": _lr(state.optimizers["generator"]),
            "images_per_second": round(images / max(now - self._last, 1e-9), 1),
        }
        if images:
            self._last, self._last_images = now, state.images
        return values


def _nothing(*given: object) -> None:
    """What an observer does that has nothing to settle, or to forget."""


def _lr(optimizer: torch.optim.Optimizer) -> float:
    return float(optimizer.param_groups[0].get("lr", float("nan")))
