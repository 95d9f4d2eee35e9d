"""What fine-tuned models said, whoever trained them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lakewinnow.core.evaluation.paired_comparison import Outcome
from lakewinnow.core.types import IntArray
from lakewinnow.figures.models import Recipe

ReportProgress = Callable[[int, int, str], object]  # done, of how many, and a note


@dataclass(frozen=True, kw_only=True, eq=False)
class Tuned:
    """What the models said of the test rows."""

    classes: Sequence[str]  # names
    true_labels: IntArray  # int64, shape (n,)
    outcomes: Mapping[str, Outcome]  # by training set, a model a seed
    n_rows: Mapping[str, int]  # rows of each training set
    n_leaked: int  # rows of the input that have a text of the holdout
    # rows of the input that can be trained on, of which the training sets are a sample
    n_input: int
    recipe: Recipe  # what was trained
    left_out: Sequence[str] = field(default=())  # training sets of too few rows
    failed: Sequence[str] = field(default=())  # what became of jobs that brought no model
