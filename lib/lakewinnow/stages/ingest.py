"""Ingest: which rows can be worked with, what identifies them, and who is held out with whom.

Reads    the source table
Writes   corpus/, one row per accepted row; quarantine/, one per rejected row. Those rejected for
         want of a label alone are in unlabelled/corpus/ too, where `input.unlabelled` asks for it
Passes   2 over the source (labels and rejects counted; rows keyed), a third when some are rejected
Shuffle  one, by shard: equal texts share a shard, so ids, folds and strata are local to it

What is said of texts holds for embeddings and features, where these are what a row is judged by.
"""

from dataclasses import replace

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from lakewinnow import columns as c
from lakewinnow.config.sections import CrossvalConfig, InputConfig
from lakewinnow.errors import DataError, EngineError, Shown
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake.corpus import UNLABELLED, forget_refused, forget_unlabelled
from lakewinnow.lake.inputs import content
from lakewinnow.lake.inputs.acceptance import (
    CODE,
    MALFORMED_LINE,
    SENTENCES,
    Acceptance,
    accept,
    is_unlabelled,
    warnings,
)
from lakewinnow.lake.inputs.source import MALFORMED, Source, column, content_hash, own_name, text_of
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark.schemas import schema
from lakewinnow.spark.sessions import cluster

# Names of what is computed on the way, beside columns that may have any name.
_ROW_ID, _CONTENT = "__lw_row_id", "__lw_content"
_KEY, _SHARD, _STRATUM, _FOLD = "__lw_key", "__lw_shard", "__lw_stratum", "__lw_fold"
_LABEL, _GIVEN = "__lw_label", "__lw_given"


def corpus_schema(source: StructType) -> StructType:
    """Return the corpus schema; `source` holds every input column but the text, as it came."""
    return schema(
        {
            c.ROW_ID: "string",
            c.TEXT: "string",
            c.TEXT_KEY: "binary",
            c.LABEL: "int?",  # null: it came without one
            c.GIVEN_LABEL: "string?",
            c.FOLD: "int",
            c.SHARD: "int",
            c.SOURCE: source,
        }
    )


def run(
    lake: Lake, source: Source, config: InputConfig, crossval: CrossvalConfig
) -> StageReport[Ingested]:
    """Split the source into corpus and quarantine.

    Raises
    ------
    DataError : no row can be used, one class only, too many classes, ids that repeat or are null,
        or a file that is not whole
    """
    with source.naming_corrupt():
        return _run(lake, source, config, crossval)


