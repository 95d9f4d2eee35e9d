"""What people's decisions about a sample say: how right the flags are, and what they miss.

Reads    review_sample/, files of decisions
Writes   review_sample/measured.json; review_sample/decisions-ID.csv, what people agree on
Memory   the driver: the sample, and what was decided about its rows
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from lakewinnow import columns as c
from lakewinnow.core.evaluation import reviewing, strata
from lakewinnow.core.evaluation.paired_comparison import CONFIDENCE, Interval
from lakewinnow.core.evaluation.reviewing import Answers, Cut, ScoreCuts
from lakewinnow.core.evaluation.strata import PROB_EDGES, SCORE_EDGES
from lakewinnow.core.types import BoolArray, FloatArray, ObjectArray
from lakewinnow.lake.inputs.checked import RECORD
from lakewinnow.lake.inputs.decisions import KEEP, RELABEL
from lakewinnow.lake.inputs.votes import Decision
from lakewinnow.lake.workspace import Lake
from lakewinnow.review import files, votes
from lakewinnow.review.files import Sample

_OF_TWO: Final = (1 + CONFIDENCE) / 2  # confidence of each of two intervals that hold together


def measure(lake: Lake, paths: Sequence[str], wanted: float) -> dict[str, Any]:
    """Measure the flags by what was decided about the sample; write and return measured.json.

    A flag is right where the row is dropped or given another label than it has.

    Parameters
    ----------
    paths : files of decisions, of one or more people
    wanted : the share of right flags, and of right fixes, that cuts are looked for

    Raises
    ------
    DataError : "no_sample", and what `votes.read` raises
    """
    files.check(lake.files, is_drawn=True)
    sample, rows = Sample.from_dict(lake.files.read_json(RECORD)), files.read_rows(lake.files)
    found, n_outside = votes.read(lake, paths, rows, sample.classes)
    measured = {
        "sample": sample.id,
        "confidence": CONFIDENCE,
        **figures(sample, rows, found.agreed(), wanted),
        **found.people(),
        "outside_sample": n_outside,
    }
    lake.files.write_json(files.MEASURED, measured)
    lake.files.write_text(files.agreed(sample.id), found.csv())
    return measured


def figures(
    sample: Sample, rows: pa.Table, agreed: Mapping[str, Decision], wanted: float
) -> dict[str, Any]:
    """Return what the decisions about some rows of a sample say of all rows."""
    flagged = _Side.of(sample, rows, agreed, is_label_issue=True)
    others = _Side.of(sample, rows, agreed, is_label_issue=False)
    decided = Counter(agreed[row_id].decision for row_id in flagged.ids + others.ids)
    by_score = flagged.answers.cuts(
        strata.score_bins(flagged.scores), flagged.is_error, flagged.everywhere, wanted
    )
    by_prob = flagged.answers.cuts(
        -strata.prob_bins(flagged.probs), flagged.is_fixed_right, flagged.is_fix, wanted
    )
    return {
        "rows": {
            "sampled": sample.rows,
            "answered": sum(decided.values()),
            "decided": dict(sorted(decided.items())),
            "decided_before": sample.decided,
        },
        "flags": {
            "rows": flagged.rows,
            "answered": len(flagged.ids),
            **_with_limits("precision", flagged.answers.share(flagged.is_error)),
        },
        "flags_by_class": dict(_by_class(sample, flagged)),
        "fixes": {
            "rows": sum(n for _, n in sample.fixes_by_prob),
            "answered": int(flagged.is_fix.sum()),
            **_with_limits("right", flagged.answers.share(flagged.is_fixed_right, flagged.is_fix)),
        },
        "others": {
            "rows": others.rows,
            "answered": len(others.ids),
            **_with_limits("errors", others.answers.share(others.is_error)),
        },
        **_with_limits("recall", _recall(flagged, others)),
        "wanted": {
            "share": wanted,
            c.LABEL_SCORE: _cuts(by_score, SCORE_EDGES, sample.flagged_by_score),
            c.SUGGESTED_PROB: _cuts(by_prob, PROB_EDGES, sample.fixes_by_prob, from_above=True),
        },
    }


@dataclass(frozen=True, eq=False)
class _Side:
    """The answered rows that are flagged, or that are not; arrays of shape (answered,)."""

    rows: int  # that there are
    ids: list[str]
    answers: Answers
    given: ObjectArray
    scores: FloatArray
    probs: FloatArray
    is_error: BoolArray  # whether a person dropped it or gave it another label
    # whether another label than the given one is suggested; is_fixed_right: a person's
    is_fix: BoolArray
    is_fixed_right: BoolArray

    @classmethod
    def of(
        cls, sample: Sample, rows: pa.Table, agreed: Mapping[str, Decision], *, is_label_issue: bool
    ) -> "_Side":
        sides = zip(*(rows[name].to_pylist() for name in (c.ROW_ID, c.IS_LABEL_ISSUE)), strict=True)
        own = rows.filter(pa.array([id_ in agreed and on == is_label_issue for id_, on in sides]))
        ids = own[c.ROW_ID].to_pylist()
        given, suggested = (
            np.array(own[name].to_pylist(), object) for name in (c.GIVEN_LABEL, c.SUGGESTED_LABEL)
        )
        sizes = [
            stratum.rows if stratum.is_label_issue == is_label_issue else 0
            for stratum in sample.strata
        ]
        decided = [agreed[row_id] for row_id in ids]
        is_right = [of == (RELABEL, label) for of, label in zip(decided, suggested, strict=True)]
        return cls(
            rows=sum(sizes),
            ids=ids,
            answers=Answers.of(own[c.STRATUM].to_numpy().astype(np.int64), np.array(sizes)),
            given=given,
            scores=own[c.LABEL_SCORE].to_numpy(),
            probs=own[c.SUGGESTED_PROB].to_numpy(),
            is_error=np.array([of.decision != KEEP for of in decided], bool),
            is_fix=suggested != given,
            is_fixed_right=np.array(is_right, bool),
        )

    @property
    def everywhere(self) -> BoolArray:
        """All answered rows."""
        return np.ones(len(self.ids), bool)


def _by_class(sample: Sample, flagged: _Side) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the precision of each class's flags, where there are enough."""
    for name in sample.classes:
        among = flagged.given == name
        n = int(among.sum())
        if n >= reviewing.FEWEST:
            share = flagged.answers.share(flagged.is_error, among)
            yield name, {"answered": n, **_with_limits("precision", share)}


