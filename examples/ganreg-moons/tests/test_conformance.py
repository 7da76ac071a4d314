"""What ganreg asks of each kind, asked of ours."""

from ganreg.testing import parametrize_with_checks


@parametrize_with_checks("ganreg-moons")
def test_conformance(check):
    check()
