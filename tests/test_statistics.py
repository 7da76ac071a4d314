import math

import pytest
import torch

from ganreg.contracts import STATISTICS
from ganreg.statistics import RunningMoments, logit_statistics, moments_of

VALUE = torch.tensor(1.0)


def named(real, fake, value=VALUE):
    return dict(zip(STATISTICS, logit_statistics(real, fake, value).tolist(), strict=True))


def sigma(x):
    return 1 / (1 + math.exp(-x))


def test_each_slot_is_what_its_name_says():
    told = named(torch.tensor([1.0, -1.0, 3.0, 2.0]), torch.tensor([[-2.0], [-0.5], [4.0]]))

    assert told["d_real"] == pytest.approx((sigma(1) + sigma(-1) + sigma(3) + sigma(2)) / 4)
    assert told["d_fake"] == pytest.approx((sigma(-2) + sigma(-0.5) + sigma(4)) / 3)
    assert told["real_accuracy"] == 0.75
    assert told["fake_accuracy"] == pytest.approx(2 / 3)
    assert told["real_sign"] == 0.5
    assert told["real_logit"] == pytest.approx(5 / 4)
    assert told["fake_logit"] == pytest.approx(1.5 / 3)
    assert told["finite"] == 1.0


def test_a_logit_of_zero_is_judged_neither_real_nor_fake():
    told = named(torch.zeros(2), torch.zeros(2))

    assert (told["d_real"], told["d_fake"]) == (0.5, 0.5)
    assert (told["real_accuracy"], told["fake_accuracy"], told["real_sign"]) == (0.0, 0.0, 0.0)


def test_the_slots_of_a_side_that_is_absent_are_nan():
    fake_only, real_only = named(None, torch.ones(3)), named(torch.ones(3), None)

    assert {name for name, value in fake_only.items() if math.isnan(value)} == {
        "d_real",
        "real_accuracy",
        "real_sign",
        "real_logit",
    }
    assert {name for name, value in real_only.items() if math.isnan(value)} == {"d_fake", "fake_accuracy", "fake_logit"}
    assert fake_only["finite"] == real_only["finite"] == 1.0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_one_value_that_is_not_finite_anywhere_is_told(bad):
    good, poisoned = torch.ones(3), torch.tensor([1.0, bad, 1.0])

    assert named(poisoned, good)["finite"] == 0.0
    assert named(good, poisoned)["finite"] == 0.0
    assert named(good, good, torch.tensor(bad))["finite"] == 0.0
    assert named(good, good)["finite"] == 1.0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_vector_is_float32_without_gradient_whatever_the_logits_are(dtype):
    logits = torch.ones(2, 3, dtype=dtype, requires_grad=True)
    told = logit_statistics(logits, logits, logits.sum())

    assert (told.dtype, tuple(told.shape), told.requires_grad) == (torch.float32, (8,), False)
    assert told[STATISTICS.index("d_real")].item() == pytest.approx(sigma(1), abs=1e-6)


def test_many_half_precision_logits_do_not_overflow_their_mean():
    logits = torch.full((4096,), 60_000.0, dtype=torch.float16)

    assert named(logits, -logits)["real_logit"] == pytest.approx(60_000.0, rel=1e-3)


def test_no_logits_at_all_are_refused():
    with pytest.raises(ValueError, match="expected real or fake logits, got neither"):
        logit_statistics(None, None, VALUE)


def test_moments_in_batches_are_those_of_all_at_once():
    features = torch.randn(57, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.01 + 1e3
    running = RunningMoments()
    for batch in features.split([1, 20, 0, 36]):
        running.add(batch)
    told = running.result()

    assert told.count == 57
    torch.testing.assert_close(told.mean, features.mean(0), rtol=1e-12, atol=0)
    torch.testing.assert_close(told.covariance, features.T.cov(), rtol=1e-8, atol=0)


def test_one_sample_has_no_covariance():
    with pytest.raises(ValueError, match="expected two samples or more, got 1"):
        moments_of(torch.zeros(1, 3))
