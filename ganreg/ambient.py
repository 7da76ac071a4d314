"""What a foreign import must leave as it is: random numbers, torch's defaults, warnings for everybody.

Compared before and after, put back, and told: a plugin that sets a seed or a default on import would change every run on the
machine, also those that use nothing of it.  torch and numpy are looked at where something has imported them; the random
numbers of one that the import itself brought have no state from before, and runs seed their own.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

TABLE = 624
"""Numbers of 32 bits that Python's generator makes at once."""


class Held(NamedTuple):
    """A piece of state: how it is read, told from another, and put back."""

    name: str
    read: Callable[[], Any]
    restore: Callable[[Any], object]
    fresh: Any = None  # what it is right after the import of the library that holds it, where the plugin imported that
    same: Callable[[Any, Any], bool] = lambda before, after: before == after
    harmless: Callable[[Any, Any], bool] = lambda before, after: False  # put back without a word


@contextmanager
def unchanged(tell: Callable[[str], object]) -> Iterator[None]:
    """Around an import.  `tell` gets the names of what it changed, after that was put back; also where the import raises."""
    before = {held.name: held.read() for held in _held()}
    threads = _threads()
    try:
        yield
    finally:
        changed = []
        for held in _held():
            was = before.get(held.name, held.fresh)
            now = held.read()
            if was is not None and not held.same(was, now):
                held.restore(was)
                changed += [held.name] * (not held.harmless(was, now))
        if threads and threads != _threads():
            sys.modules["torch"].set_num_threads(threads)
            changed.append("torch's threads")
        if changed:
            tell(", ".join(changed))


@contextmanager
def kept() -> Iterator[None]:
    """Around code that may change what it likes: it is put back without a word."""
    with unchanged(lambda _: None):
        yield


def _held() -> list[Held]:
    found = [
        Held("Python's random numbers", random.getstate, random.setstate, harmless=_drew_a_few),
        Held(
            "the filters of all warnings",
            lambda: list(warnings.filters),
            _restore_filters,
            same=lambda was, now: _for_everybody(was) == _for_everybody(now),
        ),
        Held("how warnings are shown", lambda: warnings.showwarning, lambda was: setattr(warnings, "showwarning", was)),
        Held("the working directory", _directory, os.chdir),
        Held("where results are written", lambda: sys.stdout, lambda was: setattr(sys, "stdout", was)),
        Held("where errors are written", lambda: sys.stderr, lambda was: setattr(sys, "stderr", was)),
    ]
    if threading.current_thread() is threading.main_thread():
        found += [
            Held(f"what {number.name} does", partial(signal.getsignal, number), partial(signal.signal, number))
            for number in (signal.SIGINT, signal.SIGTERM)
        ]
    numpy, torch = (_whole(name) for name in ("numpy", "torch"))
    if numpy is not None:
        found.append(Held("numpy's random numbers", numpy.random.get_state, numpy.random.set_state, same=_same_numbers))
    if torch is not None:
        found += [
            Held("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype, torch.float32),
            Held("torch's grad mode", torch.is_grad_enabled, torch._C._set_grad_enabled, True),
            Held("torch's default device", torch.get_default_device, _restore_device, torch.device("cpu")),
            Held(
                "torch's deterministic algorithms",
                torch.are_deterministic_algorithms_enabled,
                torch.use_deterministic_algorithms,
                False,
            ),
            Held(
                "torch's precision of matrix products",
                torch.get_float32_matmul_precision,
                torch.set_float32_matmul_precision,
                "highest",
            ),
            Held("torch's random numbers", torch.get_rng_state, torch.set_rng_state, same=torch.equal),
        ]
    return found


def _drew_a_few(was: Any, now: Any) -> bool:
    """Python's generator was drawn from, as some libraries do on import, and not seeded: its table is one of the next."""
    replica = random.Random()
    replica.setstate(was)
    for _ in range(3):
        if replica.getstate()[1][:-1] == now[1][:-1]:
            return True
        for _ in range(TABLE):
            replica.getrandbits(32)
    return False


def _same_numbers(was: Any, now: Any) -> bool:
    """numpy's state: names, a table, places in it."""
    return all(bool((one == other).all()) if hasattr(one, "all") else one == other for one, other in zip(was, now, strict=True))


def _directory() -> str | None:
    try:
        return str(Path.cwd())
    except OSError:  # it is gone
        return None


def _restore_device(was: Any) -> None:
    sys.modules["torch"].set_default_device(None if was.type == "cpu" else was)


def _threads() -> int:
    torch = _whole("torch")
    return int(torch.get_num_threads()) if torch is not None else 0


def _whole(name: str) -> Any:
    """A module that is imported to its end; None else."""
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)
    return None if module is None or getattr(spec, "_initializing", False) else module


def _for_everybody(filters: list[Any]) -> list[Any]:
    """Filters of all warnings of all modules; libraries rightly bring narrower ones for their own."""
    return [one for one in filters if one[1] is None and one[2] is Warning and one[3] is None]


def _restore_filters(was: list[Any]) -> None:
    new = [one for one in warnings.filters if one not in was]
    narrow = [one for one in new if one not in _for_everybody(new)]
    warnings.filters[:] = [*narrow, *was]  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]  # so that the interpreter looks at the list again
