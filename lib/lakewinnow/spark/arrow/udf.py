"""Functions of Arrow arrays as functions of columns."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_type
from pyspark.sql.types import DataType, StructType

from lakewinnow.spark.sail.workers import Outsourced


def on_arrow(function: Callable[..., pa.Array], returns: DataType) -> Callable[..., Column]:
    """Return a function of columns that gives each batch's arrays to `function`.

    Not a decorator: whether it belongs to classic Spark or to Connect is settled when it is called.
    """
    outsourced = Outsourced.of(function)
    if not hasattr(F, "arrow_udf"):  # since Spark 4.1
        return _on_pandas(outsourced.on_values, returns)

    def of_arrays(*arrays: pa.Array) -> pa.Array:
        return outsourced.on_values(*arrays)

    functions: Any = F
    made: Callable[..., Column] = functions.arrow_udf(of_arrays, returns)
    return made


def _on_pandas(function: Callable[..., pa.Array], returns: DataType) -> Callable[..., Column]:
    import pandas as pd  # here: where there is Arrow, workers do without it

    def of_series(*series: pd.Series) -> pd.Series:
        found: pd.Series = function(*map(pa.Array.from_pandas, series)).to_pandas()
        return found

    def to_frame(*series: pd.Series) -> pd.DataFrame:
        found = function(*map(pa.Array.from_pandas, series))
        return pd.DataFrame(found.to_pylist(), columns=found.type.names)

    functions: Any = F
    is_struct = isinstance(returns, StructType)
    made: Callable[..., Column] = functions.pandas_udf(
        to_frame if is_struct else of_series, returns
    )
    return made


def struct_array(schema: StructType, columns: dict[str, pa.Array]) -> pa.StructArray:
    """Return columns as a struct array of this Spark schema."""
    types = [to_arrow_type(field.dataType) for field in schema.fields]
    arrays = [columns[f.name].cast(t) for f, t in zip(schema.fields, types, strict=True)]
    return pa.StructArray.from_arrays(arrays, names=schema.names)
