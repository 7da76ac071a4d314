"""Fake distributions on disk, as pip leaves them, and a real `ganreg` that finds them on its PYTHONPATH."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
SWITCHES = ("GANREG_PLUGINS", "GANREG_RAISE_PLUGIN_ERRORS")

HEAD = "import ganreg\nfrom ganreg.contracts import Component\n\n\n@ganreg.hookimpl\ndef ganreg_components():\n"

HEAVY = """
import time
from pathlib import Path

Path(__file__).with_suffix(".imported").touch()
time.sleep(1)
import torch

{parts}
"""
"""A module that nobody should import for a list: its import takes a second, brings torch, and leaves a file behind."""


def distribution(
    site: Path,
    name: str,
    source: str | None,
    *,
    entry: str = "",
    version: str = "1.0",
    modules: Mapping[str, str] | None = None,
) -> Path:
    """Install ganreg-NAME into the folder `site`: its plugin module, none where `source` is, and others by name -> `site`."""
    stem = name.replace("-", "_")
    info = site / f"ganreg_{stem}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: ganreg-{name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[ganreg]\n{entry or name} = ganreg_{stem}_plugin\n")
    for module, text in {f"ganreg_{stem}_plugin": source, **(modules or {})}.items():
        if text is not None:
            (site / f"{module}.py").write_text(text)
    return site


def many(site: Path, *, distributions: int = 50, components: int = 5) -> Path:
    """Install ganreg-many-0, ganreg-many-1, …, each with losses in a heavy module of its own -> `site`."""
    for number in range(distributions):
        heavy = f"ganreg_many_{number}_parts"
        offers = [
            f'    yield Component("loss", "many-{number}-{part}", "{heavy}:Part{part}", "Part {part} of plugin {number}.")\n'
            for part in range(components)
        ]
        parts = "\n\n".join(f"class Part{part}: ..." for part in range(components))
        distribution(site, f"many-{number}", HEAD + "".join(offers), modules={heavy: HEAVY.format(parts=parts)})
    return site


def environment(sites: Iterable[Path] = (), **variables: str) -> dict[str, str]:
    """This process's variables, without switches for plugins, with `sites` and this checkout on the path of Python."""
    ours = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    return {**ours, "PYTHONPATH": os.pathsep.join(map(str, [*sites, ROOT])), **variables}


def ganreg(*words: str, sites: Iterable[Path] = (), **variables: str) -> subprocess.CompletedProcess[str]:
    """`python -m ganreg` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "ganreg", *words],
        env=environment(sites, **variables),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
