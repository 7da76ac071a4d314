"""State as ganreg's checkpoints hold it: tensors by parameter and key, and values that JSON can say.

pytorch_optimizer keeps more than that: lists and queues of tensors (SOAP, AdaShift), tensors in parameter groups (Prodigy,
D-Adaptation), values of the whole optimizer beside those of parameters (MADGRAD), dtypes (Kron).  A subclass writes each of
them as a note in JSON, `{"<": kind, …}`, and lifts the tensors within to keys of their own, `momentum_buffer/0`; reading
undoes it bit for bit.  A matrix that lies in memory column by column comes back so: else its products round otherwise
(checkpoints write row by row).  What is plain already stays as it is.
"""

from __future__ import annotations

from collections import deque
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

MARK = "<"
SHARED, BESIDE = "<shared", "<beside"
"""Entries of the first parameter for what belongs to none: in the state, and beside the state."""


@cache
def kept(cls: type[Optimizer]) -> type[Optimizer]:
    """The class, with a state that a checkpoint can hold."""

    class Kept(cls):  # type: ignore[misc, valid-type]
        def state_dict(self) -> dict[str, Any]:
            return encoded(super().state_dict())

        def load_state_dict(self, state_dict: dict[str, Any]) -> None:
            device = next(one.device for group in self.param_groups for one in group["params"])
            super().load_state_dict(decoded(state_dict, device))

    Kept.__name__ = Kept.__qualname__ = cls.__name__
    return Kept


def encoded(saved: dict[str, Any]) -> dict[str, Any]:
    """A `state_dict` -> the same, every value a tensor or plain."""
    state = {key: dict(moments) for key, moments in saved["state"].items() if isinstance(key, int)}
    shared = {key: value for key, value in saved["state"].items() if not isinstance(key, int)}
    beside = {key: value for key, value in saved.items() if key not in ("state", "param_groups")}
    for entry, held in ((SHARED, shared), (BESIDE, beside)):
        if held:
            state.setdefault(0, {})[entry] = held
    lifted = {}
    for index, moments in state.items():
        tensors: dict[str, Tensor] = {}
        plain = {key: value if _is_plain(value) else _note(value, tensors, f"{key}/") for key, value in moments.items()}
        lifted[index] = {**plain, **tensors}
    return {"state": lifted, "param_groups": [_said(group) for group in saved["param_groups"]]}


def decoded(saved: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """What `encoded` made -> the optimizer's own `state_dict`; tensors of groups come to `device`."""
    state: dict[Any, Any] = {}
    beside: dict[str, Any] = {}
    for index, moments in saved["state"].items():
        read = {key: _read(value, moments, device) for key, value in moments.items() if "/" not in key}
        state |= read.pop(SHARED, {})
        beside |= read.pop(BESIDE, {})
        if read:
            state[index] = read
    groups = [{key: _read(value, {}, device) for key, value in group.items()} for group in saved["param_groups"]]
    return {**beside, "state": state, "param_groups": groups}


def _said(group: dict[str, Any]) -> dict[str, Any]:
    """A parameter group: its few tensors are written out, number by number; schedules are the engine's."""
    return {key: value if key in ("params", "schedules") else _note(value, None, "") for key, value in group.items()}


def _is_plain(value: Any) -> bool:
    """A tensor that comes back as it lies."""
    return isinstance(value, Tensor) and value.is_contiguous()


def _note(value: Any, tensors: dict[str, Tensor] | None, path: str) -> Any:
    """One value as JSON; its tensors go to `tensors` by their path, or into the note where that is None."""
    if isinstance(value, Tensor):
        if tensors is None:
            return {MARK: "numbers", "of": value.tolist(), "dtype": _word(value.dtype)}
        tensors[path] = value
        return {MARK: "tensor", "at": path, "stride": list(value.stride())}
    if isinstance(value, torch.dtype):
        return {MARK: "dtype", "of": _word(value)}
    if isinstance(value, dict):
        pairs = [[key, _note(item, tensors, f"{path}{key}/")] for key, item in value.items()]
        return {MARK: "dict", "of": pairs}
    if isinstance(value, list | tuple | deque):
        items = [_note(item, tensors, f"{path}{number}/") for number, item in enumerate(value)]
        plain = isinstance(value, list) and all(type(item) in (bool, int, float, str, type(None)) for item in value)
        longest = value.maxlen if isinstance(value, deque) else None
        return items if plain else {MARK: type(value).__name__, "of": items, "maxlen": longest}
    return value


def _read(note: Any, tensors: dict[str, Any], device: torch.device) -> Any:
    """What `_note` was given."""
    if not isinstance(note, dict) or MARK not in note:
        return note
    kind = note[MARK]
    if kind == "numbers":
        return torch.tensor(note["of"], dtype=getattr(torch, note["dtype"]), device=device)
    if kind == "tensor":
        held: Tensor = tensors[note["at"]]
        return torch.empty_strided(held.shape, note["stride"], dtype=held.dtype, device=held.device).copy_(held)
    if kind == "dtype":
        return getattr(torch, note["of"])
    if kind == "dict":
        return {key: _read(item, tensors, device) for key, item in note["of"]}
    items = [_read(item, tensors, device) for item in note["of"]]
    if kind == "deque":
        return deque(items, maxlen=note["maxlen"])
    return tuple(items) if kind == "tuple" else items


def _word(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
