"""Ingest: which rows can be worked with, what identifies them, and who is held out with whom.

Reads    the source table
Writes   corpus/, one row per accepted row; quarantine/, one per rejected row
Passes   2 over the source (labels and rejects counted; rows keyed), a third when some are rejected
Shuffle  one, by shard: equal texts share a shard, so ids, folds and strata are local to it
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BinaryType,
    IntegerType,
    StringType,
    StructField,
    StructType,
)

from lakewinnow import columns as c
from lakewinnow.config import CrossvalConfig, InputConfig
from lakewinnow.errors import DataError, EngineError, Shown
from lakewinnow.lake.source import MALFORMED, Source, column, content_hash, own_name, text_key
from lakewinnow.lake.workspace import Lake, StageReport

MAX_CLASSES: Final = 10_000  # beyond this a label column is an id or a text by mistake

# Names of what is computed on the way, beside columns that may have any name.
_CODE, _ROW_ID, _CONTENT = "__lw_code", "__lw_row_id", "__lw_content"
_KEY, _SHARD, _STRATUM, _FOLD = "__lw_key", "__lw_shard", "__lw_stratum", "__lw_fold"
_LABEL, _GIVEN, _SOURCE = "__lw_label", "__lw_given", "__lw_source"

_MALFORMED_LINE: Final = "malformed_line"  # in quarantine/: a code, and the column of its raw text

_ERROR_SENTENCES = {
    _MALFORMED_LINE: "the line does not parse; its raw text is in malformed_line",
    "text_null": "the text is null",
    "text_blank": "the text has no visible character",
    "text_not_utf8": "the text is not valid UTF-8",
    "text_too_long": "the text is longer than input.max_text_length",
    "label_null": "the label is null or blank",
    "label_not_in_classes": "the label is not one of input.classes",
}


def corpus_schema(source: StructType) -> StructType:
    """Return the corpus schema; `source` holds every input column but the text, as it came."""
    return StructType(
        [
            StructField(c.ROW_ID, StringType(), nullable=False),
            StructField(c.TEXT, StringType(), nullable=False),
            StructField(c.TEXT_KEY, BinaryType(), nullable=False),
            StructField(c.LABEL, IntegerType(), nullable=False),
            StructField(c.GIVEN_LABEL, StringType(), nullable=False),
            StructField(c.FOLD, IntegerType(), nullable=False),
            StructField(c.SHARD, IntegerType(), nullable=False),
            StructField(c.SOURCE, source, nullable=False),
        ]
    )


def run(lake: Lake, source: Source, config: InputConfig, crossval: CrossvalConfig) -> StageReport:
    """Split the source into corpus and quarantine.

    Raises
    ------
    DataError
        No row can be used, one class only, too many classes, or ids that repeat or are null.
    """
    rows = source.df.withColumn(_CODE, _error_code(source, config))
    accepted, rejected = _count(rows, config)
    classes = _classes(accepted, rejected, source, config)
    if config.id is not None:
        _check_ids(source.df.where(source.malformed.isNull()), config.id)
    n_accepted, n_rejected = sum(accepted.values()), sum(rejected.values())
    n_shards = max(1, -(-n_accepted // crossval.rows_per_shard))
    kept_columns = StructType([f for f in source.schema.fields if f.name != config.text])

    corpus = _corpus(rows, classes, n_shards, kept_columns.names, config, crossval)
    lake.publish("corpus", corpus, schema=corpus_schema(kept_columns))
    lake.publish("quarantine", _quarantine(rows, source, config, empty=n_rejected == 0))
    _check_counts(lake, corpus=n_accepted, quarantine=n_rejected)
    return StageReport(
        rows_in=n_accepted + n_rejected,
        rows_out=n_accepted,
        reads={},
        bytes_in=source.n_bytes * (3 if n_rejected else 2),
        writes=("corpus", "quarantine"),
        details={
            "classes": classes,
            "class_counts": [accepted[name] for name in classes],
            "rejected": dict(sorted(rejected.items())),
            "n_shards": n_shards,
            "input_columns": source.schema.jsonValue(),
            "warnings": list(_warnings(accepted, rejected, classes, crossval.folds)),
        },
    )


# --- what can be used ---------------------------------------------------------------------------


def _error_code(source: Source, config: InputConfig) -> Column:
    """Return the first reason why a row cannot be used; null when it can."""
    text, label = column(config.text), column(config.label).cast("string")
    code = (
        F.when(source.malformed.isNotNull(), _MALFORMED_LINE)
        .when(text.isNull(), "text_null")
        .when(~F.is_valid_utf8(text), "text_not_utf8")
        .when(_is_blank(text), "text_blank")
        .when(F.length(text) > config.max_text_length, "text_too_long")
        .when(label.isNull() | _is_blank(label), "label_null")
    )
    if config.classes is not None:
        code = code.when(~label.isin(*config.classes), "label_not_in_classes")
    return code


def _is_blank(text: Column) -> Column:
    return ~text.rlike(r"[^\s\p{Z}\p{C}]")  # nothing but white space, controls, zero-width marks


def _count(rows: DataFrame, config: InputConfig) -> tuple[Counter[str], Counter[str]]:
    """Count accepted rows by label and rejected rows by code, in one pass."""
    label = F.when(F.col(_CODE).isNull(), column(config.label).cast("string"))
    counted = rows.groupBy(label.alias(c.GIVEN_LABEL), _CODE).count()
    limit = MAX_CLASSES + len(_ERROR_SENTENCES) + 1
    accepted: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    for given_label, code, n in counted.limit(limit).collect():
        if code is None:
            accepted[given_label] = n
        else:
            rejected[code] = n
    return accepted, rejected


def _classes(
    accepted: Counter[str], rejected: Counter[str], source: Source, config: InputConfig
) -> list[str]:
    if not accepted:
        reasons = ", ".join(f"{n:,} {code}" for code, n in sorted(rejected.items()))
        raise DataError(
            "no_usable_rows",
            "input",
            "rows with a text and a label",
            Shown(reasons or "no rows"),
            f"are input.text={config.text} and input.label={config.label} the right columns?",
        )
    if len(accepted) > MAX_CLASSES:
        raise DataError(
            "too_many_classes",
            "input.label",
            f"at most {MAX_CLASSES:,} distinct labels",
            Shown(f"more in column {config.label}"),
            "is it an id or free text by mistake?",
        )
    if len(accepted) == 1:
        only = next(iter(accepted))
        raise DataError(
            "one_class",
            "input.label",
            "two or more classes",
            Shown(f"only {only!r}, {accepted[only]:,} times"),
            "label errors are found by telling classes apart",
        )
    if config.classes is not None:
        return list(config.classes)
    is_text = isinstance(source.schema[config.label].dataType, StringType)
    return sorted(accepted) if is_text else sorted(accepted, key=int)


def _check_ids(df: DataFrame, id_column: str) -> None:
    repeated = df.groupBy(column(id_column).alias("id")).count().where("`count` > 1 OR id IS NULL")
    worst = repeated.orderBy(F.desc("count"), "id").limit(3).collect()
    if worst:
        got = ", ".join(f"{value!r} × {n:,}" for value, n in worst)
        raise DataError(
            "id_not_unique",
            "input.id",
            f"unique, non-null values in {id_column}",
            Shown(got),
            "leave input.id out: ids are then made from each row's content",
        )


def _warnings(
    accepted: Counter[str], rejected: Counter[str], classes: list[str], folds: int
) -> Iterator[str]:
    rare = [name for name in classes if 0 < accepted[name] < folds]
    if rare:
        yield (
            f"{len(rare)} of {len(classes)} classes have fewer rows than the {folds} folds"
            f" ({_listed(rare)}): their probabilities are rough; one with one row is never flagged"
        )
    absent = [name for name in classes if not accepted[name]]
    if absent:
        yield f"{len(absent)} of input.classes have no row ({_listed(absent)})"
    alike = Counter(" ".join(name.split()).casefold() for name in accepted)
    twins = sorted(name for name in accepted if alike[" ".join(name.split()).casefold()] > 1)
    if twins:
        yield f"classes that differ only in case or white space: {_listed(list(map(repr, twins)))}"
    n_rejected, n_rows = sum(rejected.values()), sum(rejected.values()) + sum(accepted.values())
    if n_rejected * 10 > n_rows:
        yield f"{n_rejected:,} of {n_rows:,} rows are in quarantine"


def _listed(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


# --- identity, shards, folds --------------------------------------------------------------------


def _with_row_id(
    rows: DataFrame, names: list[str], config: InputConfig, *cluster: str
) -> DataFrame:
    """Add the user's id, else content hash and occurrence number among equal rows."""
    if config.id is not None:
        return rows.withColumn(_ROW_ID, column(config.id).cast("string"))
    rows = rows.withColumn(_CONTENT, content_hash(names))
    twins = Window.partitionBy(*cluster, _CONTENT).orderBy(_CONTENT)  # equal: any order will do
    return rows.withColumn(_ROW_ID, F.concat_ws("-", _CONTENT, F.row_number().over(twins)))


