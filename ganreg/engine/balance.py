"""How the game stands, in words; numbers alone, so that whoever reads a finished run needs no torch."""

from __future__ import annotations

from collections.abc import Mapping


def balance(values: Mapping[str, float], equilibrium: tuple[float, float] | None) -> str:
    """How the game stands, in words: the distance from equilibrium means something only beside D's accuracy."""
    accuracy = values["accuracy_d"]
    if accuracy >= 0.95:
        words = "D wins"
    elif accuracy >= 0.6:
        words = "D is ahead"
    elif accuracy >= 0.4:
        words = "D cannot tell"
    else:
        words = "G is ahead"
    if equilibrium is None:
        return words
    return f"{abs(values['loss_d'] - equilibrium[0]):.2f} from equilibrium, {words}"
