"""Text: rows whose text is damaged, repeats itself or is otherwise not what one would train on.

Reads    corpus/
Writes   checks/text/, one row per accepted row
Passes   1 over the corpus; 1 over what it writes, to count
Shuffle  none
Memory   a batch of texts a task; 75 MiB more with `languages`, for the model
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import pyarrow as pa
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.checks.text import (
    CHECK,
    IS_ISSUE,
    RULES,
    SCORE,
    BrokenRule,
    TextConfig,
    TextFigures,
)
from lakewinnow.checks.text.registry import rules_of, words_of
from lakewinnow.errors import EngineError
from lakewinnow.lake import check_tables
from lakewinnow.lake.check_tables import WHY
from lakewinnow.lake.corpus import accepted, n_accepted
from lakewinnow.lake.run import Run
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.text.rules import Rule, TextVerdict, judge

_NAMES: Final = pa.list_(pa.string())


def run(run: Run, config: TextConfig) -> StageReport[TextFigures]:
    """Hold every text against the rules.

    Raises
    ------
    ConfigError : as `registry.rules_of`
    EngineError : "rule_failed": a rule of the user's own raised, or gave no number
    """
    lake = run.lake
    rules = rules_of(config, words_of(config))
    texts = accepted(lake).select(c.ROW_ID, c.TEXT)
    judged = map_batches(texts, partial(_judge_batches, rules=rules), check_tables.schema(CHECK))
    lake.publish(CHECK.table, judged, schema=check_tables.schema(CHECK))
    n_rows = n_accepted(lake)
    funnel = _funnel(lake, rules, n_rows)
    return StageReport(
        rows_in=n_rows,
        rows_out=lake.rows(CHECK.table),
        reads={"corpus": 1, CHECK.table: 1},
        writes=(CHECK.table,),
        figures=TextFigures(rows=n_rows - (funnel[-1].after if funnel else n_rows), rules=funnel),
    )


def _judge_batches(
    batches: Iterable[pa.RecordBatch], rules: Sequence[Rule]
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        row_ids = arrow.row_ids(batch)
        verdicts = []
        for i, text in enumerate(batch.column(c.TEXT).to_pylist()):
            try:
                verdicts.append(judge(text, rules))
            except EngineError as error:
                raise error.at(f"{error.where}, row {row_ids[i]}") from error
        yield arrow.record_batch(
            check_tables.schema(CHECK), _columns(batch.column(c.ROW_ID), verdicts)
        )


def _columns(row_ids: pa.Array, verdicts: Sequence[TextVerdict]) -> dict[str, Any]:
    return {
        c.ROW_ID: row_ids,
        IS_ISSUE: pa.array([verdict.why is not None for verdict in verdicts], pa.bool_()),
        SCORE: pa.array([verdict.score for verdict in verdicts], pa.float64()),
        RULES: pa.array([verdict.rules or None for verdict in verdicts], _NAMES),
        WHY: pa.array(
            [verdict.why and f"text: {verdict.why}" for verdict in verdicts], pa.string()
        ),
    }


def _funnel(lake: Lake, rules: Sequence[Rule], n_rows: int) -> list[BrokenRule]:
    """Count, for each rule, the rows before and after it in the rules' order, and by itself."""
    broken = lake.read(CHECK.table).select(F.posexplode(RULES).alias("at", "rule"))
    counts = broken.groupBy("rule").agg(F.count("*"), F.count_if(F.col("at") == 0)).collect()
    by_rule = {name: (alone, first) for name, alone, first in counts}
    funnel, before = [], n_rows
    for rule in rules:
        alone, first = by_rule.get(rule.name, (0, 0))
        funnel.append(
            BrokenRule(
                rule=rule.name,
                above=rule.above,
                below=rule.below,
                before=before,
                after=before - first,
                alone=alone,
                source=rule.source or None,
            )
        )
        before -= first
    return funnel
