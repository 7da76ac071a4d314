"""What a word may be: click's types of numbers and choices, more exact about what they refuse."""

from __future__ import annotations

import math
from typing import Any

import click

from ganreg.errors import did_you_mean


class FiniteRange(click.FloatRange):
    """A number of a range: nan is in none, and infinity is no number to reckon with."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As click does, which compares alone.  Fails for what is not finite, too."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class Choice(click.Choice[str]):
    """One of some words, with the nearest of them in an error."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """As click has it, which lists them all."""
        return super().get_invalid_choice_message(value, ctx) + did_you_mean(str(value), self.choices)
