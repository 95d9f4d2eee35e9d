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
from typing import Final

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from lakewinnow import columns as c
from lakewinnow.checks.drift import (
    DriftConfig,
    noise,
    sides,
    told,
    vectors,
)
from lakewinnow.checks.drift.figures import Compared, Drift
from lakewinnow.checks.drift.sides import Groups
from lakewinnow.checks.drift.vectors import Found, by_chance
from lakewinnow.classifiers.tasks import vectors_missing
from lakewinnow.config.sections import EmbeddingConfig, InputConfig
from lakewinnow.core.drift import verdict
from lakewinnow.core.drift.comparison import LEAST_ROWS, ComparedRows, DriftComparison
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.embedding import registry
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake.corpus import accepted, n_accepted
from lakewinnow.lake.inputs.earlier_run import EarlierRun
from lakewinnow.lake.redaction import preview
from lakewinnow.lake.vectors.embedding_store import store_of
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark.schemas import schema

__all__ = ["by_chance", "run"]

TABLE: Final = "checks/drift"
DRIFTED = schema(
    {
        c.ROW_ID: "string",
        c.DRIFT_GROUP: "string",
        c.DRIFT_SCORE: "double",
        c.GIVEN_LABEL: "string",
        c.TEXT_PREVIEW: "string",
    }
)
_FEWEST_PERMUTATIONS: Final = 999
_TESTS: Final = 11  # of a comparison, at most


def run(
    lake: Lake,
    source: InputConfig,
    embedding: EmbeddingConfig,
    config: DriftConfig,
    *,
    taken_in: Lake | None = None,
    earlier: EarlierRun | None = None,
    text: Column | None = None,
) -> StageReport[Drift]:
    """Compare the rows with a reference, or with each other by a column.

    Parameters
    ----------
    taken_in : workspace that the table of the reference was taken into, its vectors in this run's
        store
    earlier : the run that is the reference
    text : of a row of corpus/, as the rows that are listed may show it; default: as it came

    Raises
    ------
    EngineError : "embedding_missing": the store has lost vectors that an earlier stage put there
    """
    reference = taken_in if earlier is None else earlier.lake
    groups = (
        sides.by_column(lake, config.by or "")
        if reference is None
        else sides.of_two(lake, reference, config.reference or "")
    )
    if not groups.pairs:
        return _nothing(lake, config, f"{config.by} has no two values of {LEAST_ROWS} rows or more")
    left_out: dict[str, str] = {}
    if source.text is None:
        left_out["texts"] = "rows have no text"
    texts = sides.texts_of(groups)
    classes, counted = sides.count(
        groups,
        texts,
        lake.figures("ingest", Ingested).classes,
        has_text=source.text is not None,
    )
    fewest = min(side.n_rows for pair in counted for side in pair)
    if fewest < LEAST_ROWS:
        least = f"and {LEAST_ROWS} are the least"
        return _nothing(lake, config, f"one side has {fewest} rows, {least}")
    found = _of_vectors(
        lake,
        source,
        embedding,
        config,
        groups,
        texts,
        counted,
        classes,
        earlier,
        taken_in,
        left_out,
    )
    noise_classes = classes
    joints = [of_pair.joints for of_pair in found]
    if reference is None:
        model = NoiseModel.from_dict(lake.files.read_json("noise_model.json"))
        noise_classes = list(model.classes)
        of_groups = noise.of_groups(lake, groups, model, counted)
        if of_groups is None:
            left_out["noise"] = f"groups × classes² is more than {noise.MOST_CELLS:,}"
        joints = of_groups or joints
    elif None in joints:
        left_out["noise"] = "it is compared by the embeddings of both, of up to 2,000 classes"
    judged = [
        DriftComparison.of(*pair, of_pair.vectors, joint)
        for pair, of_pair, joint in zip(counted, found, joints, strict=True)
    ]
    compared = told.comparisons(
        groups.pairs, counted, judged, config.false_alarms, classes, noise_classes
    )
    shown = F.col(c.TEXT) if text is None else text
    _publish(lake, compared, [of_pair.surest for of_pair in found], shown)
    return StageReport(
        rows_in=n_accepted(lake),
        rows_out=lake.rows(TABLE),
        reads={"corpus": 5 if reference is not None else 8},
        writes=(TABLE,),
        figures=Drift(
            detected=any(of.detected for of in compared),
            false_alarms=config.false_alarms,
            reference=config.reference,
            by=config.by,
            comparisons=compared,
            left_out=left_out,
            groups_left_out=groups.n_left_out,
        ),
    )


