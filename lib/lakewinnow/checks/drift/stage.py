"""Drift: whether rows are like those of a reference: labels, texts, vectors, and label noise.

Reads    corpus/ and the reference's; the vectors of a sample; where rows are split by a column,
         pred_probs/ and noise_model.json
Writes   checks/drift/, the rows that are surest to be unlike the reference, `N_EXAMPLES` a
         comparison, where vectors have drifted
Passes   4 over either corpus: labels; texts by key; numbers of the texts; the sample; 1 more over
         this run's for what is written. 1 over the vectors. By a column, 3 more over the corpus
         (two count the values) and 1 over the pred_probs
Shuffle  the keys of the texts, twice; the sample's vectors; by a column the pred_probs, by row id
Memory   a task: the vectors of 2 × `checks.drift.max_texts`, five times; 2,000 × 2,000 distances,
         twice; or groups × classes² counts, at most 32 MB. The driver: classes × groups

Nothing is decided by it: no row has drifted, only all of them. See `core.drift.verdict` for what is
called drift, and how often by mistake. Rows of one text count for little more than one row in all
tests (`core.drift.categories.effective`), and vectors are of distinct texts. Texts that both sides
have are on both, in one fold, and make them as alike as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from lakewinnow import columns as c
from lakewinnow.checks.drift import (
    CHECK,
    GROUP,
    SCORE,
    Compared,
    DriftConfig,
    DriftFigures,
    judging,
    noise,
    sides,
    vectors,
)
from lakewinnow.checks.drift.sides import Groups
from lakewinnow.checks.drift.vectors import Found, Joints, by_chance
from lakewinnow.classifiers.tasks import vectors_missing
from lakewinnow.config.sections import EmbeddingConfig, InputConfig
from lakewinnow.core.drift import verdict
from lakewinnow.core.drift.comparison import LEAST_ROWS, ComparedRows, DriftComparison
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.embedding import registry
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake import check_tables
from lakewinnow.lake.corpus import accepted
from lakewinnow.lake.inputs.earlier_run import EarlierRun
from lakewinnow.lake.redaction import Rewrite, preview
from lakewinnow.lake.vectors.embedding_store import store_of
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark.schemas import schema

__all__ = ["by_chance", "run"]

DRIFTED = schema(
    {
        c.ROW_ID: "string",
        GROUP: "string",
        SCORE: "double",
        c.GIVEN_LABEL: "string",
        c.TEXT_PREVIEW: "string",
    }
)
_FEWEST_PERMUTATIONS: Final = 999
_TESTS: Final = 11  # of a comparison, at most


@dataclass(frozen=True)
class ToCompare:
    """What is compared: the rows of a run with a reference, or with each other by a column."""

    lake: Lake
    source: InputConfig
    embedding: EmbeddingConfig
    config: DriftConfig
    # the workspace that the table of the reference was taken into, its vectors in this run's store
    taken_in: Lake | None = None
    earlier: EarlierRun | None = None  # the run that is the reference
    rewrites: Sequence[Rewrite] = ()  # of the values of a column, as they may be shown

    @property
    def reference(self) -> Lake | None:
        """The workspace of the reference; None: rows are compared by a column."""
        return self.taken_in if self.earlier is None else self.earlier.lake

    def groups(self) -> Groups:
        """Return the groups of rows and which of them are what."""
        if self.reference is None:
            return sides.by_column(self.lake, self.config.by or "", self.rewrites)
        return sides.of_two(self.lake, self.reference, self.config.reference or "")


@dataclass(frozen=True)
class Counted:
    """The rows that are compared, counted."""

    groups: Groups
    texts: DataFrame  # one row a distinct text, with its rows in each group
    classes: Sequence[str]
    sides: Sequence[tuple[ComparedRows, ComparedRows]]  # of each pair of groups

    @property
    def fewest(self) -> int:
        """The rows of the smallest side."""
        return min(side.n_rows for pair in self.sides for side in pair)


def run(what: ToCompare, text: Column | None = None) -> StageReport[DriftFigures]:
    """Compare the rows with a reference, or with each other by a column.

    Parameters
    ----------
    text : of a row of corpus/, as the rows that are listed may show it; default: as it came

    Raises
    ------
    EngineError : "embedding_missing": the store has lost vectors that an earlier stage put there
    """
    lake, config, groups = what.lake, what.config, what.groups()
    if not groups.pairs:
        return _nothing(
            lake, config, f"{config.by} has fewer than two values with {LEAST_ROWS} rows or more"
        )
    counted = _count(what, groups)
    if counted.fewest < LEAST_ROWS:
        least = f"and {LEAST_ROWS} rows are the least"
        return _nothing(lake, config, f"one side has {counted.fewest:,}, {least}")
    found, no_vectors = _of_vectors(what, counted)
    joints, noise_classes, no_noise = _joints(what, counted, found)
    judged = [
        DriftComparison.of(*pair, of_pair.vectors, joint)
        for pair, of_pair, joint in zip(counted.sides, found, joints, strict=True)
    ]
    comparisons = judging.comparisons(
        groups.pairs, counted.sides, judged, config.false_alarms, counted.classes, noise_classes
    )
    shown = F.col(c.TEXT) if text is None else text
    _publish(lake, comparisons, [of_pair.surest for of_pair in found], shown)
    no_texts = "rows have no text" if what.source.text is None else ""
    left_out = {"texts": no_texts, "embeddings": no_vectors, "noise": no_noise}
    figures = replace(
        _of_nothing(config),
        detected=any(of.detected for of in comparisons),
        comparisons=comparisons,
        left_out={what: reason for what, reason in left_out.items() if reason},
        groups_left_out=groups.n_left_out,
    )
    reads = {"corpus": 8 if what.reference is None else 5}
    return check_tables.report(lake, CHECK, reads, figures)


def _count(what: ToCompare, groups: Groups) -> Counted:
    texts = sides.texts_of(groups)
    given, has_text = what.lake.figures("ingest", Ingested).classes, what.source.text
    classes, counted = sides.count(groups, texts, given, has_text=has_text is not None)
    return Counted(groups, texts, classes, counted)


def _nothing(lake: Lake, config: DriftConfig, reason: str) -> StageReport[DriftFigures]:
    """Say why nothing was compared."""
    _publish(lake, [], [], F.col(c.TEXT))
    report = check_tables.report(lake, CHECK, {"corpus": 3}, _of_nothing(config))
    return replace(report, warnings=[f"{CHECK.key}: {reason}: nothing was compared"])


def _of_nothing(config: DriftConfig) -> DriftFigures:
    return DriftFigures(
        detected=False,
        false_alarms=config.false_alarms,
        reference=config.reference,
        by=config.by,
        comparisons=[],
        left_out={},
        groups_left_out=0,
    )


def _of_vectors(what: ToCompare, counted: Counted) -> tuple[list[Found], str]:
    """Compare the vectors, where there are some that can be compared; else say why not."""
    source, earlier, taken_in = what.source, what.earlier, what.taken_in
    reason = _why_not(source, earlier, taken_in)
    if reason:
        return [Found() for _ in counted.sides], reason
    embedding, identity = what.embedding, registry.identify(what.embedding)
    found = store_of(what.lake, embedding).vectors(identity, distinct=False)
    if taken_in is not None and source.has_own_vectors:
        found = found.unionByName(store_of(taken_in, embedding).vectors(identity, distinct=False))
    if earlier is not None:
        found = found.unionByName(earlier.vectors(identity))
    n_tests, rate = _TESTS * len(counted.sides), what.config.false_alarms
    n_permutations = max(_FEWEST_PERMUTATIONS, int(np.ceil(2 * n_tests / rate)))
    has_few = len(counted.classes) ** 2 <= noise.MOST_CELLS
    of_pairs, n_missing = vectors.compare(
        sides.on_sides(counted.texts, counted.groups),
        found,
        counted.sides,
        what.config.max_texts,
        n_permutations,
        counted.classes if what.reference is not None and has_few else None,
    )
    if n_missing:
        raise vectors_missing(n_missing)
    if all(of_pair.vectors is not None for of_pair in of_pairs):
        return of_pairs, ""
    name = f"{identity.provider} {identity.model} of {identity.dimensions} dimensions"
    few = f"fewer than {LEAST_ROWS} distinct texts"
    return of_pairs, f"{few}, or a reference without vectors of {name}"


def _joints(
    what: ToCompare, counted: Counted, found: Sequence[Found]
) -> tuple[Sequence[Joints | None], Sequence[str], str]:
    """Return the joints of each pair and their classes; and why there are none, if so."""
    joints = [of_pair.joints for of_pair in found]
    if what.reference is None:
        model = NoiseModel.from_dict(what.lake.files.read_json("noise_model.json"))
        of_groups = noise.of_groups(what.lake, counted.groups, model, counted.sides)
        too_many = f"groups × classes² is more than {noise.MOST_CELLS:,}"
        return of_groups or joints, model.classes, "" if of_groups is not None else too_many
    of_both = "it is compared by the embeddings of both, of up to 2,000 classes"
    return joints, counted.classes, of_both if None in joints else ""


def _why_not(source: InputConfig, earlier: EarlierRun | None, taken_in: Lake | None) -> str:
    """Say why vectors cannot be compared; nothing where they can."""
    if source.pred_probs is not None:
        return "rows with your own probabilities have no vectors"
    if source.features is not None and (earlier is not None or taken_in is not None):
        return "features are imputed and scaled from the input's rows only"
    if earlier is not None and earlier.has_own_vectors != source.has_own_vectors:
        return "the vectors of one of the two are the input's own"
    return ""


def _publish(
    lake: Lake,
    compared: Sequence[Compared],
    surest: Sequence[Sequence[tuple[str, float]]],
    text: Column,
) -> None:
    """Write the rows that are surest to be new, of comparisons whose vectors have drifted."""
    kinds = {verdict.CLASSIFIER, verdict.DISTANCE}
    rows = [
        (row_id, of.of, score)
        for of, scored in zip(compared, surest, strict=True)
        if any(test.is_drift and test.kind in kinds for test in of.tests)
        for row_id, score in scored
    ]
    schema = StructType([DRIFTED[name] for name in (c.ROW_ID, GROUP, SCORE)])
    few = F.broadcast(lake.spark.createDataFrame(rows, schema))
    shown = accepted(lake).select(c.ROW_ID, c.GIVEN_LABEL, c.TEXT).join(few, c.ROW_ID)
    lake.publish(CHECK.table, shown.coalesce(1).select("*", preview(text)), schema=DRIFTED)
