"""Functions of columns whose answers are the same on every engine, to the last bit.

Spark's `rint`, `format_string`, `cast` to string, `exp` and their like do as Java does, Sail's as
Rust: ties, digits and last bits differ. So these are made of what all do alike (additions and
multiplications of doubles, whole numbers, texts), or of Python.
"""

from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DoubleType, FloatType, StringType

from lakewinnow.core.number_text import number_text
from lakewinnow.spark.arrow import udf

_WHOLE: Final = 1.5 * 2.0**52  # beside it a double has no binary places left
_HEAD: Final = 2.0**35 + 1  # leaves 18 of 53 binary digits (Dekker 1971)


def rint(value: Column) -> Column:
    """Round doubles of less than 2^51 to whole ones, ties to the even one."""
    return (value + F.lit(_WHOLE)) - F.lit(_WHOLE)


def head(value: Column) -> Column:
    """Round doubles to 18 binary digits."""
    large = value * F.lit(_HEAD)
    return large - (large - value)


def fixed(value: Column, digits: int) -> Column:
    """Write numbers of less than 2^53 / 10^digits with so many decimal places, as %.2f does."""
    one = 10**digits
    ticks = F.floor(F.abs(value) * F.lit(float(one)) + F.lit(0.5)).cast("bigint")
    part = ticks % F.lit(one)
    whole = ((ticks - part).cast("double") / F.lit(float(one))).cast("bigint")
    sign = F.when((value < 0) & (ticks > 0), "-").otherwise("")
    places = F.lpad(part.cast("string"), digits, "0")
    return F.concat(sign, whole.cast("string"), F.lit("."), places)


def mean(value: Column) -> Column:
    """Return the mean of doubles from -1 to 1, to a 2^-40th: whole numbers add up in any order."""
    ticks = F.sum(rint(value * F.lit(2.0**40)).cast("bigint"))
    return ticks.cast("double") / F.lit(2.0**40) / F.count(value)


def exp(value: Column) -> Column:
    """Return e to the power of doubles."""
    return udf.on_arrow(_exp, DoubleType())(value)


def as_text(value: Column, data_type: DataType) -> Column:
    """Cast a column of this type to string."""
    if isinstance(data_type, FloatType):
        return udf.on_arrow(partial(_texts, is_single=True), StringType())(value)
    if isinstance(data_type, DoubleType):
        return udf.on_arrow(partial(_texts, is_single=False), StringType())(value)
    return value.cast("string")


def _exp(values: pa.Array) -> pa.Array:
    numbers = values.to_numpy(zero_copy_only=False)
    return pa.array(np.exp(numbers), pa.float64(), mask=np.asarray(values.is_null()))


def _texts(values: pa.Array, *, is_single: bool) -> pa.Array:
    texts = [None if x is None else number_text(x, is_single=is_single) for x in values.to_pylist()]
    return pa.array(texts, pa.string())
