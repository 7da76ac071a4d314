"""A component under test: built as often as a check likes, on data that it takes."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganreg import settings as settings_of
from ganreg.contracts import GIVEN, DataSpec
from ganreg.errors import GanregError
from ganreg.registry import Part

SPECS = (
    DataSpec((3, 32, 32), 10, (-1.0, 1.0)),
    DataSpec((1, 64, 64), 10, (-1.0, 1.0)),
    DataSpec((1, 28, 28), 10, (-1.0, 1.0)),
    DataSpec((2,), 10),
)
"""Data that networks are tried on, with labels for those that take some; the first that a part takes is used."""


def expect(kept: bool, what: str) -> None:
    """Raises AssertionError: what an author reads."""
    if not kept:
        raise AssertionError(what)


@dataclass
class Subject:
    """A part with its settings as they were asked for; what has no default has to be among them."""

    part: Part
    settings: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def _folder(self) -> Path:
        """A run's directory, for as long as the part is looked at."""
        made = Path(tempfile.mkdtemp(prefix="ganreg-"))
        weakref.finalize(self, shutil.rmtree, made, ignore_errors=True)
        return made

    @contextmanager
    def in_a_run_of_its_own(self) -> Iterator[Path]:
        """A fresh run directory, while this lasts."""
        before = self.__dict__.get("_folder")
        with tempfile.TemporaryDirectory(prefix="ganreg-") as made:
            self.__dict__["_folder"] = Path(made)
            try:
                yield Path(made)
            finally:
                self.__dict__.pop("_folder")
                if before is not None:
                    self.__dict__["_folder"] = before

    def missing(self) -> list[str]:
        """Settings that have no default and were not given."""
        return [one.name for one in settings_of.describe(self.part.model) if one.required and one.name not in self.settings]

    @cached_property
    def spec(self) -> DataSpec:
        """Data that the part takes.  Raises AssertionError when it takes none of ours."""
        refused = []
        for spec in SPECS:
            try:
                with torch.random.fork_rng():
                    self._build(spec)
            except GanregError as error:
                refused.append(f"{list(spec.shape)}: {error.what}")
            else:
                return spec
        raise AssertionError(f"{self.part.owner} can be built for none of these data: {'; '.join(refused)}")

    def made(self, seed: int = 0) -> Any:
        """The part, built anew from its settings; the same seed gives the same weights."""
        torch.manual_seed(seed)
        return self._build(self.spec if "spec" in GIVEN.get(self.part.component.kind, ()) else None)

    def samples(self, count: int, seed: int = 1) -> Tensor:
        """[count, *spec.shape], in its range."""
        drawn = torch.randn(count, *self.spec.shape, generator=torch.Generator().manual_seed(seed))
        return drawn.clamp(-1.0, 1.0) if self.spec.value_range else drawn

    def labels(self, count: int) -> Tensor:
        """[count], of several classes."""
        return torch.arange(count).remainder(max(self.spec.num_classes, 1))

    def _build(self, spec: DataSpec | None) -> Any:
        given: list[Any] = [spec] if spec is not None else []
        if self.part.component.kind == "optimizer":
            given = [[nn.Parameter(torch.ones(3, 2)), nn.Parameter(torch.ones(2))]]
        if self.part.component.kind == "tracker":
            given = [self._folder]
        return self.part.build(self.part.check(self.settings), *given)


def number(value: Any, what: str) -> Tensor:
    """A 0-dim, finite tensor.  Raises AssertionError."""
    expect(isinstance(value, Tensor), f"{what} must be a tensor, got {type(value).__name__}")
    expect(value.dim() == 0, f"{what} must be one number, got shape {list(value.shape)}: return its mean or sum")
    expect(bool(value.isfinite()), f"{what} must be finite, got {value.item()}")
    result: Tensor = value
    return result
