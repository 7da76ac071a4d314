from ganreg.components.datasets.fingerprint import fingerprint_of


def test_it_is_the_sha256_of_the_facts_in_whatever_order_they_are_told():
    assert fingerprint_of(a=1, b=[2, 3]) == fingerprint_of(b=(2, 3), a=1)
    assert fingerprint_of(a=1) == "f9d86028c6e0d64e225186f96acb69338b2c59764df79162107f5c4bb34d1310"


def test_another_fact_is_another_fingerprint():
    assert len({fingerprint_of(), fingerprint_of(a=1), fingerprint_of(a=2), fingerprint_of(b=1)}) == 4


def test_a_name_that_is_no_unicode_has_a_fingerprint_too():
    assert fingerprint_of(name="caf\udce9.png") != fingerprint_of(name="cafe.png")
