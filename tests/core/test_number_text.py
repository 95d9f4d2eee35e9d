import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakewinnow.core.number_text import number_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1e-7, "1.0E-7"),
        (0.001, "0.001"),
        (0.00099, "9.9E-4"),
        (-2.5, "-2.5"),
        (9999999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (123456789.125, "1.23456789125E8"),
        (5e-324, "4.9E-324"),
        (1.7976931348623157e308, "1.7976931348623157E308"),
        (math.nan, "NaN"),
        (-math.inf, "-Infinity"),
    ],
)
def test_numbers_are_written_as_java_does(value, text):
    assert number_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.1, "0.1"), (1e16, "1.0E16"), (1 / 3, "0.33333334"), (3e38, "3.0E38")]
)
def test_a_float32_takes_fewer_digits(value, text):
    assert number_text(float(np.float32(value)), is_single=True) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_is_that_number_and_no_other(value):
    found = float(number_text(value))
    assert (found, math.copysign(1, found)) == (value, math.copysign(1, value))
