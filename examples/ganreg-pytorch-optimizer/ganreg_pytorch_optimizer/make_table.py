"""Writes table.py from the installed pytorch_optimizer:  python -m ganreg_pytorch_optimizer.make_table > table.py

Names are those of `pytorch_optimizer.load_optimizer`, summaries the first line of each docstring, papers from its README.
"""

from __future__ import annotations

import inspect
import re
from importlib.metadata import metadata

from pytorch_optimizer.optimizer import OPTIMIZERS
from torch.optim import Optimizer

from ganreg_pytorch_optimizer.excluded import EXCLUDED

HEADER = '''"""Name -> (class, words for the list, paper).  Written by make_table.py for pytorch-optimizer {version}."""

OPTIMIZERS = {{
'''
WIDTH = 128
CORRECTED = {"sgdsai": "2412.11768"}
"""Papers where the README of 4.1.0 links another one's."""


def offered() -> dict[str, tuple[str, str, str]]:
    """What the installed version has, but for what is left out."""
    papers = {**_papers(), **CORRECTED}
    return {
        name: (cls.__name__, _first_line(cls), papers.get(name, ""))
        for name, cls in sorted(OPTIMIZERS.items())
        if name not in EXCLUDED
    }


def text() -> str:
    """The file: a line each, as a formatter of 128 columns leaves it."""
    entries = "".join(_entry(name, told) for name, told in offered().items())
    return HEADER.format(version=metadata("pytorch-optimizer")["Version"]) + entries + "}\n"


def _entry(name: str, told: tuple[str, ...]) -> str:
    words = [_quoted(word) for word in told]
    line = f"    {_quoted(name)}: ({', '.join(words)}),\n"
    if len(line) <= WIDTH + 1:
        return line
    return f"    {_quoted(name)}: (\n" + "".join(f"        {word},\n" for word in words) + "    ),\n"


def _first_line(cls: type[Optimizer]) -> str:
    return (inspect.getdoc(cls) or "").partition("\n")[0]


def _papers() -> dict[str, str]:
    """Lower-case name -> number at arXiv, from the list of optimizers in the package's README."""
    readme = metadata("pytorch-optimizer").get_payload()
    rows = re.findall(r"^\| ([\w-]+) +\|.*?arxiv\.org/(?:abs|pdf)/(\d+\.\d+)", readme, re.MULTILINE)
    return {name.lower().replace("-", ""): paper for name, paper in rows}


def _quoted(word: str) -> str:
    assert '"' not in word
    return f'"{word}"'


if __name__ == "__main__":
    print(text(), end="")
