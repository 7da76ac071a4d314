"""The settings of components that were once imported, kept on disk so that TAB can offer them without importing torch.

One small JSON file per component, in $GANREG_CACHE or the user's cache folder, believed only while the component's module is
the file it was, by path, time and size.  A cache that cannot be read or written is no fault: TAB then offers less.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from ganreg import __version__
from ganreg.contracts import Component
from ganreg.settings import Setting


def remember(component: Component, described: Sequence[Setting]) -> None:
    """Keep a component's settings."""
    path = _path(component)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps({"key": _key(component), "settings": [asdict(one) for one in described]}))
        part.replace(path)
    except OSError:
        return


def recall(component: Component) -> list[Setting]:
    """A component's settings, or nothing when they are not known any more."""
    try:
        kept = json.loads(_path(component).read_text())
        if kept["key"] != _key(component):
            return []
        return [Setting(**{**one, "choices": tuple(one["choices"])}) for one in kept["settings"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _path(component: Component) -> Path:
    folder = os.environ.get("GANREG_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ganreg"
    name = hashlib.sha256(f"{component.kind} {component.factory}".encode()).hexdigest()[:16]
    return Path(folder) / "options" / f"{name}.json"


def _key(component: Component) -> list[str]:
    """What must be as it was: our version, and the module's file."""
    try:
        spec = find_spec(component.factory.partition(":")[0])
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        return [__version__, component.factory, ""]
    stat = Path(spec.origin).stat()
    return [__version__, spec.origin, f"{stat.st_mtime_ns} {stat.st_size}"]
