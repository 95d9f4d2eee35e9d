"""Labels known to be right, of `evaluate.reference`, and what rows of corpus/ meet them by."""

from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import InputConfig
from lakewinnow.lake.inputs import content
from lakewinnow.lake.inputs.source import Source, column, text_of

KEY: Final = "key"  # that rows of input and reference meet by
TRUE_LABEL: Final = "true_label"


def key(source: InputConfig) -> Column:
    """Return what rows of corpus/ meet the reference's by."""
    return F.col(c.TEXT_KEY if source.id is None else c.ROW_ID)


def true_labels(reference: Source, source: InputConfig) -> DataFrame:
    """Return (key, true_label) of what the reference labels in one way."""
    label = text_of(source.label, reference.schema)
    labelled = reference.df.where(label.isNotNull())
    if source.text is not None:
        labelled = labelled.where(column(source.text).isNotNull())
    by_id = source.id is not None
    own = text_of(source.id or "") if by_id else content.key(source, reference.schema)
    labels = labelled.select(own.alias(KEY), label.alias(TRUE_LABEL)).groupBy(KEY)
    both_ends = labels.agg(F.min(TRUE_LABEL).alias(TRUE_LABEL), F.max(TRUE_LABEL).alias("last"))
    return both_ends.where(F.col(TRUE_LABEL) == F.col("last")).select(KEY, TRUE_LABEL)
