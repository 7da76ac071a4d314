"""How a number was measured, which stands beside it: numbers of unlike protocols are never compared.

A protocol is plain values, as `evaluations.jsonl` holds them.  Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ganreg.errors import MismatchError

PLAIN_WORDS = {
    "n_real": "number of reals",
    "n_fake": "number of fakes",
    "extractor_hash": "extractor's weights or settings",
    "data": "data",
    "split": "part of the data",
    "weights": "generator's weights (averaged or not)",
    "settings": "metric's settings",
}
"""Of fields whose names say too little."""


@dataclass(frozen=True, kw_only=True)
class MeasuringProtocol:
    """Everything that two values of one metric must share to be compared."""

    n_real: int
    n_fake: int
    extractor: str
    extractor_hash: str
    features: int
    resolution: Sequence[int]
    resize: str
    split: str
    seed: int
    weights: str
    data: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self), "resolution": list(self.resolution), "settings": dict(self.settings)}


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What differs, in words: "number of fakes: 2000 and 5000"; empty where both may be compared."""
    keys = [*one, *(key for key in other if key not in one)]
    return [
        f"{PLAIN_WORDS.get(key, key)}: {_short(one.get(key, 'not told'))} and {_short(other.get(key, 'not told'))}"
        for key in keys
        if one.get(key, ...) != other.get(key, ...)
    ]


def check_comparable(one: Mapping[str, Any], other: Mapping[str, Any], *, at: str) -> None:
    """Rows of `evaluations.jsonl` whose values are to be compared.  Raises MismatchError, which says what differs."""
    if one["metric"] != other["metric"]:
        what = f"{one['metric']} and {other['metric']} are not one metric"
        raise MismatchError(what, at=at, fix="compare values of one metric")
    found = differences(one["protocol"], other["protocol"])
    if found:
        raise MismatchError(
            f"two values of {one['metric']} were not measured in one way: {'; '.join(found)}",
            at=at,
            fix="measure both in one way: ganreg evaluate RUN, with the same options",
        )


def _short(value: Any) -> str:
    text = str(value)
    return f"{text[:12]}…" if len(text) == 64 and text.isalnum() else text
