"""Rewrite a row's text as it leaves the workspace, where the action of a check says so.

The text is the same wherever it is shown or written: in issues/, clean/, review/, dropped/ and
exports/. So are the values that name groups of rows. The workspace's corpus/ keeps rows as they
came; in clean/, review/ and dropped/ the input's other columns are as they came, too.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Final, TypeAlias

import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

from lakewinnow import columns as c
from lakewinnow.config.sections import ChecksConfig, CleanConfig
from lakewinnow.plan.stage import loaded
from lakewinnow.spark.arrow import udf

PREVIEW_LENGTH: Final = 200  # characters
Rewrite: TypeAlias = Callable[[str], str]


def rewrites(clean: CleanConfig, checks: ChecksConfig) -> list[Rewrite]:
    """Return the functions that, one after the other, make of a text what others may see."""
    found = []
    for check in checks.of_rows:
        rewriting = check.rewriting.get(clean.action(check))
        if rewriting is not None:
            found.append(loaded(rewriting.text)(checks.section(check), clean))
    return found


def rewritten(text: str, functions: Sequence[Rewrite]) -> str:
    """Apply functions to a text, one after the other."""
    return reduce(lambda so_far, function: function(so_far), functions, text)


def text(clean: CleanConfig, checks: ChecksConfig) -> Column:
    """Return the text of a row of corpus/ as others may see it."""
    functions = rewrites(clean, checks)
    if not functions:
        return F.col(c.TEXT)
    return _mapped(F.col(c.TEXT), partial(rewritten, functions=functions))


def group_name(value: str, functions: Sequence[Rewrite]) -> str:
    """Return a value as others may see it; values that differ still do, by a part of a hash."""
    shown = rewritten(value, functions)
    if shown == value:
        return value
    return f"{shown} #{hashlib.sha256(value.encode()).hexdigest()[:8]}"


def group_names(values: Column, clean: CleanConfig, checks: ChecksConfig) -> Column:
    """Apply `group_name` to a column of strings."""
    functions = rewrites(clean, checks)
    return _mapped(values, partial(group_name, functions=functions)) if functions else values


def preview(of: Column) -> Column:
    """Return the beginning of a text, to tell a row by."""
    return F.substring(of, 1, PREVIEW_LENGTH).alias(c.TEXT_PREVIEW)


def _mapped(values: Column, function: Rewrite) -> Column:
    return udf.on_arrow(partial(_map, function=function), StringType())(values)


def _map(values: pa.Array, function: Rewrite) -> pa.Array:
    found = (None if value is None else function(value) for value in values.to_pylist())
    return pa.array(found, pa.string())
