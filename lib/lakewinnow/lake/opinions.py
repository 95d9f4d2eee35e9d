"""What annotators say of rows: the tables of opinions/, read as one.

An opinion is a label that an annotator says a row has. A kind of annotators has a table of its own,
and a name is one annotator's within its kind.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import OPINION_TABLES
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.portable.unions import union
from lakewinnow.spark.schemas import schema

OPINIONS: Final = schema({c.ROW_ID: "string", c.ANNOTATOR: "string", c.LABEL: "int"})


def read_opinions(lake: Lake, kinds: Sequence[str]) -> DataFrame:
    """Return (row_id, annotator, label, kind): an annotator has at most one opinion of a row.

    Parameters
    ----------
    kinds : of annotators, at least one: `Config.opinion_kinds`
    """
    tables = (
        lake.read(OPINION_TABLES[kind]).select(*OPINIONS.names, F.lit(kind).alias(c.KIND))
        for kind in kinds
    )
    return reduce(union, tables)
