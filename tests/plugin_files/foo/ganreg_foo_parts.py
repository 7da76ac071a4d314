"""The parts of the plugin; they know their distribution by `origin`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field


def foo_net(spec: Any, *, width: Annotated[int, Field(ge=1)] = 8, depth: int = 2) -> Any:
    return object()


@dataclass(frozen=True, kw_only=True)
class Twin:
    margin: float = 1.0
    origin = "foo"

    def discriminator(self, real_logits: Any, fake_logits: Any) -> Any:
        return real_logits

    def generator(self, fake_logits: Any, real_logits: Any = None) -> Any:
        return fake_logits


def nothing() -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class Flat:
    weight: Annotated[float, Field(ge=0)] = 1.0
    interval: Annotated[int, Field(ge=1)] = 1
    network: Literal["generator", "discriminator"] = "discriminator"

    def penalty(self, context: Any) -> Any:
        return 0.0
