"""ganreg trains GANs from parts.  Every name in `__all__` is public; each is imported when it is first used."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganreg.assembly import train_gan as train_gan
    from ganreg.assembly.load import load_generator as load_generator
    from ganreg.contracts import GAN as GAN
    from ganreg.contracts import Component as Component
    from ganreg.contracts import DataSpec as DataSpec
    from ganreg.contracts import LossResult as LossResult
    from ganreg.contracts import Observer as Observer
    from ganreg.errors import GanregError as GanregError
    from ganreg.hookspecs import hookimpl as hookimpl
    from ganreg.ops.fused_loss import FusedLoss as FusedLoss
    from ganreg.registry import components as components
    from ganreg.registry import create as create
else:
    import ganreg.components as components

__version__ = "0.1.0"

_HOME = {
    "GAN": "contracts",
    "Component": "contracts",
    "DataSpec": "contracts",
    "FusedLoss": "ops.fused_loss",
    "GanregError": "errors",
    "LossResult": "contracts",
    "Observer": "contracts",
    "components": "registry",
    "create": "registry",
    "hookimpl": "hookspecs",
    "load_generator": "assembly.load",
    "train_gan": "assembly",
}

__all__ = [*_HOME, "__version__"]


class _Components(ModuleType):
    """`ganreg.components` is the package of built-in parts and, called, the list of all parts: the import system binds a
    package's name to it, so the function of that name has to be the package itself.
    """

    def __call__(self, kind: Any = None) -> Any:
        return import_module("ganreg.registry").components(kind)


if not TYPE_CHECKING:
    components.__class__ = _Components


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ganreg' has no attribute '{name}'")
    value = getattr(import_module(f"ganreg.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
