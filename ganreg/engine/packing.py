"""State as a checkpoint holds it: tensors by name in one file, all else as JSON that says where a tensor was.

Numbers, text, true, false and none stand for themselves, a list is a list; {"tuple": […]}, {"dict": [[key, value], …]} and
{"tensor": name} are what JSON has no word for.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ganreg.errors import ContractError

Tensors = dict[str, Tensor]


def pack(value: Any, name: str, tensors: Tensors) -> Any:
    """A value -> JSON; its tensors are added to `tensors`, named after `name`.  Raises ContractError for other objects."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor):
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, list | tuple):
        items = [pack(item, f"{name}.{place}", tensors) for place, item in enumerate(value)]
        return {"tuple": items} if isinstance(value, tuple) else items
    if isinstance(value, dict):
        return {"dict": [[pack(key, name, tensors), pack(item, f"{name}.{key}", tensors)] for key, item in value.items()]}
    raise ContractError(
        f"the state at {name} is a {type(value).__name__}, which a checkpoint cannot hold",
        at=name,
        fix="keep tensors, numbers, text, lists and dicts of them in state_dict, or train without a run directory",
    )


def unpack(packed: Any, tensors: Tensors) -> Any:
    """What was packed.  Raises KeyError for a tensor that is not there."""
    if isinstance(packed, list):
        return [unpack(item, tensors) for item in packed]
    if not isinstance(packed, dict):
        return packed
    ((form, inner),) = packed.items()
    if form == "tensor":
        return tensors[inner]
    if form == "tuple":
        return tuple(unpack(item, tensors) for item in inner)
    return {unpack(key, tensors): unpack(item, tensors) for key, item in inner}
