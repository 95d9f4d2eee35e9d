"""Publish: the rows that stay as a dataset like the input, and the others with the reason why.

Reads    corpus/, issues/; for soft labels pred_probs/, noise_model.json
Writes   clean/, review/, dropped/
Passes   1 over the corpus for each table; texts are redacted as they are read, where
         `clean.pii` says so
Shuffle  none where the rows that do not stay are few enough to broadcast; else by row id. Soft
         labels, a number for each class, meet their rows in one more, by row id
"""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from lakewinnow import columns as c
from lakewinnow.config.sections import InputConfig, OutputConfig
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.errors import DataError, Shown
from lakewinnow.figures.rows import Decided, Ingested, Published, SoftLabels
from lakewinnow.lake.corpus import in_corpus, input_columns
from lakewinnow.lake.inputs.source import column, own_name
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark.passes import posterior

_ADDED = (c.ROW_ID, c.PREDICTED_LABEL, c.PREDICTED_PROB, c.LABEL_SCORE, c.REASON)


def run(
    lake: Lake, source: InputConfig, output: OutputConfig, text: Column | None = None
) -> StageReport[Published]:
    """Write the three tables.

    Parameters
    ----------
    text : what is written for the text of a row of corpus/, `lake.redaction`'s; None: the text
    """
    schema = StructType.fromJson(lake.figures("ingest", Ingested).input_columns)
    corpus, issues = in_corpus(lake), lake.read("issues")

    changed = issues.where(F.col(c.DECISION) != "keep")
    decided = issues.where((F.col(c.DECISION) != "keep") | F.col(c.DECIDED_BY).isNotNull())
    decided = decided.select(c.ROW_ID, c.DECISION, c.NEW_LABEL, c.DECIDED_BY)
    kept = corpus.join(decided, c.ROW_ID, "left").where(
        F.col(c.DECISION).isNull() | F.col(c.DECISION).isin("keep", "fix")
    )
    columns, soft_labels = input_columns(schema, source, F.col(c.NEW_LABEL), text), None
    if output.soft_labels:
        model = NoiseModel.from_dict(lake.files.read_json("noise_model.json"))
        soft = posterior.soft_labels(lake.read("pred_probs"), Posterior.doubting(model))
        kept = kept.join(soft, c.ROW_ID)
        name = own_name(c.SOFT_LABEL, schema.names)
        columns.append(_soft_label(model.classes).alias(name))
        soft_labels = SoftLabels(column=name, classes=list(model.classes))
    lake.publish(
        "clean",
        kept.select(*columns),
        partition_by=output.partition_by,
        rows_per_file=output.rows_per_file,
        format_=output.format,
    )
    for table, decision in (("review", "review"), ("dropped", "drop")):
        rows = corpus.join(
            changed.where(F.col(c.DECISION) == decision).drop(c.GIVEN_LABEL), c.ROW_ID
        )
        lake.publish(table, _with_reasons(rows, schema, source, text), format_=output.format)

    tables = ("clean", "review", "dropped")
    return StageReport(
        rows_in=lake.rows("issues"),
        rows_out=sum(map(lake.rows, tables)),
        reads={"corpus": 3, "issues": 3} | ({"pred_probs": 1} if output.soft_labels else {}),
        writes=tables,
        figures=Published(soft_labels=soft_labels),
    )


def _soft_label(classes: Sequence[str]) -> Column:
    """Return the posterior, or all on one class where the user has said which it is."""
    label = F.coalesce(c.NEW_LABEL, c.GIVEN_LABEL)
    is_label = F.transform(
        F.array(*map(F.lit, classes)), lambda name: (name == label).cast("float")
    )
    return F.when(F.col(c.DECIDED_BY).isNotNull(), is_label).otherwise(F.col(c.SOFT_LABEL))


def check_drop_fraction(lake: Lake, most: float) -> None:
    """Stop before anything is touched.

    Raises
    ------
    DataError : "too_many_dropped": more than `clean.max_drop_fraction` would go
    """
    decisions = lake.figures("decide", Decided).decisions
    n_dropped, n_rows = decisions.get("drop", 0), sum(decisions.values())
    if n_dropped > most * n_rows:
        expected = f"at most {most:g} of the rows to be dropped"
        got = Shown(f"{n_dropped / n_rows:.3f} ({n_dropped:,} of {n_rows:,})")
        hint = "nothing was written; see `lakewinnow top`, then raise it or set clean.* to review"
        raise DataError("too_many_dropped", "clean.max_drop_fraction", expected, got, hint)


def _with_reasons(
    rows: DataFrame, schema: StructType, source: InputConfig, text: Column | None
) -> DataFrame:
    added = [column(name).alias(own_name(name, schema.names)) for name in _ADDED]
    return rows.select(*input_columns(schema, source, text=text), *added)
