"""The polynomials of csrc/cpu/polynomials.h, as their format rounds them, against mpmath."""

import re

import mpmath
import numpy as np
import pytest

from ganreg.ops import sources

# significant bits, numpy's type, how much of half an ulp a polynomial may lose
FORMATS = {"float": (24, np.float32, 0.1), "double": (53, np.float64, 0.05)}
POINTS = 1500

each_format = pytest.mark.parametrize("name", FORMATS)


def constants(name, text=None):
    """Every constant of Constants<name>, lists and numbers, rounded to the format, as mpmath numbers."""
    text = text or (sources.folder() / "cpu" / "polynomials.h").read_text()
    body = re.search(rf"struct Constants<{name}> \{{\n(.*?)\n\}};", text, re.DOTALL)[1]
    numpy_type = FORMATS[name][1]
    found = {}
    for key, value in re.findall(rf"static constexpr {name} (\w+)(?:\[\])? = (.*?);", body, re.DOTALL):
        numbers = [sum(map(number, one.split("+ "))) for one in value.strip("{}").split(",")]
        found[key] = [mpmath.mpf(float(numpy_type(one))) for one in numbers]
    return {key: value if key in ("exp", "log") else value[0] for key, value in found.items()}


def number(text):
    """A C++ literal without its suffix."""
    text = text.strip()
    return float.fromhex(text.removesuffix("f")) if "0x" in text else float(text.removesuffix("f"))


def polynomial(coefficients, x):
    return mpmath.polyval(coefficients[::-1], x)


def error_of_exp(c):
    """The largest relative error of 1 + r + r^2 P(r) over |r| <= (ln 2) / 2."""
    half = mpmath.log(2) / 2
    points = [half * i / POINTS for i in range(-POINTS, POINTS + 1)]
    return max(abs((1 + r + r**2 * polynomial(c["exp"], r)) / mpmath.exp(r) - 1) for r in points)


def error_of_log(c):
    """The largest relative error of e + e^2 Q(e - m) over 0 < e <= 1."""
    points = [mpmath.mpf(i) / POINTS for i in range(1, POINTS + 1)]
    return max(abs((e + e**2 * polynomial(c["log"], e - c["log_centre"])) / mpmath.log1p(e) - 1) for e in points)


@each_format
def test_the_exponential_loses_little_to_its_polynomial(name):
    bits, _, bar = FORMATS[name]
    with mpmath.workdps(40):
        assert error_of_exp(constants(name)) * 2**bits <= bar


@each_format
def test_the_logarithm_loses_little_to_its_polynomial(name):
    bits, _, bar = FORMATS[name]
    with mpmath.workdps(40):
        assert error_of_log(constants(name)) * 2**bits <= bar


@each_format
@pytest.mark.parametrize(("key", "error"), [("exp", error_of_exp), ("log", error_of_log)])
def test_a_coefficient_with_its_last_ten_bits_wrong_is_seen(name, key, error):
    bits, _, bar = FORMATS[name]
    with mpmath.workdps(40):
        c = constants(name)
        for place in range(3):
            wrong = {**c, key: [a * (1 + mpmath.mpf(2) ** (10 - bits)) if i == place else a for i, a in enumerate(c[key])]}
            assert error(wrong) * 2**bits > bar


@each_format
def test_ln_2_in_two_parts_is_exact_enough(name):
    """n times the high part is exact, and the low part's error times the largest n is far below an ulp of r."""
    bits, _, _ = FORMATS[name]
    with mpmath.workdps(60):
        c = constants(name)
        high, largest = c["ln_2_high"], mpmath.ceil(c["limit"] / mpmath.log(2))
        significant = bits - int(mpmath.log(largest, 2)) - 1

        assert mpmath.ldexp(high, significant) == mpmath.nint(mpmath.ldexp(high, significant))  # ln 2 is below 1
        assert abs(high + c["ln_2_low"] - mpmath.log(2)) * largest < mpmath.ldexp(1, -bits - 8)
        assert abs(c["per_ln_2"] * mpmath.log(2) - 1) < mpmath.ldexp(1, -bits)


@each_format
def test_the_shifter_leaves_the_biased_exponent(name):
    """Adding it rounds to an integer, and every 2^(n + spare) down to exp(-limit) is a normal number."""
    bits, numpy_type, _ = FORMATS[name]
    c = constants(name)
    bias = np.finfo(numpy_type).maxexp - 1
    spare = -int(mpmath.log(c["unspare"], 2))

    assert c["shifter"] == 3 * 2 ** (bits - 2) + bias + spare
    assert bias + spare - int(c["limit"] / mpmath.log(2)) - 1 >= 1
    assert bias + spare <= 2 * bias
    assert mpmath.exp(-c["limit"]) < mpmath.ldexp(1, -bias - bits)  # half the smallest subnormal number
