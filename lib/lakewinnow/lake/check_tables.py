"""The table that a check of each row publishes, checks/NAME/, and its columns in issues/."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, TypeVar

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructField, StructType

from lakewinnow import columns as c
from lakewinnow.errors import EngineError
from lakewinnow.lake.corpus import accepted, n_accepted
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.plan.check import Check
from lakewinnow.spark import schemas
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import map_batches

WHY: Final = "why"
Figures = TypeVar("Figures")


def schema(check: Check[Any]) -> StructType:
    """Return the columns of a check's table; one that scores no row finds sets, and no more."""
    if check.score is None:
        return schemas.schema({c.ROW_ID: "string", **_found(check)})
    is_issue = {f"{check.is_issue}": "boolean"}
    return schemas.schema({c.ROW_ID: "string", **is_issue, **_found(check), WHY: "string?"})


def in_issues(check: Check[Any]) -> list[StructField]:
    """Return the columns of a check in issues/: what it has found, and what stays for a copy."""
    copy = {check.copy_of: "string?"} if check.copy_of else {}
    return schemas.schema({f"{check.is_issue}": "boolean", **_found(check), **copy}).fields


def _found(check: Check[Any]) -> Mapping[str, str]:
    return {
        **({check.score: "double?"} if check.score else {}),  # null: it could not be judged
        **({check.set_of: "string?"} if check.set_of else {}),
        **{column.name: f"{column.kind}?" for column in check.others},
    }


def flagged(check: Check[Any], rows: DataFrame, is_issue: Column, why: Column | str) -> DataFrame:
    """Add whether a row has the issue, where null is no, and what is wrong with one that has."""
    is_issue = F.coalesce(is_issue, F.lit(col=False))
    return rows.withColumns({f"{check.is_issue}": is_issue, WHY: F.when(is_issue, why)})


def publish(lake: Lake, check: Check[Any], judged: DataFrame) -> None:
    """Publish a check's table, a row for each accepted one."""
    lake.publish(check.table, judged, schema=schema(check))


def report(
    lake: Lake, check: Check[Any], reads: Mapping[str, int], figures: Figures, *besides: str
) -> StageReport[Figures]:
    """Return the report of a check whose table is published.

    Parameters
    ----------
    reads : passes by table
    besides : tables that it writes as well
    """
    return StageReport(
        rows_in=n_accepted(lake),
        rows_out=lake.rows(check.table),
        reads=reads,
        writes=(check.table, *besides),
        figures=figures,
    )


def judge_texts(
    lake: Lake, check: Check[Any], judge: Callable[[str], tuple[Any, ...]]
) -> StageReport[Any]:
    """Judge each text by itself, and publish the check's table.

    Parameters
    ----------
    judge : of a text: whether it has the issue, its score, the check's other columns, and what is
        wrong with it (None: nothing). Must pickle. An `EngineError` is told which row it is of.

    Returns
    -------
    The report of the stage, with the figure `rows`: how many have the issue.
    """
    texts, table = accepted(lake).select(c.ROW_ID, c.TEXT), schema(check)
    judged = map_batches(texts, partial(_judge_batches, judge=judge, table=table), table)
    publish(lake, check, judged)
    figures = {"rows": lake.files.count_true(check.table, f"{check.is_issue}")}
    return report(lake, check, {"corpus": 1}, figures)


def _judge_batches(
    batches: Iterable[pa.RecordBatch], judge: Callable[[str], tuple[Any, ...]], table: StructType
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        judged = []
        for row_id, text in zip(
            arrow.row_ids(batch), batch.column(c.TEXT).to_pylist(), strict=True
        ):
            try:
                judged.append(judge(text))
            except EngineError as error:
                raise error.at(f"{error.where}, row {row_id}") from error
        columns = zip(table.names[1:], zip(*judged, strict=True), strict=True) if judged else ()
        empty: dict[str, Any] = dict.fromkeys(table.names[1:], ())
        found = {**empty, **dict(columns), c.ROW_ID: batch.column(c.ROW_ID)}
        yield arrow.record_batch(table, found)
