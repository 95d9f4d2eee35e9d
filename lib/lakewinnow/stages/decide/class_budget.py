"""How much of each class the checks may take away, so that none is emptied."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import CleanConfig
from lakewinnow.plan.words import counted

_SHOWN: Final = 3  # classes in a warning


@dataclass(frozen=True)
class ClassBudget:
    """Classes that more would leave than may: how many may, and how many therefore stay."""

    allowed: Mapping[str, int]
    kept: dict[str, int]

    def warnings(self, most: float) -> list[str]:
        """Say of which classes rows stay that checks would take; at most `most` of a class goes."""
        return [
            f"clean.max_class_fraction: of {name!r} {counted(n, 'row', 'stays')} although checks"
            f" would take more out, because no more than {most:g} of a class may go"
            for name, n in list(self.kept.items())[:_SHOWN]
        ]


def _leaves() -> Column:
    """Whether checks take a row away from its class, and do not leave the class an equal one."""
    is_decided = F.col("own_decision").isNotNull()
    return ~is_decided & (F.col("by_checks") != "keep") & ~F.col("is_twin")


def budget(rows: DataFrame, config: CleanConfig) -> ClassBudget:
    """Count what would leave each class: of copies of one text with one label, one counts."""
    share = Fraction(str(config.max_class_fraction))
    counted = (
        rows.where(F.col("own_decision").isNull() & ~F.col("is_twin"))
        .groupBy(c.GIVEN_LABEL)
        .agg(F.count("*").alias("n"), F.count_if(_leaves()).alias("n_leaving"))
        .collect()
    )
    allowed = {row[c.GIVEN_LABEL]: int(share * row["n"]) for row in counted}
    kept = {row[c.GIVEN_LABEL]: row["n_leaving"] - allowed[row[c.GIVEN_LABEL]] for row in counted}
    over = sorted(name for name, n in kept.items() if n > 0)
    return ClassBudget({name: allowed[name] for name in over}, {name: kept[name] for name in over})


def within(rows: DataFrame, found: ClassBudget) -> DataFrame:
    """Add whether a row stays because more than may go of its class are worse."""
    if not found.allowed:
        return rows.withColumn("is_kept_for_class", F.lit(col=False))
    allowed = F.create_map(*(F.lit(part) for pair in found.allowed.items() for part in pair))
    leaving = rows.where(_leaves() & F.col(c.GIVEN_LABEL).isin(list(found.allowed)))
    worst_first = Window.partitionBy(c.GIVEN_LABEL).orderBy(c.LABEL_SCORE, c.ROW_ID)
    ranked = leaving.select(
        c.ROW_ID, c.GIVEN_LABEL, F.row_number().over(worst_first).alias("worst")
    )
    best = ranked.where(F.col("worst") > allowed[F.col(c.GIVEN_LABEL)])
    stays = best.select(c.ROW_ID, F.lit(col=True).alias("stays"))
    rows = rows.join(stays, c.ROW_ID, "left")
    return rows.withColumn("is_kept_for_class", F.coalesce("stays", F.lit(col=False)))
