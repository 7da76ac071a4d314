"""A missing library is named with the extra that brings it, and never imported to look."""

import sys

import pytest

from ganreg.errors import UsageError
from ganreg.extras import need


def test_a_library_that_is_not_there_is_told_with_its_extra():
    with pytest.raises(UsageError) as raised:
        need("ganreg_no_such_library", "wandb", of="tracker wandb")

    assert str(raised.value) == (
        "error[GR100]: tracker wandb needs ganreg_no_such_library, which is not installed\n"
        "  at: tracker wandb\n"
        "  fix: pip install 'ganreg[wandb]'"
    )


def test_a_library_that_is_there_is_not_imported(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "this", raising=False)

    need("this", "zen", of="a test")

    assert "this" not in sys.modules
