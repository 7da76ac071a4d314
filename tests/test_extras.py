"""A missing library is named with the extra that brings it, and never imported to look."""

import sys

import pytest

from ganreg.errors import MissingExtraError
from ganreg.extras import imported, need


def test_a_library_that_is_not_there_is_told_with_its_extra():
    with pytest.raises(MissingExtraError) as raised:
        need("ganreg_no_such_library", "wandb", of="tracker wandb")

    assert str(raised.value) == (
        "error[GR109]: tracker wandb needs ganreg_no_such_library, which is not installed\n"
        "  at: tracker wandb\n"
        "  fix: pip install 'ganreg[wandb]'"
    )


def test_a_library_that_is_there_is_not_imported(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "this", raising=False)

    need("this", "zen", of="a test")

    assert "this" not in sys.modules


def test_a_package_that_is_there_is_imported():
    assert imported("json", extra="export", at="--format onnx").dumps([]) == "[]"


def test_a_missing_package_is_told_with_the_extra_that_brings_it():
    with pytest.raises(MissingExtraError) as told:
        imported("no_such_package", extra="export", at="--format onnx")

    assert str(told.value) == (
        "error[GR109]: --format onnx needs no_such_package, which is not installed\n"
        "  at: --format onnx\n  fix: pip install 'ganreg[export]'"
    )
