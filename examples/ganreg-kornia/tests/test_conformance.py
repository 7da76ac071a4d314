"""What ganreg asks of every augmentation, asked of ours."""

from ganreg.testing import parametrize_with_checks


@parametrize_with_checks("ganreg-kornia")
def test_conformance(check):
    check()
