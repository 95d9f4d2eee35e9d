"""What a caller of `find_label_issues` and its like wants found, and which rows are left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

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


class Found(Protocol):
    """What was found of rows, a batch or all of them."""

    @property
    def n_by_code(self) -> npt.NDArray[np.int64]:
        """Rows by why they are left out, of which the first is that they are not."""

    @property
    def n_imprecise(self) -> int:
        """Rows whose probabilities are a little off."""


def check_bad_rows(
    found: Found,
    max_bad_fraction: float,
    codes: Sequence[str] = valid_probs.CODES,
    hint: str = HINT,
) -> None:
    """Warn of the rows that are left out.

    Parameters
    ----------
    codes : what `Found.n_by_code` counts

    Raises
    ------
    DataError : "too_many_bad_rows", or "classes_do_not_fit" where that is most rows' fault
    """
    n_by_code = found.n_by_code
    n_rows, n_bad = int(n_by_code.sum()), int(n_by_code[1:].sum())
    by_code = zip(codes[1:], n_by_code[1:].tolist(), strict=True)
    reasons = ", ".join(f"{n:,} {code}" for code, n in by_code if n)
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
    if found.n_imprecise:
        warn(valid_probs.imprecise(found.n_imprecise))