def _run(
    lake: Lake, source: Source, config: InputConfig, crossval: CrossvalConfig
) -> StageReport[Ingested]:
    found = accept(source, config)
    if config.id is not None:
        _check_ids(source.df.where(source.malformed.isNull()), config.id)
    n_accepted, n_rejected = found.n_accepted, found.n_rejected
    n_shards = max(1, -(-n_accepted // crossval.rows_per_shard))
    kept_columns = StructType([f for f in source.schema.fields if f.name != config.text])

    corpus = _corpus(found, source, n_shards, kept_columns.names, config, crossval)
    forget_refused(lake)
    forget_unlabelled(lake)
    lake.publish("corpus", corpus, schema=corpus_schema(kept_columns))
    rejected = _rejected(found, source, config)
    lake.publish("quarantine", _quarantine(rejected, source))
    _check_counts(lake, corpus=n_accepted, quarantine=n_rejected)
    n_unlabelled = 0
    if config.unlabelled == "label":
        apart = _unlabelled(rejected, source, n_shards, kept_columns.names, config, crossval)
        apart = _in_folds(apart, lake.read("corpus"), crossval)
        lake.publish(UNLABELLED, apart, schema=corpus_schema(kept_columns))
        n_unlabelled = lake.rows(UNLABELLED)
    return StageReport(
        rows_in=n_accepted + n_rejected,
        rows_out=n_accepted,
        reads={},
        bytes_in=source.n_bytes * (3 if n_rejected else 2),
        writes=("corpus", "quarantine", *((UNLABELLED,) if config.unlabelled == "label" else ())),
        figures=Ingested(
            classes=found.classes,
            class_counts=[found.accepted[name] for name in found.classes],
            rejected=dict(sorted(found.rejected.items())),
            n_shards=n_shards,
            own_vectors=config.has_own_vectors,
            unlabelled=n_unlabelled,
            input_columns=source.schema.jsonValue(),
        ),
        warnings=[*warnings(found, source, crossval.folds, n_unlabelled)],
    )


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


def _with_row_id(
    rows: DataFrame, names: list[str], config: InputConfig, *cluster: str
) -> DataFrame:
    """Add the user's id, else content hash and occurrence number among equal rows."""
    if config.id is not None:
        return rows.withColumn(_ROW_ID, text_of(config.id))
    rows = rows.withColumn(_CONTENT, content_hash(names, rows.schema))
    # Equal, so any order will do; but of an embedding the content may have float32 alone.
    order = _CONTENT if config.embedding is None else column(config.embedding)
    twins = Window.partitionBy(*cluster, _CONTENT).orderBy(order)
    return rows.withColumn(_ROW_ID, F.concat_ws("-", _CONTENT, F.row_number().over(twins)))


def _corpus(
    found: Acceptance,
    source: Source,
    n_shards: int,
    kept_columns: list[str],
    config: InputConfig,
    crossval: CrossvalConfig,
) -> DataFrame:
    label = text_of(config.label, source.schema)
    index = F.array_position(F.array(*map(F.lit, found.classes)), label) - 1
    keyed = found.rows.where(F.col(CODE).isNull()).select(
        *map(column, source.schema.names),
        content.key(config, source.schema).alias(_KEY),
        index.cast("int").alias(_LABEL),
        label.alias(_GIVEN),
    )
    seed = crossval.seed
    sharded = keyed.withColumn(_SHARD, content.shard(_KEY, n_shards, seed))
    sharded = cluster.colocated(sharded, [_SHARD])
    # Of an embedding the key has a hash: a thousand numbers as text would take longer.
    own = [_KEY if name == config.embedding else name for name in source.names]
    identified = _with_row_id(sharded, own, config, _SHARD)
    # One stratum a text, the smallest of its labels, so that equal texts share a fold.
    stratum = F.min(_LABEL).over(Window.partitionBy(_SHARD, _KEY))
    by_hash = Window.partitionBy(_SHARD, _STRATUM).orderBy(F.xxhash64(_KEY, F.lit(seed + 1)), _KEY)
    rank = F.dense_rank().over(by_hash)
    folded = identified.withColumn(_STRATUM, stratum).withColumn(
        # The stratum shifts the start, so that small classes do not all begin in fold 0.
        _FOLD,
        F.pmod(rank - 1 + F.col(_STRATUM), F.lit(crossval.folds)).cast("int"),
    )
    # Not by label: whoever trains on clean/ in file order should meet the classes mixed.
    mixed = cluster.colocated_in_order(
        folded, [_SHARD], [_SHARD, F.xxhash64(_KEY, F.lit(seed)), _ROW_ID]
    )
    return mixed.select(
        F.col(_ROW_ID).alias(c.ROW_ID),
        content.shown(config, source.schema).alias(c.TEXT),
        F.col(_KEY).alias(c.TEXT_KEY),
        F.col(_LABEL).alias(c.LABEL),
        F.col(_GIVEN).alias(c.GIVEN_LABEL),
        F.col(_FOLD).alias(c.FOLD),
        F.col(_SHARD).alias(c.SHARD),
        F.struct(*map(column, kept_columns)).alias(c.SOURCE),
    )


def _rejected(found: Acceptance, source: Source, config: InputConfig) -> DataFrame:
    """Return the rejected rows as they came, with their ids and `CODE`."""
    is_rejected = F.col(CODE).isNotNull() if found.n_rejected else F.lit(False)  # noqa: FBT003
    rejected = found.rows.where(is_rejected)
    content_of = [*source.names, *_raw(source)]
    identified = _with_row_id(rejected, content_of, replace(config, id=None))
    if config.id is None:
        return identified
    # Of a line that does not parse, no field is to be trusted
    is_usable = source.malformed.isNull() & (F.col(CODE) != "id_not_utf8")
    own_id = F.when(is_usable, text_of(config.id))
    return identified.withColumn(_ROW_ID, F.coalesce(own_id, F.col(_ROW_ID)))


def _raw(source: Source) -> list[str]:
    return [MALFORMED] if MALFORMED in source.df.columns else []


def _quarantine(rejected: DataFrame, source: Source) -> DataFrame:
    names = source.names
    ours = (MALFORMED_LINE, c.ROW_ID, c.ERROR_CODE, c.ERROR)
    own = {name: own_name(name, names) for name in ours}
    sentences = F.create_map(*(F.lit(x) for item in SENTENCES.items() for x in item))
    return rejected.select(
        *map(column, names),
        *(column(name).alias(own[MALFORMED_LINE]) for name in _raw(source)),
        F.col(_ROW_ID).alias(own[c.ROW_ID]),
        F.col(CODE).alias(own[c.ERROR_CODE]),
        F.element_at(sentences, F.col(CODE)).alias(own[c.ERROR]),
    )


def _unlabelled(
    rejected: DataFrame,
    source: Source,
    n_shards: int,
    kept_columns: list[str],
    config: InputConfig,
    crossval: CrossvalConfig,
) -> DataFrame:
    """Return the rows that lack a label alone, as rows of corpus/ but for their fold."""
    rows = rejected.where(is_unlabelled(config))
    rows = rows.withColumn(_KEY, content.key(config, source.schema))
    return rows.select(
        F.col(_ROW_ID).alias(c.ROW_ID),
        content.shown(config, source.schema).alias(c.TEXT),
        F.col(_KEY).alias(c.TEXT_KEY),
        F.lit(None).cast("int").alias(c.LABEL),
        F.lit(None).cast("string").alias(c.GIVEN_LABEL),
        content.shard(_KEY, n_shards, crossval.seed).alias(c.SHARD),
        F.struct(*map(column, kept_columns)).alias(c.SOURCE),
    )


def _in_folds(unlabelled: DataFrame, corpus: DataFrame, crossval: CrossvalConfig) -> DataFrame:
    """Add the fold: that of the rows of the same text, else one by its hash."""
    known = corpus.groupBy(c.TEXT_KEY).agg(F.min(c.FOLD).alias(c.FOLD))
    by_hash = F.pmod(F.xxhash64(c.TEXT_KEY, F.lit(crossval.seed + 1)), F.lit(crossval.folds))
    rows = unlabelled.join(known, c.TEXT_KEY, "left")
    return rows.withColumn(c.FOLD, F.coalesce(c.FOLD, by_hash.cast("int")))


def _check_counts(lake: Lake, **expected: int) -> None:
    for table, n in expected.items():
        if lake.rows(table) != n:
            wanted = f"the same rows in every pass ({n:,} for {table}/)"
            hint = "the source changed while it was read: run again"
            raise EngineError("source_changed", "input", wanted, lake.rows(table), hint)
