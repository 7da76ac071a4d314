"""What ganreg asks of every loss, asked of ours."""

from ganreg.testing import parametrize_with_checks


@parametrize_with_checks("ganreg-fancy-loss")
def test_conformance(check):
    check()
