"""What annotators say of rows: the tables of opinions/, read as one.

An opinion is a label that an annotator says a row has. A kind of annotators has a table of its own,
and a name is one annotator's within its kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import LLM, OPINION_TABLES
from lakewinnow.core.text import label_form
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.portable.unions import union
from lakewinnow.spark.schemas import schema

OPINIONS: Final = schema({c.ROW_ID: "string", c.ANNOTATOR: "string", c.LABEL: "int"})


# Of a language model, whose opinion of a text that gives it orders does not vote
LLM_OPINIONS: Final = schema(
    {
        **{field.name: field.dataType for field in OPINIONS},
        c.PROBS: "array<float>",
        c.IS_SUSPICIOUS: "boolean",
    }
)


def read_opinions(lake: Lake, kinds: Sequence[str]) -> DataFrame:
    """Return (row_id, annotator, label, annotator_kind), an opinion each, of a row one by each.

    Parameters
    ----------
    kinds : of annotators, at least one: `Config.opinion_kinds`
    """
    return reduce(union, (_of_kind(lake, kind) for kind in kinds))


def _of_kind(lake: Lake, kind: str) -> DataFrame:
    rows = lake.read(OPINION_TABLES[kind])
    voting = rows.where(~F.col(c.IS_SUSPICIOUS)) if kind == LLM else rows
    return voting.select(*OPINIONS.names, F.lit(kind).alias(c.ANNOTATOR_KIND))


@dataclass(frozen=True)
class ClassNames:
    """The classes, as annotators spell them: as the input does."""

    classes: tuple[str, ...]
    is_normalized: bool  # `input.normalize_labels`

    def index(self, label: str | None) -> int | None:
        """Return the class that a label means; None of one that means none."""
        return None if label is None else self._places.get(self._form(label))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {self._form(name): place for place, name in enumerate(self.classes)}

    def _form(self, label: str) -> str:
        return label_form(label) if self.is_normalized else label


def said_by_annotators() -> Column:
    """Say what most annotators say of a row of checks/label_issues/; null where none does."""
    n, most = F.col(c.N_OPINIONS), F.col(c.MOST_SAID)
    several = F.concat(
        F.col(c.N_SAYING).cast("string"), F.lit(" of "), n.cast("string"), F.lit(" annotators say ")
    )
    return F.concat(F.when(n == 1, "the annotator says ").otherwise(several), most)
