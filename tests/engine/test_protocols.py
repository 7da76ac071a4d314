"""Numbers of unlike protocols are not compared, and what differs is said."""

from __future__ import annotations

from typing import Any

import pytest

from ganreg.engine.protocols import MeasuringProtocol, check_comparable, differences
from ganreg.errors import MismatchError

PROTOCOL = MeasuringProtocol(
    n_real=100,
    n_fake=200,
    extractor="pixels",
    extractor_hash="a" * 64,
    features=2,
    resolution=(2,),
    resize="none",
    split="train",
    seed=0,
    weights="ema",
    data="points",
    settings={"k": 3},
).plain()


def row(metric: str = "precision", **changed: Any) -> dict[str, Any]:
    return {"metric": metric, "value": 0.5, "protocol": {**PROTOCOL, **changed}}


def test_alike_is_compared():
    check_comparable(row(), row(), at="two runs")


@pytest.mark.parametrize("key", PROTOCOL)
def test_every_part_of_a_protocol_counts(key: str):
    assert len(differences(PROTOCOL, {**PROTOCOL, key: "another"})) == 1
    assert len(differences(PROTOCOL, {name: value for name, value in PROTOCOL.items() if name != key})) == 1


def test_what_differs_is_said_in_words():
    with pytest.raises(MismatchError) as told:
        check_comparable(row(), row(n_fake=5000, extractor_hash="b" * 64), at="runs/1 and runs/2")

    assert told.value.what == (
        "two values of precision were not measured in one way: number of fakes: 200 and 5000; "
        "extractor's weights or settings: aaaaaaaaaaaa… and bbbbbbbbbbbb…"
    )
    assert told.value.code == "GR106"


def test_two_metrics_are_not_one():
    with pytest.raises(MismatchError, match="precision and recall are not one metric"):
        check_comparable(row(), row("recall"), at="x")
