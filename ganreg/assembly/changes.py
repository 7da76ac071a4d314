"""What may change when a run goes on: its length and what it writes; anything else would make it another run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ganreg.errors import SettingsError

FREE = frozenset(
    {
        "steps",
        "epochs",
        "log_every",
        "sample_every",
        "checkpoint_every",
        "keep",
        "device",
        "workers",
        "rank_timeout",
        "max_nonfinite",
        "on_imbalance",
        "plugin_files",
        "trackers",
        "metrics",
        "extractor",
        "metric_every",
        "metric_samples",
        "metric_reals",
        "metric_timeout",
    }
)


def refuse_changes(stored: Mapping[str, Any], now: Mapping[str, Any], allowed: Sequence[str], *, at: str) -> None:
    """Compare a checkpoint's configuration with the one to go on with.  Raises SettingsError with every difference."""
    before, after = dict(_leaves(stored)), dict(_leaves(now))
    changed = [key for key in before.keys() | after.keys() if before.get(key, ...) != after.get(key, ...)]
    faults = [
        ("", f"nothing that is called {key} was changed") for key in allowed if not any(_covers((key,), one) for one in changed)
    ]
    faults += [
        ("", f"{key} is {after.get(key, 'gone')}, the checkpoint was made with {before.get(key, 'none')}")
        for key in sorted(changed)
        if not _covers((*FREE, *allowed), key)
    ]
    if faults:
        raise SettingsError(faults, at=at, fix="undo the change, or allow it: --allow-change KEY (of a key or its front)")


def _leaves(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and plain values; tuples and lists, integers and equal floats are the same."""
    if isinstance(values, Mapping) and values:
        for key, value in values.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(values, list | tuple):
        for index, value in enumerate(values):
            yield from _leaves(value, f"{path}.{index}")
    else:
        yield path, values


def _covers(fronts: Sequence[str], key: str) -> bool:
    return any(key == front.replace("-", "_") or key.startswith(f"{front.replace('-', '_')}.") for front in fronts)