def _nothing(lake: Lake, config: DriftConfig, reason: str) -> StageReport[Drift]:
    """Say why nothing was compared."""
    _publish(lake, [], [], F.col(c.TEXT))
    return StageReport(
        rows_in=n_accepted(lake),
        rows_out=0,
        reads={"corpus": 3},
        writes=(TABLE,),
        figures=Drift(
            detected=False,
            false_alarms=config.false_alarms,
            reference=config.reference,
            by=config.by,
            comparisons=[],
            left_out={},
            groups_left_out=0,
        ),
        warnings=[f"checks.drift: {reason}: nothing was compared"],
    )


def _of_vectors(
    lake: Lake,
    source: InputConfig,
    embedding: EmbeddingConfig,
    config: DriftConfig,
    groups: Groups,
    texts: DataFrame,
    counted: Sequence[tuple[ComparedRows, ComparedRows]],
    classes: Sequence[str],
    earlier: EarlierRun | None,
    taken_in: Lake | None,
    left_out: dict[str, str],
) -> list[Found]:
    """Compare the vectors, where there are some that can be compared."""
    reason = _why_not(source, earlier, taken_in)
    if reason:
        left_out["embeddings"] = reason
        return [Found() for _ in counted]
    identity = registry.identify(embedding)
    found = store_of(lake, embedding).vectors(identity, distinct=False)
    if taken_in is not None and source.has_own_vectors:
        found = found.unionByName(store_of(taken_in, embedding).vectors(identity, distinct=False))
    if earlier is not None:
        found = found.unionByName(earlier.vectors(identity))
    n_tests = _TESTS * len(counted)
    n_permutations = max(_FEWEST_PERMUTATIONS, int(np.ceil(2 * n_tests / config.false_alarms)))
    has_reference = earlier is not None or taken_in is not None
    has_few = len(classes) ** 2 <= noise.MOST_CELLS
    of_pairs, n_missing = vectors.compare(
        sides.on_sides(texts, groups),
        found,
        counted,
        config.max_texts,
        n_permutations,
        classes if has_reference and has_few else None,
    )
    if n_missing:
        raise vectors_missing(n_missing)
    if any(of_pair.vectors is None for of_pair in of_pairs):
        name = f"{identity.provider} {identity.model} of {identity.dimensions} dimensions"
        few = f"fewer than {LEAST_ROWS} distinct texts"
        left_out["embeddings"] = f"{few}, or a reference without vectors of {name}"
    return of_pairs


def _why_not(source: InputConfig, earlier: EarlierRun | None, taken_in: Lake | None) -> str:
    """Say why vectors cannot be compared; nothing where they can."""
    if source.pred_probs is not None:
        return "rows come with probabilities, and have no vectors"
    if source.features is not None and (earlier is not None or taken_in is not None):
        return "features are imputed and scaled by the input's rows alone"
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
    schema = StructType([DRIFTED[name] for name in (c.ROW_ID, c.DRIFT_GROUP, c.DRIFT_SCORE)])
    few = F.broadcast(lake.spark.createDataFrame(rows, schema))
    shown = accepted(lake).select(c.ROW_ID, c.GIVEN_LABEL, c.TEXT).join(few, c.ROW_ID)
    lake.publish(TABLE, shown.coalesce(1).select("*", preview(text)), schema=DRIFTED)
