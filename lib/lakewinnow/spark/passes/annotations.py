"""CROWDLAB over a DataFrame with all annotations of a row in that row: one function a pass.

Columns of the rows: `ANNOTATORS` and `LABELS`, arrays of strings of equal length or null;
pred_probs; `N_WITH_ID`, the number of rows of the same id, 0 for a null one. Each row is judged by
itself: a bad one gets an error code and moves nobody else's result. Only integer sums sized by the
numbers of annotators and classes reach the driver.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from lakewinnow import columns as c
from lakewinnow.core.crowd.annotations import AnnotatedBlock, VoteState
from lakewinnow.core.crowd.annotators import AnnotatorState
from lakewinnow.core.crowd.crowdlab import ConsensusState, Crowd, LabelQuality
from lakewinnow.core.noise.probabilities import Fault, clipped, judge
from lakewinnow.core.states import State
from lakewinnow.core.types import BoolArray, IntArray
from lakewinnow.spark.arrow import lists, udf
from lakewinnow.spark.passes import states
from lakewinnow.spark.passes.valid_probs import WRONG_LENGTH, Checked
from lakewinnow.spark.schemas import schema

ANNOTATORS: Final = "annotators"
LABELS: Final = "labels"
N_WITH_ID: Final = "n_with_id"

# Codes as small integers, so that a pass can count them: those of the faults, then these.
CODES: Final = (
    *(fault.code for fault in Fault),
    WRONG_LENGTH,
    "annotation_missing",
    "annotation_repeated",  # an annotator gives a row two labels
    "id_repeated",
    "id_null",
)

CONSENSUS: Final = schema(
    {
        c.CONSENSUS_LABEL: "string?",
        c.CONSENSUS_QUALITY_SCORE: "double?",
        c.ANNOTATOR_AGREEMENT: "double?",
        c.NUM_ANNOTATIONS: "int?",
        c.ERROR_CODE: "string?",
    }
)


@dataclass(frozen=True)
class CrowdNames:
    """What labels and annotators are called, in the order of their numbers."""

    classes: Sequence[str]
    annotators: Sequence[str]

    @property
    def shape(self) -> tuple[int, int]:
        """M annotators, K classes."""
        return len(self.annotators), len(self.classes)

    def of_annotators(self, chosen: BoolArray) -> "CrowdNames":
        """Return the names without some of the annotators'."""
        kept = np.flatnonzero(chosen).tolist()
        return replace(self, annotators=[self.annotators[at] for at in kept])


def check(batch: pa.RecordBatch, names: CrowdNames) -> Checked[AnnotatedBlock]:
    """Judge the rows of a batch; the block of the good ones is without those of unknown labels."""
    probs, is_whole = lists.probabilities(batch.column(c.PRED_PROBS), len(names.classes))
    judgement = judge(probs)
    row, given = lists.entries(batch.column(LABELS))
    label = lists.positions(given, names.classes)
    annotator = lists.positions(lists.entries(batch.column(ANNOTATORS))[1], names.annotators)
    known = (label >= 0) & (annotator >= 0)
    row, annotator, label = row[known], annotator[known], label[known]

    codes = judgement.faults
    codes[~is_whole] = CODES.index(WRONG_LENGTH)
    codes[np.bincount(row, minlength=len(batch)) == 0] = CODES.index("annotation_missing")
    codes[_repeated(row, annotator)] = CODES.index("annotation_repeated")
    n_with_id = np.asarray(batch.column(N_WITH_ID))
    codes[n_with_id > 1] = CODES.index("id_repeated")
    codes[n_with_id == 0] = CODES.index("id_null")

    is_good = codes == 0
    place, chosen = np.cumsum(is_good) - 1, is_good[row]
    block = AnnotatedBlock.of(
        place[row[chosen]], annotator[chosen], label[chosen], clipped(probs[is_good])
    )
    _, n_imprecise, n_clipped = judgement
    return Checked(block, np.flatnonzero(is_good), codes, n_imprecise, n_clipped, CODES)


