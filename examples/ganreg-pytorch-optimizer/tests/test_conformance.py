"""What ganreg asks of every optimizer, asked of each of the table."""

from ganreg.testing import parametrize_with_checks


@parametrize_with_checks("ganreg-pytorch-optimizer")
def test_conformance(check):
    check()
