"""The user's own decisions: a table of row_id, and keep, drop or another label, and by whom.

Of a row that several people decided, what more than half of them say counts. It is the user's file:
no run writes it, so what is decided once holds in every later run.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

from lakewinnow import columns as c
from lakewinnow.config.sections import InputConfig
from lakewinnow.errors import DataError, LakewinnowError, SchemaError, Shown, did_you_mean
from lakewinnow.lake.inputs.source import MALFORMED, column, read_source
from lakewinnow.lake.inputs.votes import BY, Decision, Votes

KEY: Final = "clean.decisions"
KEEP, DROP, RELABEL = "keep", "drop", "fix"

_MALFORMED, _NO_ROW_ID = "a line that does not parse", "a decision without row_id"
_EXPECTED: Final = {
    _MALFORMED: "lines that parse",
    _NO_ROW_ID: "a row_id in every line",
    "neither a decision nor a label": "keep, drop or a label for every row",
    "fix without a label": "a label where the decision is fix",
    "a label beside keep or drop": "either a label, or keep or drop",
    "another decision": "keep, drop or fix",
}


@dataclass(frozen=True)
class Decisions:
    """Rows by id: decision (keep, drop, fix), label (null but for fix), by (null: not said)."""

    rows: DataFrame  # DataFrame of strings, a row id once (as votes: as often as it was decided)
    fingerprint: str  # of the content, whatever the files, their times and the order of the rows
    # on rows that several people decided, of which those without a majority are not in `rows`
    several: Votes | None = None


def read_decisions(spark: SparkSession, path: str, format_: str) -> Decisions:
    """Read a file or folder of decisions, check every row by itself, and count votes.

    Raises
    ------
    DataError : "input_not_found", "bad_decision", "contradicting_decisions"
    SchemaError : "missing_column", "wrong_column_type", "cannot_read"
    """
    votes = read_votes(spark, path, format_)
    rows = votes.rows.distinct()
    _check_contradictions(rows)
    several = rows.groupBy(c.ROW_ID).count().where("count > 1").select(c.ROW_ID)
    found = rows.join(several, c.ROW_ID).collect()  # by people, so there are not too many
    if not found:
        return Decisions(rows, votes.fingerprint)
    said = Votes.of(
        (row[c.ROW_ID], row[BY], Decision(row[c.DECISION], row[c.LABEL])) for row in found
    )
    agreed = [
        (row_id, *decision, said.deciders(row_id, decision) or None)
        for row_id, decision in said.agreed().items()
    ]
    by_most = spark.createDataFrame(agreed, rows.schema)
    alone = rows.join(several, c.ROW_ID, "left_anti")
    return Decisions(alone.unionByName(by_most), votes.fingerprint, said)


def read_votes(spark: SparkSession, path: str, format_: str) -> Decisions:
    """Read decisions as they are: several people may have decided a row, and differently.

    Raises
    ------
    DataError, SchemaError : as `read_decisions`, but for contradictions
    """
    try:
        source = read_source(spark, InputConfig(path=path, label=c.ROW_ID), format_)
    except LakewinnowError as error:
        raise error.at(KEY) from error
    names = source.schema.names
    if c.DECISION not in names and c.LABEL not in names:
        got = Shown(", ".join(names))
        expected = f"a column {c.DECISION} (keep, drop) or {c.LABEL}, or both, beside {c.ROW_ID}"
        raise SchemaError("missing_column", KEY, expected, got)
    label = _text(c.LABEL, names)
    written = F.lower(F.trim(_text(c.DECISION, names)))
    decision = F.coalesce(written, F.when(label.isNotNull(), RELABEL))
    rows = source.df.select(
        _text(c.ROW_ID, names).alias(c.ROW_ID),
        decision.alias(c.DECISION),
        label.alias(c.LABEL),
        F.trim(_text(BY, names)).alias(BY),
        (
            F.col(MALFORMED).isNotNull() if MALFORMED in source.df.columns else F.lit(col=False)
        ).alias("is_malformed"),
    )
    return Decisions(rows.drop("is_malformed"), _checked(rows))


def check_labels(decisions: Decisions, classes: Sequence[str]) -> None:
    """Raise DataError "unknown_label" for a label that is no class."""
    unknown = decisions.rows.where(~F.col(c.LABEL).isin(list(classes))).orderBy(c.ROW_ID)
    found = unknown.select(c.ROW_ID, c.LABEL).take(3)
    if found:
        names = sorted({row[c.LABEL] for row in found})
        raise DataError(
            "unknown_label",
            KEY,
            "labels that are classes of the input",
            Shown(", ".join(f"{row[c.LABEL]!r} (row {row[c.ROW_ID]})" for row in found)),
            next(filter(None, (did_you_mean(name, classes) for name in names)), "")
            or "a class that no row has yet: name it in input.classes",
        )


def _text(name: str, names: Sequence[str]) -> Column:
    """Return a column as text, null where it is blank or not there.

    Nothing is trimmed: ids and classes may start or end with a blank, and differ by it alone.
    """
    if name not in names:
        return F.lit(None).cast(StringType())
    text = column(name).cast(StringType())
    return F.when(F.trim(text) != "", text)


def _checked(rows: DataFrame) -> str:
    """Return the fingerprint, or say what is wrong with a row."""
    has_label = F.col(c.LABEL).isNotNull()
    problem = (
        F.when(F.col("is_malformed"), _MALFORMED)
        .when(F.col(c.ROW_ID).isNull(), _NO_ROW_ID)
        .when(F.col(c.DECISION).isNull(), "neither a decision nor a label")
        .when(F.col(c.DECISION).isin(KEEP, DROP) & has_label, "a label beside keep or drop")
        .when(F.col(c.DECISION).isin(KEEP, DROP), None)
        .when(F.col(c.DECISION) != RELABEL, "another decision")
        .when(~has_label, "fix without a label")
    )
    content = F.xxhash64(c.ROW_ID, c.DECISION, c.LABEL, BY)
    counted = (
        rows.groupBy(problem.alias("problem"))
        .agg(
            F.count("*").alias("n"),
            F.min(F.struct(c.ROW_ID, c.DECISION)).alias("first"),
            F.sum(content.cast("decimal(38, 0)")).cast("string").alias("total"),
            F.bit_xor(content).alias("parity"),
        )
        .collect()
    )
    bad = {row["problem"]: row for row in counted if row["problem"] is not None}
    problems = [_bad(what, bad[what]["n"], bad[what]["first"]) for what in _EXPECTED if what in bad]
    DataError.raise_any(problems)
    sums = [[row["n"], row["total"], row["parity"]] for row in counted]
    return hashlib.sha256(json.dumps(sums).encode()).hexdigest()


def _bad(what: str, n: int, first: Sequence[str | None]) -> DataError:
    row_id, decision = first
    shown = what if what != "another decision" else repr(decision)
    where = "" if what in (_MALFORMED, _NO_ROW_ID) else f", row {row_id}"
    hint = f"lines with this fault: {n:,}"
    return DataError("bad_decision", KEY, _EXPECTED[what], Shown(shown + where), hint)


def _check_contradictions(rows: DataFrame) -> None:
    what = F.struct(c.DECISION, c.LABEL)
    differing = rows.groupBy(c.ROW_ID, BY).agg(F.min(what).alias("one"), F.max(what).alias("other"))
    found = differing.where("one != other OR one IS DISTINCT FROM other").orderBy(c.ROW_ID).take(1)
    if found:
        row_id, by, *both = found[0]
        decided = " and ".join(
            repr(label if decision == RELABEL else decision) for decision, label in both
        )
        got = Shown(f"{decided} for row {row_id}{f' by {by}' if by else ''}")
        hint = "keep only the last one" if by else "of several people, say who in a column `by`"
        expected = "one decision per row and person"
        raise DataError("contradicting_decisions", KEY, expected, got, hint)
