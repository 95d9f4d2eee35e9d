"""`find_consensus` for rows that several annotators labelled: Spark or pandas.

Passes   4 (votes; consensus twice; annotators), and the result when it is read
Shuffle  in each: annotations and (id, pred_probs) by id
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api.types import is_integer_dtype
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import IntegralType

from lakewinnow import columns as c
from lakewinnow.core.crowd import multiannotator
from lakewinnow.core.crowd.annotators import AnnotatorStats
from lakewinnow.core.crowd.crowdlab import Crowd
from lakewinnow.core.crowd.multiannotator import ConsensusMethod, QualityMethod
from lakewinnow.core.types import FloatArray
from lakewinnow.errors import ConfigError, DataError, Shown, check_columns, warn
from lakewinnow.frames import columns, pandas_columns
from lakewinnow.frames.classes import class_names, class_names_in_memory
from lakewinnow.frames.options import check_bad_rows
from lakewinnow.lake.inputs.source import column, text_of
from lakewinnow.plan.words import counted
from lakewinnow.spark.arrow import udf
from lakewinnow.spark.passes import annotations as passes
from lakewinnow.spark.passes.annotations import ConsensusJudge, CrowdNames
from lakewinnow.spark.sessions.session import explaining_lost_engine

MAX_ANNOTATORS: Final = 100_000  # beyond this an annotator column is something else by mistake

_ID, _GIVEN, _N_WITH_ID, _FOUND = "__lw_id", "__lw_given", "__lw_n_with_id", "__lw_found"

_HINT: Final = (
    "are the ids the same in both tables, and classes in the order of the probabilities? if so, and"
    " for rows that nobody labelled yet, raise max_bad_fraction"
)


@dataclass(frozen=True)
class Consensus:
    """What `find_consensus` says of the rows, and of the annotators.

    Attributes
    ----------
    rows : DataFrame of the kind that `rows` was
        Its columns and consensus_label, consensus_quality_score (lower is worse),
        annotator_agreement (share of the row's labels that are the consensus), num_annotations,
        error_code (null, or why a row was left out: its other new columns are null then). A Spark
        DataFrame is lazy: annotators are weighed, rows are judged when it is read.
    annotators : pandas DataFrame
        Of everybody with a label in a row that was not left out: annotator, annotator_quality,
        agreement_with_consensus, worst_class (the label of theirs that is least often the
        consensus), num_examples_labeled. The worst come first; those without a quality, as nobody
        else labelled any of their rows, come last.
    """

    rows: DataFrame | pd.DataFrame
    annotators: pd.DataFrame


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What the caller's columns are called."""

    id: str
    annotator: str
    label: str
    pred_probs: str


@dataclass(frozen=True, kw_only=True)
class ConsensusOptions:
    """What the caller wants found, checked."""

    consensus_method: ConsensusMethod
    quality_method: QualityMethod
    max_bad_fraction: float

    def __post_init__(self) -> None:
        multiannotator.check_methods(self.consensus_method, self.quality_method)


@explaining_lost_engine()
def find_consensus(
    annotations: DataFrame | pd.DataFrame,
    rows: DataFrame | pd.DataFrame,
    *,
    id: str,
    annotator: str,
    label: str,
    pred_probs: str,
    classes: Sequence[object] | None = None,
    consensus_method: ConsensusMethod = "best_quality",
    quality_method: QualityMethod = "crowdlab",
    max_bad_fraction: float = 0.1,
) -> Consensus:
    """Find the label that a row's annotators and a model agree on best, by CROWDLAB as in cleanlab.

    Parameters
    ----------
    annotations : Spark or pandas DataFrame
        A row for each label that an annotator gave: `id`, `annotator`, `label`. Null labels count
        as not given, equal rows once.
    rows : DataFrame of the same kind
        The rows that were labelled: `id`, each once, `pred_probs`, and any others.
    id, annotator, label, pred_probs : str
        Columns. Ids, annotators and labels are strings or integers. Probabilities are
        out-of-sample, one per class in the order of `classes`: arrays of double, float or decimal,
        or an ML vector.
    classes : sequence, optional
        Labels in the order of the probabilities. Default: 0 .. K-1 for integers, the sorted
        distinct labels for strings. An annotation by any other label is passed over.
    consensus_method
        best_quality: the label of highest quality; majority_vote: the most frequent label, of which
        the more probable if they are several.
    quality_method
        crowdlab: by the weighted votes of annotators and model; agreement: the share of the row's
        annotators. The most frequent label is best then.
    max_bad_fraction : float
        More rows than this without annotation, or with probabilities that cannot be used, are an
        error.

    Raises
    ------
    ConfigError
        ``"unknown_method"``, ``"repeated_class"``, ``"not_of_a_kind"``
    SchemaError
        ``"missing_column"``, ``"wrong_column_type"``
    DataError
        ``"too_many_bad_rows"``, ``"one_class"``, ``"no_row_labelled_twice"``,
        ``"too_many_classes"``, ``"too_many_annotators"``

    Notes
    -----
    Each pass groups the annotations by row again, and each reading of `Consensus.rows` as well, so
    save it where it is large. cleanlab's `calibrate_probs` is not offered.

    Examples
    --------
    The consensus goes on as the given label, with the classes in the order of the probabilities:

    >>> crowd = find_consensus(
    ...     annotations, rows, id="id", annotator="worker", label="label",
    ...     pred_probs="probs", classes=["bad", "good"],
    ... )
    >>> issues = find_label_issues(
    ...     crowd.rows.where("error_code IS NULL"), id="id", label="consensus_label",
    ...     pred_probs="probs", classes=["bad", "good"],
    ... )

    Or it is saved, and the whole pipeline run over it:

    >>> crowd.rows.write.parquet("lake/consensus")

    .. code-block:: yaml

        input:
          path: lake/consensus
          format: parquet
          id: id
          text: prompt
          label: consensus_label
          pred_probs: probs
          classes: [bad, good]
    """
    of = Columns(id=id, annotator=annotator, label=label, pred_probs=pred_probs)
    options = ConsensusOptions(
        consensus_method=consensus_method,
        quality_method=quality_method,
        max_bad_fraction=max_bad_fraction,
    )
    wanted = [("id", id), ("annotator", annotator), ("label", label)]
    check_columns(annotations.columns, wanted, "frame")
    check_columns(rows.columns, [("id", id), ("pred_probs", pred_probs)], "frame")
    if isinstance(rows, pd.DataFrame) and isinstance(annotations, pd.DataFrame):
        return _in_memory(annotations, rows, of, classes, options)
    if isinstance(rows, pd.DataFrame) or isinstance(annotations, pd.DataFrame):
        got = Shown(f"{type(annotations).__module__} and {type(rows).__module__}")
        raise ConfigError("not_of_a_kind", "annotations, rows", "both of Spark or of pandas", got)
    return _on_spark(annotations, rows, of, classes, options)


# --- Spark --------------------------------------------------------------------------------------


def _on_spark(
    annotations: DataFrame,
    rows: DataFrame,
    of: Columns,
    classes: Sequence[object] | None,
    options: ConsensusOptions,
) -> Consensus:
    columns.check_key("id", annotations.schema, of.id)
    columns.check_key("id", rows.schema, of.id)
    columns.check_key("annotator", annotations.schema, of.annotator)
    label_type = columns.check_key("label", annotations.schema, of.label)
    probs = columns.check_probabilities("pred_probs", rows.schema, of.pred_probs)
    given = annotations.where(column(of.label).isNotNull()).select(
        text_of(of.id).alias(_ID),
        column(of.annotator).alias(c.ANNOTATOR),
        column(of.label).alias(c.LABEL),
    )
    classes = class_names(given.select(c.LABEL), rows.select(probs.alias("p")), classes)
    _check_classes(classes)
    annotators, n_given = _annotators(given)
    names = CrowdNames(classes, [str(name) for name in annotators])

    keyed = _with_annotations(rows.withColumn(_ID, text_of(of.id)), given)
    inputs = {
        # Not getField, by which Sail 0.7 takes one element of an array.
        passes.ANNOTATORS: F.transform(_GIVEN, lambda given: given[c.ANNOTATOR]),
        passes.LABELS: F.transform(_GIVEN, lambda given: given[c.LABEL]),
        passes.N_WITH_ID: F.col(_N_WITH_ID),
        c.PRED_PROBS: probs,
    }
    needed = keyed.select(*(value.alias(name) for name, value in inputs.items()))

    voted = passes.votes(needed, names)
    check_bad_rows(voted, options.max_bad_fraction, passes.CODES, _HINT)
    votes = voted.votes
    _check_used(int(votes.labelled.sum()), n_given)
    has_labels = votes.labelled > 0
    names, votes = names.of_annotators(has_labels), votes.of_annotators(has_labels)
    votes.check()
    crowd = Crowd(votes)
    if options.quality_method == "crowdlab":
        crowd = crowd.weigh(passes.consensus(needed, names, crowd))
        if options.consensus_method == "best_quality":
            crowd = crowd.prefer_best_quality()
            crowd = crowd.weigh(passes.consensus(needed, names, crowd))
    stats = passes.annotators(needed, names, crowd).stats(votes, crowd.weights)

    found = udf.on_arrow(ConsensusJudge(names, crowd), passes.CONSENSUS)(*inputs.values())
    own = columns.own_names(passes.CONSENSUS.names, rows.columns)
    ours = {name: F.col(_FOUND).getField(name) for name in own}
    ours[c.CONSENSUS_LABEL] = ours[c.CONSENSUS_LABEL].cast(label_type)
    judged = keyed.withColumn(_FOUND, found).select(
        *map(column, rows.columns), *(ours[name].alias(own[name]) for name in own)
    )
    who = [annotators[at] for at in np.flatnonzero(has_labels)]
    is_integer = isinstance(label_type, IntegralType)
    return Consensus(judged, _annotator_table(stats, who, names.classes, is_integer=is_integer))


def _annotators(given: DataFrame) -> tuple[list[str] | list[int], int]:
    """Return all annotators, sorted, and the number of labels that were given."""
    n_labels = given.groupBy(c.ANNOTATOR).count().limit(MAX_ANNOTATORS + 2).collect()
    found = sorted(row[0] for row in n_labels if row[0] is not None)
    if len(found) > MAX_ANNOTATORS:
        expected = f"at most {MAX_ANNOTATORS:,} annotators"
        hint = "is this the id of the annotation by mistake?"
        raise DataError("too_many_annotators", "annotator", expected, Shown("more"), hint)
    return found, sum(row[1] for row in n_labels)


def _with_annotations(keyed: DataFrame, given: DataFrame) -> DataFrame:
    """Join to each row all that was said of it, and how many rows are of the same id."""
    annotation = F.struct(
        *(F.col(name).cast("string").alias(name) for name in (c.ANNOTATOR, c.LABEL))
    )
    by_row = (
        given.where(F.col(_ID).isNotNull() & F.col(c.ANNOTATOR).isNotNull())
        .groupBy(_ID)
        .agg(F.collect_set(annotation).alias(_GIVEN))
    )
    n_with_id = F.count(_ID).over(Window.partitionBy(_ID)).cast("int")
    return keyed.withColumn(_N_WITH_ID, n_with_id).join(by_row, _ID, "left")


# --- in memory ----------------------------------------------------------------------------------


def _in_memory(
    annotations: pd.DataFrame,
    rows: pd.DataFrame,
    of: Columns,
    classes: Sequence[object] | None,
    options: ConsensusOptions,
) -> Consensus:
    given = annotations[annotations[of.label].notna()]
    labels = pandas_columns.plain("label", given[of.label])
    who = pandas_columns.plain("annotator", given[of.annotator])
    ids = pandas_columns.strings(pandas_columns.plain("id", given[of.id]))
    row_ids = pandas_columns.strings(pandas_columns.plain("id", rows[of.id]))
    probs = pandas_columns.arrays("pred_probs", rows[of.pred_probs])
    lengths = [len(row) for row in probs if row is not None]
    classes = class_names_in_memory(labels, lengths, classes)
    _check_classes(classes)
    annotators = sorted(who.dropna().unique().tolist())
    names = CrowdNames(classes, [str(name) for name in annotators])

    batch = _batch(
        row_ids,
        probs,
        zip(ids, pandas_columns.strings(who), pandas_columns.strings(labels), strict=True),
    )
    checked = passes.check(batch, names)
    check_bad_rows(checked, options.max_bad_fraction, passes.CODES, _HINT)
    block = checked.block
    _check_used(len(block.label), len(given))
    have_labels, annotator = np.unique(block.annotator, return_inverse=True)
    found = multiannotator.find_consensus(
        block.row,
        annotator,
        block.label,
        block.pred_probs,
        consensus_method=options.consensus_method,
        quality_method=options.quality_method,
    )
    verdicts = passes.verdicts(checked, found.labels, names.classes)
    verdicts[c.CONSENSUS_LABEL] = verdicts[c.CONSENSUS_LABEL].cast(
        pandas_columns.arrow_type(labels)
    )
    who_have = [annotators[at] for at in have_labels]
    is_integer = is_integer_dtype(labels)
    table = _annotator_table(found.annotators, who_have, names.classes, is_integer=is_integer)
    return Consensus(pandas_columns.append(rows, verdicts), table)


def _batch(
    row_ids: list[str | None],
    probs: list[FloatArray | None],
    annotations: Iterable[tuple[str | None, str | None, str | None]],
) -> pa.RecordBatch:
    by_row: dict[str | None, set[tuple[str, str | None]]] = defaultdict(set)
    for row_id, annotator, label in annotations:
        if annotator is not None:
            by_row[row_id].add((annotator, label))
    of_rows = [list(by_row[row_id]) for row_id in row_ids]
    n_with_id = Counter(row_id for row_id in row_ids if row_id is not None)
    return passes.batch(
        pa.array([[who for who, _ in row] for row in of_rows]),
        pa.array([[label for _, label in row] for row in of_rows]),
        pa.array([0 if row_id is None else n_with_id[row_id] for row_id in row_ids], pa.int32()),
        pa.array(probs, pa.list_(pa.float64())),
    )


# --- both ---------------------------------------------------------------------------------------


def _check_classes(classes: Sequence[str]) -> None:
    if len(classes) < 2:
        expected, got = "two or more classes", Shown(", ".join(classes) or "none")
        raise DataError("one_class", "label", expected, got, "name them all in classes")


def _check_used(n_used: int, n_given: int) -> None:
    if not n_used:
        expected, got = "annotations of rows that can be used", Shown(f"none of {n_given:,}")
        raise DataError("no_rows", "annotations", expected, got, _HINT)
    if n_used < n_given:
        warn(
            f"{counted(n_given - n_used, 'annotation', 'is', of=n_given)} not used: the row is left"
            " out or missing, there is no annotator, the label is no class, or it was said before"
        )


def _annotator_table(
    stats: AnnotatorStats, annotators: Sequence[object], classes: Sequence[str], *, is_integer: bool
) -> pd.DataFrame:
    worst = [classes[k] for k in stats.worst_class]
    table = pd.DataFrame(
        {
            c.ANNOTATOR: annotators,
            c.ANNOTATOR_QUALITY: stats.annotator_quality,
            c.AGREEMENT_WITH_CONSENSUS: stats.agreement_with_consensus,
            c.WORST_CLASS: list(map(int, worst)) if is_integer else worst,
            c.NUM_EXAMPLES_LABELED: stats.n_labelled,
        }
    )
    return table.iloc[stats.worst_first].reset_index(drop=True)
