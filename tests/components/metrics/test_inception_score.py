"""The formula of the Inception score, by hand and against torchmetrics."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from torch import Tensor, nn

from ganreg.components.metrics.inception_score import InceptionScore

NONE = torch.zeros(0, 3)


def test_sure_and_even_is_the_number_of_classes():
    logits = torch.eye(3).repeat(4, 1) * 1e4

    assert InceptionScore(splits=1)(NONE, logits) == pytest.approx(3.0)


def test_one_class_or_none_told_apart_is_1():
    assert InceptionScore(splits=1)(NONE, torch.tensor([[1e4, 0.0, 0.0]] * 5)) == pytest.approx(1.0)
    assert InceptionScore(splits=1)(NONE, torch.zeros(5, 3)) == pytest.approx(1.0)


def test_two_kinds_of_logits_by_hand():
    logits = torch.tensor([[math.log(3.0), 0.0], [0.0, math.log(3.0)]])  # 3/4 and 1/4, and the other way round

    assert InceptionScore(splits=1)(NONE, logits) == pytest.approx(math.exp(0.75 * math.log(1.5) + 0.25 * math.log(0.5)))


def test_several_parts_give_the_mean_of_their_scores():
    sure, unsure = torch.eye(3) * 1e4, torch.zeros(3, 3)

    assert InceptionScore(splits=2)(NONE, torch.cat([sure, unsure])) == pytest.approx(2.0)


def test_parts_of_fakes_that_cannot_be_divided_differ_by_one_in_size():
    logits = torch.eye(3)[[0, 0, 1, 0, 1]] * 1e4  # parts of 2 and 3, as torch-fidelity has them: 0 0, and 1 0 1
    entropy = -(1 / 3 * math.log(1 / 3) + 2 / 3 * math.log(2 / 3))

    assert InceptionScore(splits=2)(NONE, logits) == pytest.approx((1.0 + math.exp(entropy)) / 2)


def test_there_are_as_many_parts_as_were_asked_for():
    logits = (
        torch.eye(3)[[0, *[1] * 8, 0, 1, 0]] * 1e4
    )  # 8 parts of 1 or 2: 0; 1 1; 1; 1 1; 1; 1 1; 0; 1 0, the last a score of 2

    assert InceptionScore(splits=8)(NONE, logits) == pytest.approx((7 + 2) / 8)


def test_fewer_fakes_than_parts_are_refused():
    with pytest.raises(ValueError, match="expected 10 fakes or more, one for each part, got 9"):
        InceptionScore()(NONE, torch.zeros(9, 3))


class Itself(nn.Module):
    num_features = 6

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


@pytest.mark.parametrize("splits", [1, 5])
def test_it_agrees_with_torchmetrics(monkeypatch: pytest.MonkeyPatch, splits: int):
    pytest.importorskip("torchmetrics", reason="pip install 'ganreg[metrics]'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchmetrics.image.inception import InceptionScore as Theirs

        logits = torch.randn(400, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2
        theirs = Theirs(feature=Itself(), splits=splits)
        theirs.set_dtype(torch.float64)
        theirs.update(logits.view(-1, 6, 1, 1))
        monkeypatch.setattr(torch, "randperm", torch.arange)  # they shuffle first
        expected = float(theirs.compute()[0])

    assert InceptionScore(splits=splits)(NONE, logits) == pytest.approx(expected, rel=1e-4)
