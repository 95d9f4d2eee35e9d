"""The checks beside label issues that judge every row: what each adds to issues/.

Such a check is a stage that publishes checks/NAME/, one row per accepted row: row_id, the columns
named here, and `why`, which says what is wrong with the row (null: nothing). `decide` joins them.
"""

from dataclasses import dataclass
from typing import Final

from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DoubleType,
    StringType,
    StructField,
    StructType,
)

from lakewinnow import columns as c
from lakewinnow.config.sections import ChecksConfig, CleanConfig

WHY: Final = "why"


@dataclass(frozen=True)
class RowCheck:
    """A check and its columns."""

    # its key in `checks`, and in `clean` where rows can go for it; its table is checks/NAME/
    name: str
    # its columns; the score is from 0 to 1, lower is worse
    is_issue: str
    score: str
    # the column of the set that a row is in, of a check that finds rows which are alike
    set_of: str | None = None
    # the column of the row of its set that stays for this one, which `decide` chooses
    copy_of: str | None = None
    others: tuple[tuple[str, DataType], ...] = ()  # further columns

    @property
    def table(self) -> str:
        """Where the check's stage publishes what it found."""
        return f"checks/{self.name}"

    @property
    def fields(self) -> list[StructField]:
        """The columns of what it found."""
        fields = [
            StructField(self.is_issue, BooleanType(), nullable=False),
            StructField(self.score, DoubleType(), nullable=True),  # null: it could not be judged
        ]
        if self.set_of is not None:
            fields.append(StructField(self.set_of, StringType(), nullable=True))
        return [*fields, *(StructField(name, kind, nullable=True) for name, kind in self.others)]

    @property
    def schema(self) -> StructType:
        """The columns of the check's table."""
        row_id = StructField(c.ROW_ID, StringType(), nullable=False)
        return StructType([row_id, *self.fields, StructField(WHY, StringType(), nullable=True)])

    @property
    def decided(self) -> list[StructField]:
        """The columns that `decide` adds to those."""
        names = () if self.copy_of is None else (self.copy_of,)
        return [StructField(name, StringType(), nullable=True) for name in names]

    def action(self, clean: CleanConfig) -> str:
        """Return what happens to rows that have the issue: drop, review or keep."""
        action: str = getattr(clean, self.name, "keep")
        return "keep" if action == "redact" else action  # the row stays, with another text


OUTLIERS: Final = RowCheck("outliers", c.IS_OUTLIER_ISSUE, c.OUTLIER_SCORE)
IMBALANCE: Final = RowCheck("imbalance", c.IS_CLASS_IMBALANCE_ISSUE, c.CLASS_IMBALANCE_SCORE)
NULLS: Final = RowCheck("nulls", c.IS_NULL_ISSUE, c.NULL_SCORE)
NON_IID: Final = RowCheck("non_iid", c.IS_NON_IID_ISSUE, c.NON_IID_SCORE)
GROUPS: Final = RowCheck(
    "groups",
    c.IS_UNDERPERFORMING_GROUP_ISSUE,
    c.UNDERPERFORMING_GROUP_SCORE,
    others=((c.UNDERPERFORMING_GROUP, StringType()),),
)
VALUATION: Final = RowCheck("valuation", c.IS_DATA_VALUATION_ISSUE, c.DATA_VALUATION_SCORE)
NEAR_DUPLICATES: Final = RowCheck(
    "near_duplicates",
    c.IS_NEAR_DUPLICATE_ISSUE,
    c.NEAR_DUPLICATE_SCORE,
    set_of=c.NEAR_DUPLICATE_SET,
    copy_of=c.NEAR_DUPLICATE_OF,
    others=((c.NEAR_DUPLICATE_LABELS_DIFFER, BooleanType()),),
)
TEXT: Final = RowCheck(
    "text", c.IS_TEXT_ISSUE, c.TEXT_SCORE, others=((c.TEXT_RULES, ArrayType(StringType())),)
)
PII: Final = RowCheck(
    "pii", c.IS_PII_ISSUE, c.PII_SCORE, others=((c.PII_KINDS, ArrayType(StringType())),)
)
PII_SAID: Final = "personal data: "  # begins what is said of it; "redacted: " where it was
ROW_CHECKS: Final[tuple[RowCheck, ...]] = (
    OUTLIERS,
    IMBALANCE,
    NULLS,
    NON_IID,
    GROUPS,
    VALUATION,
    NEAR_DUPLICATES,
    TEXT,
    PII,
)


def enabled(checks: ChecksConfig) -> list[RowCheck]:
    """Return the checks that a run makes."""
    return [check for check in ROW_CHECKS if getattr(checks, check.name) is not None]
