"""What fine-tuned models said, whoever trained them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lakewinnow.core.evaluation.paired_comparison import Outcome
from lakewinnow.core.types import IntArray
from lakewinnow.figures.models import Recipe

Tell = Callable[[int, int, str], object]  # done, of how many, and a note


@dataclass(frozen=True, kw_only=True, eq=False)
class Tuned:
    """What the models said of the test rows.

    Attributes
    ----------
    classes : names
    true_labels : int64, shape (n,)
    outcomes : by training set, a model a seed
    n_rows : rows of each training set
    n_leaked : rows of the input that have a text of the holdout
    n_input : rows of the input that can be trained on, of which the training sets are a sample
    recipe : what was trained
    left_out : training sets of too few rows
    failed : what became of jobs that brought no model
    """

    classes: Sequence[str]
    true_labels: IntArray
    outcomes: Mapping[str, Outcome]
    n_rows: Mapping[str, int]
    n_leaked: int
    n_input: int
    recipe: Recipe
    left_out: Sequence[str] = field(default=())
    failed: Sequence[str] = field(default=())
