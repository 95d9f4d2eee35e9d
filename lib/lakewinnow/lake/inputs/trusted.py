"""Rows of the input whose labels a column says are trusted, held out as one holds out a test set.

A share of them, `evaluate.trusted_fraction`, leaves the run before it begins: nothing learns from
these rows, no check judges them, and they are not in clean/. They are the holdout. Which rows they
are is a function of their content, so equal rows go together. The others stay in the input and are
rows like any other.
"""

from dataclasses import replace

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, StringType

from lakewinnow.config.sections import EvaluateConfig, InputConfig
from lakewinnow.errors import DataError, SchemaError, Shown
from lakewinnow.lake.inputs.source import Source, column

KEY = "evaluate.trusted"


def held_out(
    source: Source, config: InputConfig, evaluate: EvaluateConfig
) -> tuple[Source, Source]:
    """Return the input without the rows that are held out, and those rows.

    Raises
    ------
    SchemaError : "missing_column", "wrong_column_type"
    DataError : "not_a_boolean": of a column of text; "no_trusted_rows"
    """
    name = evaluate.trusted or ""
    value = _truth(source, name)
    content = [*filter(None, (config.text, config.embedding)), *(config.features or ())]
    key = F.xxhash64(*map(column, content), F.lit("trusted"))
    last = int(evaluate.trusted_fraction * 2**63) - 1
    is_held = F.coalesce(value & (F.shiftrightunsigned(key, 1) <= last), F.lit(col=False))
    is_odd = column(name).isNotNull() & value.isNull()
    [[n_held, n_odd]] = source.df.select(F.count_if(is_held), F.count_if(is_odd)).collect()
    if n_odd:
        raise DataError(
            "not_a_boolean", KEY, "true, false or nothing in each row", Shown(f"{n_odd:,} others")
        )
    if not n_held:
        hint = "mark rows whose label you trust with true; see also evaluate.trusted_fraction"
        raise DataError("no_trusted_rows", KEY, "rows to hold out", Shown("none"), hint)
    how = f"{name} {evaluate.trusted_fraction}"
    rest = replace(
        source, df=source.df.where(~is_held), fingerprint=f"{source.fingerprint} without {how}"
    )
    held = replace(
        source, df=source.df.where(is_held), fingerprint=f"{source.fingerprint} where {how}"
    )
    return rest, held


def _truth(source: Source, name: str) -> Column:
    """Return the column as boolean; null where a text says neither."""
    kind = source.schema[name].dataType
    if not isinstance(kind, BooleanType | StringType):
        expected = "a column of booleans, or of text that says true or false"
        raise SchemaError("wrong_column_type", KEY, expected, Shown(kind.simpleString()))
    return column(name).try_cast("boolean")
