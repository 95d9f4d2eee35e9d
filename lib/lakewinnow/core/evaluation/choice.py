"""What to do about label issues, by what models of each way come to on trusted rows.

A way is taken where it is better than leaving the labels alone: where the interval of the paired
difference in accuracy, over test rows and trainings, does not include 0 (see
`core.evaluation.paired_comparison`); of several, the one of the highest accuracy. So a way that
makes no difference is taken by chance in 2.5 of 100 runs, or 5 where there are two, and a gain
smaller than the rows can show is let go: whoever asks whether to change labels at all would rather
keep them than make them worse.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from lakewinnow.core.evaluation.variants import BASELINE, DROPPED, FIXED
from lakewinnow.figures.models import BETTER, Variant

KEEP: Final = "keep"
# By what is done: the training set that shows it. Rows for review are not in clean/ either.
SHOWN_BY: Final = {
    KEEP: BASELINE,
    "safe": DROPPED,
    "drop": DROPPED,
    "review": DROPPED,
    "fix": FIXED,
}


def best_action(compared: Mapping[str, Variant], actions: Sequence[str]) -> str:
    """Return the action to take; "keep" where no other one is shown to be better.

    Parameters
    ----------
    compared : by training set, as `variants.compare` returns it
    actions : that may be taken, the one that is preferred of equally good ones first
    """
    shown = ((action, compared.get(SHOWN_BY[action])) for action in actions if action != KEEP)
    better = {
        action: of.accuracy
        for action, of in shown
        if of is not None and of.to_baseline is not None and of.to_baseline.verdict == BETTER
    }
    return max(better, key=lambda action: better[action], default=KEEP)
