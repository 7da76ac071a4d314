"""Each implementation of the operators that this machine has."""

import pytest
import torch

from ganreg.errors import UsageError
from ganreg.ops import library, reference

IMPLEMENTATIONS = (*library.VARIANTS, "reference")


def _use(name):
    """Let a variant of the native kernel run, or skip."""
    assert library.kernel_status().kind != "reference", library.kernel_status().reason
    try:
        library.use_variant(name)
    except UsageError as error:
        pytest.skip(error.what)


@pytest.fixture(params=IMPLEMENTATIONS)
def kernel(request):
    """The name of an implementation; a variant of the native kernel runs while the test does."""
    before = library.kernel_status().variant
    if request.param != "reference":
        _use(request.param)
    yield request.param
    if before:
        library.use_variant(before)


@pytest.fixture(params=library.VARIANTS)
def variant(request):
    """The name of a variant of the native kernel, which runs while the test does."""
    before = library.kernel_status().variant
    _use(request.param)
    yield request.param
    library.use_variant(before)


@pytest.fixture
def single(kernel):
    """Binary cross-entropy of one side by each implementation: (logits, target, is_real, scale, scale_tensor)."""
    operator = reference.pointwise_loss if kernel == "reference" else torch.ops.ganreg.pointwise_loss
    return lambda logits, *rest: operator(logits, "bce", *rest)


@pytest.fixture
def pair(kernel):
    """Binary cross-entropy of both sides: (real, fake, real_target, fake_target, scale, scale_tensor)."""
    operator = reference.pointwise_loss_pair if kernel == "reference" else torch.ops.ganreg.pointwise_loss_pair
    return lambda real, fake, *rest: operator(real, fake, "bce", *rest)