def _corpus(
    rows: DataFrame,
    classes: list[str],
    n_shards: int,
    kept_columns: list[str],
    config: InputConfig,
    crossval: CrossvalConfig,
) -> DataFrame:
    label = column(config.label).cast("string")
    index = F.array_position(F.array(*map(F.lit, classes)), label) - 1
    keyed = rows.where(F.col(_CODE).isNull()).select(
        *(column(name) for name in dict.fromkeys([config.text, *kept_columns])),
        text_key(column(config.text)).alias(_KEY),
        index.cast("int").alias(_LABEL),
        label.alias(_GIVEN),
        F.struct(*map(column, kept_columns)).alias(_SOURCE),
    )
    seed = F.lit(crossval.seed)
    sharded = keyed.withColumn(_SHARD, F.pmod(F.xxhash64(_KEY, seed), F.lit(n_shards)).cast("int"))
    sharded = sharded.repartition(_SHARD)
    identified = _with_row_id(sharded, [config.text, *kept_columns], config, _SHARD)
    # One stratum a text, the smallest of its labels, so that equal texts share a fold.
    stratum = F.min(_LABEL).over(Window.partitionBy(_SHARD, _KEY))
    by_hash = Window.partitionBy(_SHARD, _STRATUM).orderBy(F.xxhash64(_KEY, seed + 1), _KEY)
    rank = F.dense_rank().over(by_hash)
    folded = identified.withColumn(_STRATUM, stratum).withColumn(
        # The stratum shifts the start, so that small classes do not all begin in fold 0.
        _FOLD,
        F.pmod(rank - 1 + F.col(_STRATUM), F.lit(crossval.folds)).cast("int"),
    )
    # Not by label: whoever trains on clean/ in file order should meet the classes mixed.
    mixed = folded.sortWithinPartitions(_SHARD, F.xxhash64(_KEY, seed), _ROW_ID)
    return mixed.select(
        F.col(_ROW_ID).alias(c.ROW_ID),
        column(config.text).alias(c.TEXT),
        F.col(_KEY).alias(c.TEXT_KEY),
        F.col(_LABEL).alias(c.LABEL),
        F.col(_GIVEN).alias(c.GIVEN_LABEL),
        F.col(_FOLD).alias(c.FOLD),
        F.col(_SHARD).alias(c.SHARD),
        F.col(_SOURCE).alias(c.SOURCE),
    )


