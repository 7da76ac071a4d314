"""One text for one extractor."""

import torch

from ganreg.components.extractors.fingerprint import fingerprint_of


def test_it_changes_with_a_weight_a_name_and_a_fact_and_with_nothing_else():
    weights = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor(3)}
    told = fingerprint_of(weights, formula=1)

    assert told == fingerprint_of(dict(reversed(weights.items())), formula=1)
    assert len({told, fingerprint_of({**weights, "b": torch.tensor(4)}, formula=1), fingerprint_of(weights, formula=2)}) == 3
    assert told != fingerprint_of({"c": weights["a"], "b": weights["b"]}, formula=1)
    assert len(told) == 64
