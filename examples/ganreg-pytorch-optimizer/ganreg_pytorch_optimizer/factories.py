"""Factories made when they are asked for: `factories.Lion` builds `pytorch_optimizer.Lion`, with its signature as settings.

ganreg reads settings from a factory's signature, so each factory carries its optimizer's own: every parameter after
`params` that plain values can say, with its type, default, and help from the docstring.  What plain values cannot say
(a function, a dtype, a tensor) is left at its default; of `float | Tensor` the float stays; a default of infinity, which
no settings file holds, is none.  The learning rate may also be a schedule.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from functools import cache, reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytorch_optimizer
from pydantic import Field
from torch.optim import Optimizer

from ganreg.contracts import Schedule
from ganreg_pytorch_optimizer.kept import kept
from ganreg_pytorch_optimizer.table import OPTIMIZERS

PLAIN = (bool, int, float, str, type(None))
MATRICES = frozenset({"AdaGO", "AdaMuon", "Muon", "NorMuon"})
"""They orthogonalise the steps of matrices, and want to be told which weights those are; the others get AdamW."""
CLASSES = frozenset(cls for cls, *_ in OPTIMIZERS.values())


def __getattr__(name: str) -> Any:
    """The factory of the optimizer class of this name."""
    if name not in CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return factory_of(getattr(pytorch_optimizer, name))


@cache
def factory_of(cls: type[Optimizer]) -> Callable[..., Optimizer]:
    """An optimizer class -> a factory that ganreg can read: (params, *, every setting)."""

    unbounded = {one.name for one in inspect.signature(cls).parameters.values() if one.default == math.inf}

    def build(params: Any, **settings: Any) -> Optimizer:
        rate = settings.get("lr")
        settings = {name: value for name, value in settings.items() if value is not None or name not in unbounded}
        if isinstance(rate, Schedule):
            settings["lr"] = rate.at(0)
        optimizer = kept(cls)(by_shape(params) if cls.__name__ in MATRICES else params, **settings)
        if isinstance(rate, Schedule):
            _schedule(optimizer, rate)
        return optimizer

    params = inspect.Parameter("params", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    build.__name__ = build.__qualname__ = cls.__name__
    build.__doc__ = _summary(cls)
    build.__signature__ = inspect.Signature([params, *settings_of(cls)])  # type: ignore[attr-defined]
    return build


def settings_of(cls: type[Optimizer]) -> list[inspect.Parameter]:
    """The parameters of its constructor that can be settings, keyword-only, in their order."""
    helps = helps_of(cls)
    settings = []
    for parameter in list(inspect.signature(cls, eval_str=True).parameters.values())[1:]:
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            continue
        kind = plain_type(parameter.annotation)
        if kind is None or not is_plain(parameter.default):
            continue
        if parameter.default == math.inf:
            kind, parameter = kind | None, parameter.replace(default=None)
        if parameter.name == "lr" and kind is float:
            kind = Annotated[float, Field(gt=0)] | Schedule
        told = Annotated[kind, Field(description=helps.get(parameter.name))]
        settings.append(parameter.replace(kind=parameter.KEYWORD_ONLY, annotation=told))
    return settings


def plain_type(annotation: Any) -> Any:
    """What of a type plain values can say: `float | Tensor` -> float; None where nothing but none is left of it."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation in PLAIN or origin is Literal:
        return annotation
    if origin in (Union, UnionType):
        members = [kind for kind in map(plain_type, inner) if kind is not None]
        return reduce(or_, members) if any(kind is not type(None) for kind in members) else None
    if origin in (tuple, list):
        kinds = [one if one is ... else plain_type(one) for one in inner]
        return None if None in kinds else origin[tuple(kinds)]
    return None


def is_plain(value: Any) -> bool:
    """Whether a default can be written in YAML.  One without a default cannot be written either."""
    return all(map(is_plain, value)) if isinstance(value, tuple | list) else isinstance(value, PLAIN)


def helps_of(cls: type[Optimizer]) -> Mapping[str, str]:
    """The first sentence on each parameter, from "Args:" of the docstring."""
    doc = inspect.getdoc(cls) or ""
    entries = re.findall(r"^ {4}(\w+)(?: \([^)]*\))?: (.+(?:\n {6,}.+)*)", doc.partition("Args:\n")[2], re.MULTILINE)
    return {name: " ".join(text.split()).partition(". ")[0].rstrip(".") for name, text in entries}


def by_shape(params: Any) -> list[dict[str, Any]]:
    """Weights with two dimensions or more as one group, gains and biases as another."""
    weights = list(params)
    groups = [
        {"params": [one for one in weights if one.dim() >= 2], "use_muon": True},
        {"params": [one for one in weights if one.dim() < 2], "use_muon": False},
    ]
    return [group for group in groups if group["params"]]


def _schedule(optimizer: Optimizer, rate: Schedule) -> None:
    """The engine sets `lr` of each group from its schedules, by the images seen; AdamW's part of Muon keeps its own rate."""
    for group in optimizer.param_groups:
        if group.get("use_muon", True):
            group["schedules"] = {"lr": rate}


def _summary(cls: type[Optimizer]) -> str:
    """What comes before "Args:"."""
    return (inspect.getdoc(cls) or "").partition("Args:")[0].strip()
