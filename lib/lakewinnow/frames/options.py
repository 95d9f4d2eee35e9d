"""What a caller of `find_label_issues` and its like wants found, and which rows are left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.selection.label_issues import IssueFilter
from lakewinnow.core.selection.scores import check_score
from lakewinnow.errors import DataError, Shown, warn
from lakewinnow.plan.words import counted
from lakewinnow.spark.passes import valid_probs

HINT: Final = "are classes in the order of the probabilities? if so, raise max_bad_fraction"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The filter, the score, and the share of the rows that may be left out.

    Raises
    ------
    ConfigError : "unknown_score", "score_not_adjustable"
    """

    issue_filter: IssueFilter
    rank_by: str
    adjust_pred_probs: bool
    max_bad_fraction: float
    noise_model: NoiseModel | None = None

    def __post_init__(self) -> None:
        check_score(self.rank_by, adjusted=self.adjust_pred_probs)


def check_bad_rows(
    codes: Sequence[str],
    n_by_code: npt.NDArray[np.int64],
    n_imprecise: int,
    max_bad_fraction: float,
    hint: str = HINT,
) -> None:
    """Warn of the rows that are left out.

    Parameters
    ----------
    codes, n_by_code : reasons, the first of which is none, and how many rows have them
    n_imprecise : rows whose probabilities are a little off

    Raises
    ------
    DataError : "too_many_bad_rows", or "classes_do_not_fit" where that is most rows' fault
    """
    n_rows, n_bad = int(n_by_code.sum()), int(n_by_code[1:].sum())
    found = zip(codes[1:], n_by_code[1:].tolist(), strict=True)
    reasons = ", ".join(f"{n:,} {code}" for code, n in found if n)
    if n_bad > max_bad_fraction * n_rows:
        if 2 * n_by_code[codes.index(valid_probs.WRONG_LENGTH)] > n_rows:
            expected = "a name for each of the probabilities, in their order"
            hint = "list all classes, those without a row too"
            got = Shown("a different number")
            raise DataError("classes_do_not_fit", "classes", expected, got, hint)
        expected = f"at most {max_bad_fraction:.0%} of the rows to be left out"
        got = Shown(f"{n_bad:,} of {n_rows:,}: {reasons}")
        raise DataError("too_many_bad_rows", "pred_probs", expected, got, hint)
    if n_bad:
        warn(f"{counted(n_bad, 'row', 'is', of=n_rows)} left out: {reasons}")
    if n_imprecise:
        warn(valid_probs.imprecise(n_imprecise))