def _recall(flagged: _Side, others: _Side) -> Interval | None:
    """Return which share of the errors is flagged; None where one side was not looked at."""
    precision = flagged.answers.share(flagged.is_error, confidence=_OF_TWO)
    missed = others.answers.share(others.is_error, confidence=_OF_TWO)
    if precision is None or missed is None:
        return None
    return reviewing.ratio_of_totals(precision, missed, flagged.rows, others.rows)


def _cuts(
    found: ScoreCuts,
    edges: FloatArray,
    histogram: Sequence[tuple[float, int]],
    *,
    from_above: bool = False,
) -> dict[str, dict[str, Any] | None]:
    """Return each cut as the edge that rows are not beyond, and how many rows that takes.

    Parameters
    ----------
    from_above : whether the best rows have the highest values; bins are negative then
    """

    def of_cut(cut: Cut | None) -> dict[str, Any] | None:
        if cut is None:
            return None
        edge = float(edges[abs(cut.bin)])
        takes = sum(n for at, n in histogram if (at >= edge if from_above else at <= edge))
        return {
            "cut": edge,
            "rows": takes,
            "answered": cut.answered,
            **_with_limits("share", cut.share),
        }

    return {"shown": of_cut(found.shown), "likely": of_cut(found.likely)}


def _with_limits(name: str, interval: Interval | None) -> dict[str, float | None]:
    if interval is None:
        return {name: None}
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
