"""Rows without a label: how many get the predicted one, for a promise that checked rows can show.

The promise is that of `promises`: of the new labels so many at most are wrong. Its argument is
another, since such rows have no given label. So what tells the surer row is the probability of the
predicted label by text alone, and not suggested_prob, which looks at the given label; and a row of
either kind is scored by models that have not learnt from its text (`crossval.predict_others`).
The checked rows are then as good as drawn from the rows without a label if those lack it by chance:
as likely whatever the text and the right label are. That is assumed (the rows are exchangeable);
where hard texts were left without a label, the promise may be broken. How many of either are as
sure as the cut shows whether they are alike.

A row without a label that people gave one gets that, and is one of the checked rows where these are
a random part of all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import CleanConfig
from lakewinnow.figures.rows import REVIEW_SAMPLE, Ingested, Unlabelled
from lakewinnow.lake.corpus import PREDICTED, UNLABELLED
from lakewinnow.lake.inputs.decisions import KEEP, RELABEL, Decisions
from lakewinnow.lake.workspace import Lake
from lakewinnow.plan.check import Check
from lakewinnow.spark.portable import expressions as portable
from lakewinnow.spark.portable.unions import union
from lakewinnow.stages.decide import promises
from lakewinnow.stages.decide.own import CHECKED_LABEL, with_checked_labels, with_own_decisions

_RIGHT_LABEL: Final = "right_label"
_IS_DECIDED: Final = "is_decided"
_IS_IN_SAMPLE: Final = "is_in_sample"
_DOUBT: Final = "doubt"


@dataclass(frozen=True)
class Labelled:
    """The rows that get a label."""

    figures: Unlabelled
    # row_id, predicted_label, predicted_prob, new_label, decided_by, reason; None: there are none
    rows: DataFrame | None = None


def is_asked(config: CleanConfig) -> bool:
    """Whether a promise is asked for that checked rows may show: a random sample of all rows."""
    return config.is_fix_promised and promises.sampled(config) != REVIEW_SAMPLE


def label(lake: Lake, rows: DataFrame, config: CleanConfig, own: Decisions | None) -> Labelled:
    """Decide which rows without a label get one.

    Parameters
    ----------
    rows : those with a label, beside what people said of them
    own : the user's decisions
    """
    ingested = lake.figures("ingest", Ingested)
    n_rows, most = ingested.unlabelled, config.fix_at_most_wrong
    if most is None or not is_asked(config):
        why = "issues_alone" if config.is_fix_promised else "not_asked"
        return Labelled(Unlabelled(rows=n_rows, why=why))
    apart = lake.read(UNLABELLED)
    others = with_own_decisions(apart.select(c.ROW_ID, c.GIVEN_LABEL), own)
    others = with_checked_labels(others, apart, config.checked_label, ingested.classes)
    is_decided, is_in_sample = F.col(_IS_DECIDED), F.col(_IS_IN_SAMPLE)
    said = union(_said(rows, config).where(is_decided & is_in_sample), _said(others, config))
    predicted = _predicted(lake, ingested.classes).join(said, c.ROW_ID)
    is_bad = ~F.coalesce(F.col(_RIGHT_LABEL) == F.col(c.PREDICTED_LABEL), F.lit(col=False))
    in_promise = predicted.where(~is_decided | is_in_sample)
    counts = promises.tally(in_promise, F.col(_DOUBT), is_decided, is_bad)
    promise = promises.promised(counts, most, config)
    by_people = is_decided & F.col(_RIGHT_LABEL).isNotNull()
    is_sure = F.lit(col=False) if promise.doubt is None else F.col(_DOUBT) <= promise.doubt
    found = predicted.where(F.col(c.LABEL).isNull() & (by_people | (~is_decided & is_sure)))
    figures = Unlabelled(
        rows=n_rows,
        labelled=promise.rows,
        labelled_by_people=found.where(by_people).count(),
        checked=int(counts[1].sum()),
        promise=promise,
    )
    return Labelled(figures, None if figures.stay_out == n_rows else _labels(found, config))


def in_issues(
    lake: Lake, labelled: DataFrame, found: Sequence[Check[Any]], preview: Column
) -> DataFrame:
    """Return rows that get a label as rows of issues/: nobody has judged a label, or the row."""
    nothing = {
        name: F.lit(col=False) for name in (c.IS_LABEL_ISSUE, *(f"{of.is_issue}" for of in found))
    }
    return labelled.join(lake.read(UNLABELLED).select(c.ROW_ID, preview), c.ROW_ID).withColumns(
        {
            **nothing,
            c.SUGGESTED_LABEL: F.col(c.PREDICTED_LABEL),
            c.SUGGESTED_PROB: F.col(c.PREDICTED_PROB),
            c.DECISION: F.lit(RELABEL),
        }
    )


def _said(rows: DataFrame, config: CleanConfig) -> DataFrame:
    """Return the right label by what people said, where they did, and whether that is by chance."""
    decision = F.col("own_decision")
    right = F.when(decision == KEEP, F.col(c.GIVEN_LABEL)).otherwise(F.col("own_label"))
    is_in_sample = F.lit(col=True)
    if config.checked_label is not None:
        is_in_sample = F.col(CHECKED_LABEL).isNotNull()
    return rows.select(
        c.ROW_ID,
        right.alias(_RIGHT_LABEL),
        decision.isNotNull().alias(_IS_DECIDED),
        is_in_sample.alias(_IS_IN_SAMPLE),
        F.col("own_by").alias(c.DECIDED_BY),
    )


def _predicted(lake: Lake, classes: Sequence[str]) -> DataFrame:
    """Return each row's likeliest label by text alone, its probability, and how doubtful it is."""
    prob, names = F.array_max(c.PRED_PROBS), F.array(*map(F.lit, classes))
    best = F.array_position(c.PRED_PROBS, prob).cast("int")
    return lake.read(PREDICTED).select(
        c.ROW_ID,
        c.LABEL,
        F.element_at(names, best).alias(c.PREDICTED_LABEL),
        prob.cast("double").alias(c.PREDICTED_PROB),
        (1 - prob.cast("double")).alias(_DOUBT),
    )


def _labels(found: DataFrame, config: CleanConfig) -> DataFrame:
    predicted = F.format_string(
        "no label given, predicted %s (%s)",
        c.PREDICTED_LABEL,
        portable.fixed(F.col(c.PREDICTED_PROB), 2),
    )
    by_people = F.format_string(
        "decided by %s: label %s; %s", c.DECIDED_BY, _RIGHT_LABEL, predicted
    )
    by_models = F.concat(predicted, F.lit(f", sure enough for {config.promise_key}"))
    return found.select(
        c.ROW_ID,
        c.PREDICTED_LABEL,
        c.PREDICTED_PROB,
        F.coalesce(_RIGHT_LABEL, c.PREDICTED_LABEL).alias(c.NEW_LABEL),
        c.DECIDED_BY,
        F.when(F.col(_IS_DECIDED), by_people).otherwise(by_models).alias(c.REASON),
    )
