"""The text of a row as it leaves the workspace: rewritten, where the action of a check says so.

It is the same function of the text wherever it is shown or written: in issues/, clean/, review/,
dropped/ and exports/. The workspace's corpus/ keeps the text as it came, and what is in other
columns of the input is not looked at.
"""

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
    return udf.on_arrow(partial(_rewritten, functions=functions), StringType())(F.col(c.TEXT))


def preview(of: Column) -> Column:
    """Return the beginning of a text, to tell a row by."""
    return F.substring(of, 1, PREVIEW_LENGTH).alias(c.TEXT_PREVIEW)


def _rewritten(texts: pa.Array, functions: Sequence[Rewrite]) -> pa.Array:
    return pa.array([rewritten(text, functions) for text in texts.to_pylist()], pa.string())
