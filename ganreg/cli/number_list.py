"""Numbers and spans of them as one word: 1-8,13."""

from __future__ import annotations

import re
from typing import Any

import click

LARGEST = 2**63 - 1
MOST = 10_000


class NumberList(click.ParamType[tuple[int, ...]]):
    """ "1-3,7" -> (1, 2, 3, 7)."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Fails for what is no list of numbers from 0 on, for a span that falls, and for too many."""
        if isinstance(value, tuple):
            return value
        found: list[int] = []
        for word in str(value).split(","):
            span = re.fullmatch(r"\s*([0-9]{1,19})(?:-([0-9]{1,19}))?\s*", word)
            if span is None:
                self.fail(f"expected numbers and spans such as 1-8,13, got {value!r}", param, ctx)
            first, last = int(span[1]), int(span[2] or span[1])
            if last < first:
                self.fail(f"the span {word.strip()} falls: {last}-{first} is meant", param, ctx)
            if last > LARGEST or last - first + len(found) >= MOST:
                self.fail(f"at most {MOST:,} numbers, none above {LARGEST}", param, ctx)
            found += range(first, last + 1)
        return tuple(found)
