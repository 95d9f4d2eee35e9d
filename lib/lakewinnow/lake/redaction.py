"""The text of a row as it leaves the workspace: without personal data, where `clean.pii` says so.

It is the same function of the text wherever it is shown or written: in issues/, clean/, review/,
dropped/ and exports/. The workspace's corpus/ keeps the text as it came, and what is in other
columns of the input is not looked at.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

from lakewinnow import columns as c
from lakewinnow.config.sections import ChecksConfig, CleanConfig
from lakewinnow.spark.arrow import udf
from lakewinnow.text import pii

PREVIEW_LENGTH: Final = 200  # characters


def text(clean: CleanConfig, checks: ChecksConfig) -> Column:
    """Return the text of a row of corpus/ as others may see it."""
    if clean.pii != "redact" or checks.pii is None:
        return F.col(c.TEXT)
    redacted = partial(_redacted, kinds=checks.pii.kinds, tag=clean.pii_tag)
    return udf.on_arrow(redacted, StringType())(F.col(c.TEXT))


def preview(of: Column) -> Column:
    """Return the beginning of a text, to tell a row by."""
    return F.substring(of, 1, PREVIEW_LENGTH).alias(c.TEXT_PREVIEW)


def _redacted(texts: pa.Array, kinds: Sequence[str], tag: str) -> pa.Array:
    return pa.array([pii.redact(text, kinds, tag) for text in texts.to_pylist()], pa.string())
