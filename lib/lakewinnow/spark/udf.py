"""Functions of Arrow arrays as functions of columns."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_type
from pyspark.sql.types import DataType, StructType

if TYPE_CHECKING:
    import pandas as pd


def on_arrow(function: Callable[..., pa.Array], returns: DataType) -> Callable[..., Column]:
    """Return a function of columns that gives each batch's arrays to `function`.

    Not a decorator: whether it belongs to classic Spark or to Connect is settled when it is called.
    """

    def of_arrays(*arrays: pa.Array) -> pa.Array:
        return function(*arrays)

    def of_series(*series: "pd.Series") -> "pd.Series":
        found: pd.Series = function(*map(pa.Array.from_pandas, series)).to_pandas()
        return found

    def to_frame(*series: "pd.Series") -> "pd.DataFrame":
        import pandas as pd

        found = function(*map(pa.Array.from_pandas, series))
        return pd.DataFrame(found.to_pylist(), columns=found.type.names)

    functions: Any = F
    if hasattr(F, "arrow_udf"):  # since Spark 4.1
        made: Callable[..., Column] = functions.arrow_udf(of_arrays, returns)
    else:
        is_struct = isinstance(returns, StructType)
        made = functions.pandas_udf(to_frame if is_struct else of_series, returns)
    return made


def struct_array(schema: StructType, columns: dict[str, pa.Array]) -> pa.StructArray:
    """Return columns as a struct array of this Spark schema."""
    types = [to_arrow_type(field.dataType) for field in schema.fields]
    arrays = [columns[f.name].cast(t) for f, t in zip(schema.fields, types, strict=True)]
    return pa.StructArray.from_arrays(arrays, names=schema.names)
