"""Libraries of extras: named where they are missing, not imported where they are there."""

import sys

import pytest

from ganreg.errors import UsageError
from ganreg.extras import need


def test_a_missing_library_is_told_with_the_extra_that_brings_it():
    with pytest.raises(UsageError, match="metric 'x' needs no_such_library, which is not installed") as told:
        need("no_such_library", "things", of="metric 'x'")

    assert told.value.fix == "pip install 'ganreg[things]'"


def test_a_library_that_is_there_is_not_imported():
    sys.modules.pop("antigravity", None)
    need("antigravity", "things", of="x")

    assert "antigravity" not in sys.modules
