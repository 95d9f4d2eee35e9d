"""Floating-point numbers as text, in the words of Java, where these were first written.

What Java before 19 writes may have a digit more than it needs; here there are as many as it takes
to tell the number from others, two at least.
"""

import math
from decimal import Decimal

import numpy as np

_LEAST_PLAIN, _MOST_PLAIN = 1e-3, 1e7  # others are written with an exponent


def number_text(value: float, *, is_single: bool = False) -> str:
    """Return a number as text: 0.001, 1.0E-4, -12.5, NaN, Infinity.

    Parameters
    ----------
    is_single : whether the number is a float32, which takes fewer digits to tell from others
    """
    if math.isnan(value):
        return "NaN"
    sign = "-" if math.copysign(1, value) < 0 else ""
    if math.isinf(value):
        return f"{sign}Infinity"
    if value == 0:
        return f"{sign}0.0"
    _, digits, exponent = Decimal(str(np.float32(value)) if is_single else repr(value)).as_tuple()
    text = "".join(map(str, digits))
    places = int(exponent) + len(text)  # before the point
    text = text.rstrip("0")
    if len(text) == 1:  # of two digits those nearest, 4.9E-324
        mantissa, _, power = f"{abs(value):.1e}".partition("e")
        text, places = mantissa.replace(".", "").rstrip("0"), int(power) + 1
    if not _LEAST_PLAIN <= abs(value) < _MOST_PLAIN:
        return f"{sign}{text[0]}.{text[1:] or '0'}E{places - 1}"
    if places <= 0:
        return f"{sign}0.{'0' * -places}{text}"
    text = text.ljust(places, "0")
    return f"{sign}{text[:places]}.{text[places:] or '0'}"
