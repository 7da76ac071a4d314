"""How the game stands, in words."""

import pytest

from ganreg.engine.balance import balance


@pytest.mark.parametrize(
    ("accuracy", "words"), [(1.0, "D wins"), (0.7, "D is ahead"), (0.5, "D cannot tell"), (0.1, "G is ahead")]
)
def test_the_accuracy_of_d_says_who_is_ahead(accuracy: float, words: str):
    assert balance({"accuracy_d": accuracy, "loss_d": 1.0}, None) == words
    assert balance({"accuracy_d": accuracy, "loss_d": 1.0}, (1.25, 0.5)) == f"0.25 from equilibrium, {words}"
