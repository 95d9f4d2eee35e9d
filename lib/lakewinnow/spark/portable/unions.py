"""The rows of two frames as one."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, IntegralType, LongType, NullType

from lakewinnow.spark.sessions.engines import is_sail


def union(one: DataFrame, other: DataFrame) -> DataFrame:
    """Return the rows of both by name; a column that one of them lacks is null there.

    Sail tells a Python function the types that the first had before the union, and then fails where
    those of the union are others; so there both get the same types beforehand.
    """
    if not is_sail(one.sparkSession):
        return one.unionByName(other, allowMissingColumns=True)
    ours, theirs = ({f.name: f.dataType for f in frame.schema.fields} for frame in (one, other))
    types = {
        name: _wider(ours.get(name), theirs.get(name)) for name in dict.fromkeys([*ours, *theirs])
    }
    return _typed(one, ours, types).union(_typed(other, theirs, types))


def _wider(one: DataType | None, other: DataType | None) -> DataType | None:
    if isinstance(one, IntegralType) and isinstance(other, IntegralType) and one != other:
        return LongType()
    return other if one is None or isinstance(one, NullType) else one


def _typed(
    frame: DataFrame, own: dict[str, DataType], types: dict[str, DataType | None]
) -> DataFrame:
    def of(name: str, type_: DataType | None) -> Column:
        is_there = name in own and not isinstance(own[name], NullType)
        value = F.col(name) if is_there else F.lit(None)
        return (value if type_ is None else value.cast(type_)).alias(name)

    return frame.select(*(of(name, type_) for name, type_ in types.items()))
