import pytest

from ganreg.errors import MissingExtraError
from ganreg.portable.extras import imported


def test_a_package_that_is_there_is_imported():
    assert imported("json", extra="export", at="--format onnx").dumps([]) == "[]"


def test_a_missing_package_is_told_with_the_extra_that_brings_it():
    with pytest.raises(MissingExtraError) as told:
        imported("no_such_package", extra="export", at="--format onnx")

    assert str(told.value) == (
        "error[GR109]: --format onnx needs no_such_package, which is not installed\n"
        "  at: --format onnx\n  fix: pip install 'ganreg[export]'"
    )
