"""Consensus labels of several annotators, as `cleanlab.multiannotator` has them.

    pass 1  votes = VoteState of all blocks; crowd = Crowd(votes)
    pass 2  crowd = crowd.weigh(ConsensusState of all blocks and their crowd.consensus_labels)
    pass 3  crowd = crowd.prefer_best_quality(); then as pass 2
    pass 4  crowd.label_quality of each block, the result; and AnnotatorState of all blocks

`consensus_method="majority_vote"` goes without pass 3, `quality_method="agreement"` without 2 and
3. States hold integers alone, so neither order nor size of the blocks matters. For any number of
rows, with M annotators and K classes, they need 8 (6 M + K) bytes, in pass 4 40 K M.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from lakewinnow.core.crowd.annotations import AnnotatedBlock, VoteState
from lakewinnow.core.crowd.annotators import AnnotatorState, AnnotatorStats
from lakewinnow.core.crowd.crowdlab import ConsensusState, Crowd, LabelQuality
from lakewinnow.core.types import FloatArray, IntArray
from lakewinnow.errors import ConfigError, did_you_mean

ConsensusMethod: TypeAlias = Literal["best_quality", "majority_vote"]
QualityMethod: TypeAlias = Literal["crowdlab", "agreement"]
BLOCK_ROWS: Final = 10_000


class CrowdConsensus(NamedTuple):
    """Result of `find_consensus`; `labels` has the annotations in order of row and annotator."""

    labels: LabelQuality
    annotators: AnnotatorStats
    crowd: Crowd


def find_consensus(
    row: IntArray,
    annotator: IntArray,
    label: IntArray,
    pred_probs: FloatArray,
    *,
    consensus_method: ConsensusMethod = "best_quality",
    quality_method: QualityMethod = "crowdlab",
    block_rows: int = BLOCK_ROWS,
) -> CrowdConsensus:
    """Find the consensus of annotations in arrays, by the passes that a lake would need.

    Parameters
    ----------
    row, annotator, label : int64, shape (n,), the annotations in any order: one or more of every
        row and annotator
    pred_probs : float64, shape (rows, K)
    consensus_method : the label of highest quality, or the most frequent
    quality_method : by CROWDLAB, or the share of the annotations that agree
    block_rows : rows per block, which changes no result

    Raises
    ------
    DataError : "no_row_labelled_twice"
    ConfigError : "unknown_method"

    Notes
    -----
    By the share of the annotations the most frequent label is the best, so both consensus methods
    give the same. cleanlab's "agreement" equals it with "majority_vote"; with "best_quality", and
    in the quality of the annotations, it counts the votes for the wrong classes.
    """
    check_methods(consensus_method, quality_method)
    n_annotators = int(annotator.max()) + 1
    n_classes = pred_probs.shape[1]
    blocks = _blocks(row, annotator, label, pred_probs, block_rows)

    votes = reduce(VoteState.update, blocks, VoteState.zero(n_annotators, n_classes))
    votes.check()

    crowd = Crowd(votes)
    if quality_method == "crowdlab":
        crowd = crowd.weigh(_consensus_state(crowd, blocks))
        if consensus_method == "best_quality":
            crowd = crowd.prefer_best_quality()
            crowd = crowd.weigh(_consensus_state(crowd, blocks))

    scored = [crowd.label_quality(block) for block in blocks]
    annotators = AnnotatorState.zero(n_annotators, n_classes)
    for block, quality in zip(blocks, scored, strict=True):
        annotators = annotators.update(block, quality)
    labels = LabelQuality(*(np.concatenate(column) for column in zip(*scored, strict=True)))
    return CrowdConsensus(labels, annotators.stats(votes, crowd.weights), crowd)


def _consensus_state(crowd: Crowd, blocks: Sequence[AnnotatedBlock]) -> ConsensusState:
    state = ConsensusState.zero(len(crowd.votes.labelled), len(crowd.votes.class_counts))
    for block in blocks:
        state = state.update(block, crowd.consensus_labels(block))
    return state


def _blocks(
    row: IntArray,
    annotator: IntArray,
    label: IntArray,
    pred_probs: FloatArray,
    block_rows: int,
) -> list[AnnotatedBlock]:
    order = np.argsort(row, kind="stable")
    starts = range(0, len(pred_probs), block_rows)
    parts = np.split(order, np.searchsorted(row[order], starts[1:]))
    return [
        AnnotatedBlock.of(
            row[part] - start,
            annotator[part],
            label[part],
            pred_probs[start : start + block_rows],
        )
        for start, part in zip(starts, parts, strict=True)
    ]


def check_methods(consensus_method: str, quality_method: str) -> None:
    """Raise ConfigError "unknown_method" for a method that there is not."""
    given = {"consensus_method": consensus_method, "quality_method": quality_method}
    for (where, got), kind in zip(given.items(), (ConsensusMethod, QualityMethod), strict=True):
        known = get_args(kind)
        if got not in known:
            expected = f"one of {', '.join(known)}"
            raise ConfigError("unknown_method", where, expected, got, did_you_mean(got, known))
