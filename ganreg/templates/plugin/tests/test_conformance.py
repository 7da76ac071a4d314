"""What ganreg asks of a part of each kind, asked of ours."""

from ganreg.testing import parametrize_with_checks


@parametrize_with_checks("ganreg-my-idea")
def test_conformance(check):
    check()
