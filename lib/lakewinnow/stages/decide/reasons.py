"""What a label issue leads to, and what is said of a row that has something wrong."""

from collections.abc import Sequence
from typing import Any, Final

from pyspark.sql import Column
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import CleanConfig
from lakewinnow.lake.opinions import said_by_annotators
from lakewinnow.plan.check import Check
from lakewinnow.spark.portable import expressions as portable
from lakewinnow.stages.decide import alike
from lakewinnow.stages.decide.alike import Kind

_ORDERS: Final = "text gives orders to a language model, whose opinion of it does not count"


def by_label(config: CleanConfig, is_sure: Column | None) -> Column:
    """Return what happens to a row for its label alone; `is_sure`: see `promises.is_sure`."""
    decision = F.lit(config.label_issues)
    if is_sure is not None:
        decision = F.when(is_sure, decision).otherwise(config.else_)
    if config.label_issues == "safe":
        decision = F.when(_is_confirmed(), "review").otherwise("drop")
    if config.label_issues == "fix":
        decision = F.when(_is_confirmed(), "keep").otherwise(decision)
    return F.when(F.col(c.IS_LABEL_ISSUE), decision).otherwise("keep")


def _is_confirmed() -> Column:
    """Whether the label is still the likeliest, given which labels go wrong and how often."""
    return F.col(c.SUGGESTED_LABEL) == F.col(c.GIVEN_LABEL)


def reason(
    config: CleanConfig,
    others: Sequence[Check[Any]],
    kinds: list[Kind],
    is_sure: Column | None,
    chosen: str = "",
    *,
    has_opinions: bool = False,
    is_asked: bool = False,
) -> Column:
    """Say what decided: the user, or every check that found something, and what held it back.

    Parameters
    ----------
    has_opinions : whether annotators may have some on a row
    is_asked : whether a language model was asked about some of the texts
    """
    by = F.concat(F.lit("decided by "), F.col("own_by"), F.lit(": "))
    own = F.when(F.col("own_label").isNotNull(), F.concat(F.lit("label "), F.col("own_label")))
    decided = F.concat(by, F.coalesce(own, F.col("own_decision")))
    kept = F.format_string(
        f"kept: at most {config.max_class_fraction:g} of a class may go, and worse rows of %s do",
        c.GIVEN_LABEL,
    )
    reasons = F.concat_ws(
        "; ",
        F.when(F.col("own_decision").isNotNull(), decided),
        F.when(F.col(c.IS_LABEL_ISSUE), _label_reason(config, is_sure)),
        *([F.when(F.col(c.IS_LABEL_ISSUE), said_by_annotators())] if has_opinions else []),
        *([F.when(F.col(c.IS_SUSPICIOUS), F.lit(_ORDERS))] if is_asked else []),
        *([F.when(F.col(c.IS_LABEL_ISSUE), F.lit(chosen))] if chosen else []),
        *(_said(check, config) for check in others),
        *alike.why(kinds),
        F.when(F.col("is_kept_for_class"), kept),
    )
    return F.nullif(reasons, F.lit(""))


def _said(check: Check[Any], config: CleanConfig) -> Column:
    """Return what a check says of a row."""
    why = F.col(f"why_{check.name}")
    rewriting = check.rewriting.get(config.action(check))
    if rewriting is None:
        return why
    return F.replace(why, F.lit(rewriting.found), F.lit(rewriting.done))


def _label_reason(config: CleanConfig, is_sure: Column | None) -> Column:
    predicted = F.format_string(
        "label issue: given %s, predicted %s (%s)",
        c.GIVEN_LABEL,
        c.PREDICTED_LABEL,
        portable.fixed(F.col(c.PREDICTED_PROB), 2),
    )
    suggested = F.format_string(
        "label issue: given %s, suggested %s (%s)",
        c.GIVEN_LABEL,
        c.SUGGESTED_LABEL,
        portable.fixed(F.col(c.SUGGESTED_PROB), 2),
    )
    unsure = ""
    if config.promise_key:
        unsure = f", too doubtful for {config.promise_key}"
    elif config.fix_above is not None:
        unsure = f", below {config.fix_above:g}"
    held_back = F.lit("")
    if is_sure is not None:
        held_back = F.when(~is_sure, unsure).otherwise("")
    if config.label_issues != "fix":
        is_predicted = F.col(c.PREDICTED_LABEL) != F.col(c.GIVEN_LABEL)
        return F.concat(F.when(is_predicted, predicted).otherwise(suggested), held_back)
    confirmed = F.format_string(
        "%s, but %s is still the likeliest (%s)",
        predicted,
        c.GIVEN_LABEL,
        portable.fixed(F.col(c.GIVEN_LABEL_PROB), 2),
    )
    return F.when(_is_confirmed(), confirmed).otherwise(F.concat(suggested, held_back))
