"""How far label issues may be fixed or dropped, for a promise that the checked rows can show.

A row is checked where the user has decided it and it is one of a random sample: of the column
`clean.checked_label`, of the review sample, or any decided row where the user says so. Other rows
that the user has decided have no part in a promise: neither it speaks of them nor they for it. What
people find wrong with a fix is that the label which they give is not the suggested one; what they
find good about a dropped row is that they keep it as it is.
"""

from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType

from lakewinnow import columns as c
from lakewinnow.config.sections import CleanConfig
from lakewinnow.core.evaluation import strata
from lakewinnow.core.evaluation.promise import fewest_checked, promised_cut
from lakewinnow.core.types import IntArray
from lakewinnow.errors import DataError, Shown
from lakewinnow.figures.rows import REVIEW_SAMPLE, Promise
from lakewinnow.lake.inputs.checked import IS_CHECKED, Checked
from lakewinnow.lake.inputs.decisions import KEEP
from lakewinnow.plan.words import counted
from lakewinnow.spark.arrow import udf
from lakewinnow.stages.decide.own import CHECKED_LABEL

Counts: TypeAlias = tuple[IntArray, IntArray, IntArray]  # see `tally`
_WAS_ISSUE: Final = "was_label_issue"  # when the sample was drawn


def doubt(config: CleanConfig) -> Column:
    """Return how doubtful it is that a row should be fixed, or dropped: 0 .. 1."""
    if config.label_issues == "fix":
        return 1 - F.col(c.SUGGESTED_PROB)
    return F.col(c.GIVEN_LABEL_PROB)


def is_sure(config: CleanConfig, promise: Promise | None) -> Column | None:
    """Whether a label issue is sure enough to be dealt with as is asked; None: each is."""
    if promise is not None:
        return F.lit(col=False) if promise.doubt is None else doubt(config) <= promise.doubt
    if config.fix_above is not None and config.label_issues == "fix":
        return F.col(c.SUGGESTED_PROB) >= config.fix_above
    return None


def made(rows: DataFrame, config: CleanConfig, sample: Checked | None) -> Promise | None:
    """Return what can be promised; None where no key asks for it.

    Parameters
    ----------
    rows : label issues beside the user's decisions
    sample : the sample for review, in which a decided row is checked; None: all decided rows are

    Raises
    ------
    DataError : "another_sample": the sample was drawn from other label issues than these
    """
    is_fix = config.label_issues == "fix"
    most = config.fix_at_most_wrong if is_fix else config.drop_at_most_good
    if most is None or not config.promise_key:
        return None
    return promised(_counts(rows, config, sample), most, config)


def promised(counts: Counts, most: float, config: CleanConfig) -> Promise:
    """Return what counts of rows allow, where at most this share of them may be bad."""
    others, checked, bad = counts
    cut = promised_cut(others, checked, bad, most, config.promise_confidence)
    return Promise(
        setting=config.promise_key,
        at_most=most,
        confidence=config.promise_confidence,
        doubt=None if cut is None else float(strata.SCORE_EDGES[cut.bin]),
        rows=cut.others if cut else 0,
        of=int(others.sum()),
        checked=cut.checked if cut else int(checked.sum()),
        bad=cut.wrong if cut else int(bad.sum()),
        needed=fewest_checked(most, config.promise_confidence),
        sampled=sampled(config),
    )


def sampled(config: CleanConfig) -> str:
    """Return what says that the checked rows are a random sample."""
    if config.checked_label is not None:
        return "clean.checked_label"
    return "clean.decisions_at_random" if config.decisions_at_random else REVIEW_SAMPLE


def _counts(rows: DataFrame, config: CleanConfig, sample: Checked | None) -> Counts:
    is_in_sample = F.lit(col=True)
    if config.checked_label is not None:
        is_in_sample = F.col(CHECKED_LABEL).isNotNull()
    elif sample is not None:
        rows = _with_sample(rows, sample)
        is_in_sample = F.coalesce(F.col(IS_CHECKED), F.lit(col=False))
    is_decided = F.col("own_decision").isNotNull()
    is_candidate, is_bad = F.col(c.IS_LABEL_ISSUE), F.col("own_decision") == KEEP
    if config.label_issues == "fix":
        is_candidate &= F.col(c.SUGGESTED_LABEL) != F.col(c.GIVEN_LABEL)
        is_bad = ~F.coalesce(F.col("own_label") == F.col(c.SUGGESTED_LABEL), F.lit(col=False))
    candidates = rows.where(is_candidate & (~is_decided | is_in_sample))
    return tally(candidates, doubt(config), is_decided, is_bad)


def tally(rows: DataFrame, doubts: Column, is_checked: Column, is_bad: Column) -> Counts:
    """Count by bin of their doubt the rows that nobody checked, checked ones, bad ones of these."""
    counted = (
        rows.select(
            udf.on_arrow(_bins, IntegerType())(doubts).alias("bin"),
            is_checked.alias("is_checked"),
            (is_checked & is_bad).alias("is_bad"),
        )
        .groupBy("bin", "is_checked", "is_bad")
        .count()
        .collect()
    )
    others, checked, bad = np.zeros((3, len(strata.SCORE_EDGES)), np.int64)
    for at, was_checked, was_bad, n in counted:
        (checked if was_checked else others)[at] += n
        bad[at] += n if was_bad else 0
    return others, checked, bad


def _bins(doubts: pa.Array) -> pa.Array:
    return pa.array(strata.score_bins(doubts.to_numpy(zero_copy_only=False)), pa.int32())


def _with_sample(rows: DataFrame, sample: Checked) -> DataFrame:
    """Add which rows may be checked ones, of a sample that was drawn from these label issues.

    Their suggestions may have changed since, as how likely a row was to be drawn has not.
    """
    drawn = sample.rows.withColumnRenamed(c.IS_LABEL_ISSUE, _WAS_ISSUE)
    rows = rows.join(F.broadcast(drawn), c.ROW_ID, "left")
    is_drawn, is_issue = F.col(_WAS_ISSUE).isNotNull(), F.col(c.IS_LABEL_ISSUE)
    [[n_same, n_issues]] = rows.select(
        F.count_if(F.col(_WAS_ISSUE) == is_issue),
        F.count_if(is_issue & (is_drawn | F.col("own_decision").isNull())),
    ).collect()
    if (n_same, n_issues) != (sample.n_rows, sample.n_issues):
        got = f"one of {sample.n_issues:,}, where there are {n_issues:,}"
        if n_issues == sample.n_issues:
            n_other = sample.n_rows - n_same
            got = f"one of which {counted(n_other, 'row', 'has', of=sample.n_rows)} changed"
        raise DataError(
            "another_sample",
            "clean.decisions",
            "a sample for review that was drawn from these label issues",
            Shown(got),
            "`lakewinnow review draw --redraw` draws one from a run as it is configured now",
        )
    return rows
