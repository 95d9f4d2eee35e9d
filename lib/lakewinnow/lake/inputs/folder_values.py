"""Values of the output that are to be names of folders, ``label=01/``, and come back the same.

Spark guesses the types of such names, so that 01 and 1 are one number, and has one for '' and null.
"""

from collections.abc import Iterator
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as t

from lakewinnow.config.sections import InputConfig, OutputConfig
from lakewinnow.errors import DataError, Shown
from lakewinnow.lake.inputs.source import column
from lakewinnow.lake.inputs.text_files.listing import NULL_FOLDER
from lakewinnow.plan.words import counted
from lakewinnow.spark.sessions.engines import is_sail

_NUMBER: Final = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[dDfF]?\s*$"
_PLAIN_NUMBER: Final = r"^(0|-?[1-9]\d{0,36})$"


def check_partition_by(df: DataFrame, source: InputConfig, output: OutputConfig) -> None:
    """Refuse to make folders of values that readers would not give back.

    Raises
    ------
    DataError : "folder_value_changes"
    """
    counts = {
        (name, what): n
        for name in output.partition_by
        for what, n in _changed(df, name, source, output.format)
    }
    if not counts:
        return
    [found] = df.agg(*(n.alias(str(i)) for i, n in enumerate(counts.values()))).collect()
    problems = [
        f"{counted(n, 'row', 'has')} {what} in {name}"
        for (name, what), n in zip(counts, found, strict=True)
        if n
    ]
    if problems:
        expected = "columns whose values come back the same from names of folders"
        hint = "leave the column out of output.partition_by: it then stays in the files as it is"
        raise DataError(
            "folder_value_changes",
            "output.partition_by",
            expected,
            Shown("; ".join(problems)),
            hint,
        )


def _changed(
    df: DataFrame, name: str, source: InputConfig, format_: str
) -> Iterator[tuple[str, Column]]:
    """Yield what values change, and of how many rows."""
    value = column(name)
    is_label = name == source.label  # rows without one are not in the output
    if format_ == "parquet" and is_sail(df.sparkSession) and not is_label:
        yield "no value, which Sail writes as ''", F.count_if(value.isNull())
    if format_ == "iceberg" or not isinstance(df.schema[name].dataType, t.StringType):
        return
    if not is_label:
        yield "'', which is read back as null", F.count_if(value == "")
    if format_ == "parquet":
        yield f"{NULL_FOLDER}, which is read back as null", F.count_if(value == NULL_FOLDER)
        is_number = value.rlike(_NUMBER)
        other = F.count_if(~is_number & (F.trim(value) != ""))
        retyped = F.count_if(is_number & ~value.rlike(_PLAIN_NUMBER))
        yield (
            "a number that is read back as another text, 01 as 1, say,",
            F.when(other == 0, retyped),
        )
