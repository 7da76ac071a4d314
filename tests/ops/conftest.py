"""Each implementation of the operators that this machine has."""

import pytest

from ganreg.errors import UsageError
from ganreg.ops import library

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
