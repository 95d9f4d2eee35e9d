"""What a caller of `find_label_issues` or `find_multilabel_issues` wants found."""

from dataclasses import dataclass

from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.selection.label_issues import IssueFilter
from lakewinnow.core.selection.scores import check_score


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
