"""Label issues: which rows to doubt, and how much.

Reads    pred_probs/, noise_model.json
Writes   checks/label_issues/, one row per accepted row; checks/label_ranks/, one per issue
Passes   the selection's (one for small data, two most often), and one to flag, score and write
Shuffle  none but the ranking of the issues
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pyspark.sql import DataFrame
from pyspark.sql.types import IntegerType, StringType, StructField, StructType

from lakewinnow import columns as c
from lakewinnow.config import LabelIssuesConfig
from lakewinnow.core.label_issues import IssueFilter
from lakewinnow.core.noise_model import NoiseModel
from lakewinnow.core.scores import check_score
from lakewinnow.errors import ConfigError, did_you_mean
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark import confident_learning

_SHOWN_CLASSES: Final = 20  # in an error: a table may have thousands
LABEL_RANKS = StructType(
    [
        StructField(c.ROW_ID, StringType(), nullable=False),
        StructField(c.LABEL_RANK, IntegerType(), nullable=False),  # 1 = worst
    ]
)


def run(lake: Lake, config: LabelIssuesConfig) -> StageReport:
    """Flag, score and rank.

    Raises
    ------
    ConfigError
        A combination that cannot be: `rank_by` that does not go with `adjust_pred_probs`, say.
    """
    noise_model = NoiseModel.from_dict(lake.files.read_json("noise_model.json"))
    issue_filter = checked_filter(config, noise_model.classes)
    pred_probs = lake.read("pred_probs")
    cuts, n_passes = confident_learning.cuts(pred_probs, issue_filter, noise_model)
    judge = confident_learning.Judge(
        classes=noise_model.classes,
        thresholds=noise_model.thresholds,
        issue_filter=issue_filter,
        cuts=cuts,
        rank_by=config.rank_by,
        adjust_pred_probs=config.adjust_pred_probs,
    )
    lake.publish("checks/label_issues", confident_learning.judged(pred_probs, judge))
    judged = lake.read("checks/label_issues")
    lake.publish("checks/label_ranks", confident_learning.ranks(judged), schema=LABEL_RANKS)
    n_rows = lake.rows("checks/label_issues")
    return StageReport(
        rows_in=n_rows,
        rows_out=n_rows,
        reads={"pred_probs": n_passes + 1, "checks/label_issues": 2},
        writes=("checks/label_issues", "checks/label_ranks"),
        details={"label_issues": _figures(judged, noise_model)},
    )


def checked_filter(config: LabelIssuesConfig, classes: Sequence[str] | None = None) -> IssueFilter:
    """Return the filter.

    Parameters
    ----------
    classes : None before they are known: the filter can be checked then, but not used

    Raises
    ------
    ConfigError : "unknown_class", or the code of options that do not go together
    """
    check_score(config.rank_by, adjusted=config.adjust_pred_probs)
    to_remove = config.num_to_remove_per_class
    if to_remove is not None and classes is not None:
        _check_class_names(to_remove, classes)
        to_remove = {name: to_remove.get(name, 0) for name in classes}
    return IssueFilter(
        filter_by=config.filter_by,
        frac_noise=config.frac_noise,
        min_examples_per_class=config.min_examples_per_class,
        num_to_remove_per_class=None if to_remove is None else tuple(to_remove.values()),
    )


def _check_class_names(names: Iterable[str], classes: Sequence[str]) -> None:
    shown = ", ".join(classes[:_SHOWN_CLASSES]) + (" …" if len(classes) > _SHOWN_CLASSES else "")
    problems = [
        ConfigError(
            "unknown_class",
            "label_issues.num_to_remove_per_class",
            f"names of classes ({shown})",
            name,
            did_you_mean(name, classes),
        )
        for name in sorted(set(names) - set(classes))
    ]
    if problems:
        raise ConfigError.together(problems)


def _figures(judged: DataFrame, noise_model: NoiseModel) -> Mapping[str, Any]:
    issues = judged.where(c.IS_LABEL_ISSUE)
    counted = issues.groupBy(c.GIVEN_LABEL, c.PREDICTED_LABEL).count().collect()
    by_class: Counter[str] = Counter()
    likeliest: dict[str, str] = {}
    for given, predicted, n in sorted(counted, key=lambda row: (-row["count"], row[0], row[1])):
        by_class[given] += n
        likeliest.setdefault(given, predicted)
    counts = dict(zip(noise_model.classes, noise_model.counts.tolist(), strict=True))
    return {
        "n": by_class.total(),
        "rows": sum(counts.values()),
        "by_class": {name: by_class[name] for name in noise_model.classes},
        "class_counts": counts,
        "most_often_predicted": likeliest,
    }