def _quarantine(rows: DataFrame, source: Source, config: InputConfig, *, empty: bool) -> DataFrame:
    names = source.schema.names
    ours = (_MALFORMED_LINE, c.ROW_ID, c.ERROR_CODE, c.ERROR)
    own = {name: own_name(name, names) for name in ours}
    rejected = rows.where(F.lit(False) if empty else F.col(_CODE).isNotNull())  # noqa: FBT003
    sentences = F.create_map(*(F.lit(x) for item in _ERROR_SENTENCES.items() for x in item))
    raw = [MALFORMED] if MALFORMED in source.df.columns else []
    identified = _with_row_id(rejected, [*names, *raw], replace(config, id=None))
    row_id = F.col(_ROW_ID)
    if config.id is not None:  # of a line that does not parse, no field is to be trusted
        own_id = F.when(source.malformed.isNull(), column(config.id).cast("string"))
        row_id = F.coalesce(own_id, row_id)
    return identified.select(
        *map(column, names),
        *(column(name).alias(own[_MALFORMED_LINE]) for name in raw),
        row_id.alias(own[c.ROW_ID]),
        F.col(_CODE).alias(own[c.ERROR_CODE]),
        F.element_at(sentences, F.col(_CODE)).alias(own[c.ERROR]),
    )


def _check_counts(lake: Lake, **expected: int) -> None:
    for table, n in expected.items():
        if lake.rows(table) != n:
            raise EngineError(
                "source_changed",
                "input",
                f"the same rows in every pass ({n:,} for {table}/)",
                lake.rows(table),
                "the source changed while it was read: run again",
            )