def _repeated(row: IntArray, annotator: IntArray) -> IntArray:
    order = np.lexsort((annotator, row))
    row, annotator = row[order], annotator[order]
    again: IntArray = row[1:][(np.diff(row) == 0) & (np.diff(annotator) == 0)]
    return again


@dataclass(frozen=True, eq=False)
class CheckedVotes(State):
    """The votes of the good rows, and what the others lack."""

    votes: VoteState
    n_by_code: IntArray  # int64, shape (len(CODES),)
    n_imprecise: int  # rows of which `valid_probs.imprecise` warns


def votes(rows: DataFrame, names: CrowdNames) -> CheckedVotes:
    """Count the votes of the good rows and the bad rows, in one pass."""
    zero = CheckedVotes(VoteState.zero(*names.shape), np.zeros(len(CODES), np.int64), 0)
    return states.summed(rows, zero, partial(_add_votes, names=names))


def _add_votes(found: CheckedVotes, batch: pa.RecordBatch, names: CrowdNames) -> CheckedVotes:
    checked = check(batch, names)
    votes = VoteState.zero(*names.shape).update(checked.block)
    return found.merge(CheckedVotes(votes, checked.n_by_code, checked.n_imprecise))


def consensus(rows: DataFrame, names: CrowdNames, crowd: Crowd) -> ConsensusState:
    """Count how the consensus labels so far agree with annotators and model, in one pass."""
    zero = ConsensusState.zero(*names.shape)
    return states.summed(rows, zero, partial(_add_consensus, names=names, crowd=crowd))


def _add_consensus(
    state: ConsensusState, batch: pa.RecordBatch, names: CrowdNames, crowd: Crowd
) -> ConsensusState:
    block = check(batch, names).block
    return state.update(block, crowd.consensus_labels(block))


def annotators(rows: DataFrame, names: CrowdNames, crowd: Crowd) -> AnnotatorState:
    """Sum up how good each annotator's labels are, in one pass."""
    zero = AnnotatorState.zero(*names.shape)
    return states.summed(rows, zero, partial(_add_annotators, names=names, crowd=crowd))


def _add_annotators(
    state: AnnotatorState, batch: pa.RecordBatch, names: CrowdNames, crowd: Crowd
) -> AnnotatorState:
    block = check(batch, names).block
    return state.update(block, crowd.label_quality(block))


@dataclass(frozen=True)
class ConsensusJudge:
    """All that it takes to tell the consensus of a row: what the last pass sends to the workers."""

    names: CrowdNames
    crowd: Crowd

    def __call__(
        self, annotators: pa.Array, labels: pa.Array, n_with_id: pa.Array, pred_probs: pa.Array
    ) -> pa.StructArray:
        """Return what is found, of the schema `CONSENSUS`."""
        checked = check(batch(annotators, labels, n_with_id, pred_probs), self.names)
        quality = self.crowd.label_quality(checked.block)
        return udf.struct_array(CONSENSUS, verdicts(checked, quality, self.names.classes))


def batch(
    annotators: pa.Array, labels: pa.Array, n_with_id: pa.Array, pred_probs: pa.Array
) -> pa.RecordBatch:
    """Return a batch of rows; an array without a value may come without a type."""
    strings = pa.list_(pa.string())
    return pa.record_batch(
        {
            ANNOTATORS: annotators.cast(strings),
            LABELS: labels.cast(strings),
            N_WITH_ID: n_with_id,
            c.PRED_PROBS: pred_probs.cast(pa.list_(pa.float64())),
        }
    )


def verdicts(
    checked: Checked[AnnotatedBlock], quality: LabelQuality, classes: Sequence[str]
) -> dict[str, pa.Array]:
    """Return what was found of a batch, by the names of `CONSENSUS`; null for its bad rows."""
    found = {
        c.CONSENSUS_LABEL: pa.array(classes).take(pa.array(quality.consensus_label)),
        c.CONSENSUS_QUALITY_SCORE: pa.array(quality.consensus_quality_score),
        c.ANNOTATOR_AGREEMENT: pa.array(quality.annotator_agreement),
        c.NUM_ANNOTATIONS: pa.array(quality.n_annotations),
    }
    return checked.of_all_rows(found)
