"""Choose: what becomes of label issues, by models trained each way and asked about trusted rows.

Reads    corpus/, checks/label_issues/, holdout/corpus/ (one half of it), the vectors
Writes   nothing; the choice is in the stage's record
Passes   2 over the corpus, 1 over the label issues and over the vectors
Shuffle  that of the rows that are trained on, once for each way
Memory   as `evaluate`

The other half of the holdout is what `evaluate` reports on, so that no row that had a part in the
choice says how good it was. Ways are compared by labels alone: what other checks take out of clean/
they take out whichever way is chosen. See `core.evaluation.choice` for the rule.
"""

from typing import Final

from lakewinnow.config.sections import Config
from lakewinnow.core.evaluation import choice, variants
from lakewinnow.core.evaluation.choice import KEEP, SHOWN_BY
from lakewinnow.core.evaluation.variants import BASELINE, DROPPED, FIXED
from lakewinnow.figures.models import Choice
from lakewinnow.lake.training import training_sets
from lakewinnow.lake.training.training_sets import CHOOSING, REPORTING
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.stages.evaluate import training

UNVERIFIED: Final = "fix"  # what auto does where nothing can be compared
_NO_ROWS: Final = (
    "clean.label_issues: auto chose fix, but no trusted rows show that it helps: name"
    " evaluate.holdout, or evaluate.trusted"
)


def choose(lake: Lake, config: Config, trusted: Lake | None) -> StageReport[Choice]:
    """Choose what becomes of label issues.

    Parameters
    ----------
    trusted : the workspace that the holdout was taken into; None: there is none

    Raises
    ------
    See `evaluate.run`.
    """
    asked = config.clean.label_issues
    actions = [KEEP, "fix", "drop"] if asked == "auto" else [KEEP, asked]
    if trusted is None or not training_sets.is_halved(trusted):
        return _unverified(lake, config, trusted)
    trained = training.run(
        lake,
        trusted,
        config,
        names=(BASELINE, DROPPED, FIXED),
        part=CHOOSING,
        verdicts="checks/label_issues",
    )
    compared, _ = variants.compare(
        trained.on_parts, trained.on_all, trained.true_labels, trained.classes, trained.n_rows
    )
    action = choice.best_action(compared, actions)
    n_rows = len(trained.true_labels)
    is_unchanged = config.clean.require_improvement and action == KEEP
    shown = "better models" if action != KEEP else "no change is shown to make better models"
    found = Choice(
        asked=asked,
        label_issues=action,
        is_verified=True,
        is_unchanged=is_unchanged,
        why=f"{action}: {shown} on {n_rows:,} trusted rows",
        test_rows=n_rows,
        kept_for_evaluate=training_sets.test_rows(trusted, config, REPORTING).count(),
        compared={of: compared[SHOWN_BY[of]] for of in actions if SHOWN_BY[of] in compared},
    )
    return StageReport(
        rows_in=lake.rows("checks/label_issues"),
        rows_out=n_rows,
        reads={"checks/label_issues": 1, "corpus": 2, "holdout/corpus": 2},
        figures=found,
        warnings=[_unchanged(found)] if is_unchanged else [],
    )


def _unverified(lake: Lake, config: Config, trusted: Lake | None) -> StageReport[Choice]:
    """Do without a comparison: fix, or nothing where an improvement is required."""
    is_unchanged = config.clean.require_improvement
    action = KEEP if is_unchanged else UNVERIFIED
    least = 2 * training_sets.LEAST_TO_CHOOSE
    few = f"fewer than {least:,} trusted rows, of which half are kept to report on"
    found = Choice(
        asked=config.clean.label_issues,
        label_issues=action,
        is_verified=False,
        is_unchanged=is_unchanged,
        why=f"{action}: not verified, {'no trusted rows' if trusted is None else few}",
    )
    if is_unchanged:
        warning = f"clean.require_improvement: {few}: the input is published unchanged"
    elif trusted is None:
        warning = _NO_ROWS
    else:
        warning = f"clean.label_issues: auto chose fix, but nothing shows that it helps: {few}"
    return StageReport(
        rows_in=lake.rows("checks/label_issues"),
        rows_out=0,
        reads={},
        figures=found,
        warnings=[warning],
    )


def _unchanged(found: Choice) -> str:
    differences = ", ".join(
        f"{action} {100 * to.accuracy:+.1f} points"
        f" [{100 * to.accuracy_low:+.1f}, {100 * to.accuracy_high:+.1f}]"
        for action, figures in (found.compared or {}).items()
        if (to := figures.to_baseline)
    )
    return (
        f"clean.require_improvement: nothing is shown to help on {found.test_rows:,} trusted"
        f" rows ({differences}): the input is published unchanged"
    )
