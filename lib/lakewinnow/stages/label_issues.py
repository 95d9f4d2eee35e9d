"""Label issues: which rows to doubt, how much, and which label is the likeliest.

By confident learning or by the posterior that doubts; the suggested label is that of the one which
is as often right as it says, either way (`core.noise.posterior`). Where annotators have opinions on
a row, text, given label and opinions together say all of it (`core.crowd.opinions`).

Reads    pred_probs/, noise_model.json; with opinions annotators.json and opinions_by_row/
Writes   checks/label_issues/, one row per accepted row; checks/label_ranks/, one per issue
Passes   the selection's (one for small data, two most often; none by the posterior), and one to
         flag, score, suggest and write
Shuffle  none but the ranking of the issues; with opinions one by row id, if these are many
"""

from collections import Counter
from collections.abc import Sequence

from pyspark.sql import DataFrame

from lakewinnow import columns as c
from lakewinnow.config.sections import LabelIssuesConfig
from lakewinnow.core.crowd.next_opinion import NextOpinion
from lakewinnow.core.crowd.opinions import OpinionModel
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.core.selection.label_issues import IssueFilter
from lakewinnow.core.selection.scores import check_score
from lakewinnow.errors import ConfigError, unknown_classes
from lakewinnow.figures.labels import LabelIssueFigures
from lakewinnow.lake.corpus import accepted_probs
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark.passes import confident_learning
from lakewinnow.spark.passes.confident_learning import Judge
from lakewinnow.spark.passes.judged import Advice, judged
from lakewinnow.spark.passes.opinions import BY_ROW
from lakewinnow.spark.schemas import schema

LABEL_RANKS = schema(
    {
        c.ROW_ID: "string",
        c.LABEL_RANK: "int",  # 1 = worst
    }
)


def run(
    lake: Lake,
    config: LabelIssuesConfig,
    *,
    is_checked: bool = False,
    has_opinions: bool = False,
) -> StageReport[LabelIssueFigures]:
    """Flag, score and rank.

    Parameters
    ----------
    is_checked : whether rows that people checked say how far suggestions may be taken: then these
        are bolder, the doubting posterior's
    has_opinions : whether annotators have opinions, which then decide beside text and given label

    Raises
    ------
    ConfigError : a combination that cannot be: `rank_by` that does not go with `adjust_pred_probs`,
        say
    """
    noise_model = NoiseModel.from_dict(lake.files.read_json("noise_model.json"))
    pred_probs = accepted_probs(lake)
    doubting = Posterior.doubting(noise_model)
    judge: Judge | Posterior = doubting
    n_passes = 0
    if config.method == "confident_learning":
        judge, n_passes = _confident_judge(pred_probs, config, noise_model)
    posterior = doubting if is_checked else Posterior.of(noise_model)
    advice = Advice(posterior, doubting, NextOpinion.like_labels(doubting))
    rows = pred_probs
    if has_opinions:
        model = OpinionModel.from_dict(lake.files.read_json("annotators.json"))
        asked = NextOpinion.like_annotators(model)
        advice = Advice(posterior, doubting, asked, annotators=model)
        rows = rows.join(lake.read("opinions_by_row").select(*BY_ROW.names), c.ROW_ID, "left")
    found = judged(rows, noise_model.classes, noise_model.counts, advice, judge)
    lake.publish("checks/label_issues", found)
    found = lake.read("checks/label_issues")
    lake.publish("checks/label_ranks", confident_learning.ranks(found), schema=LABEL_RANKS)
    n_rows = lake.rows("checks/label_issues")
    return StageReport(
        rows_in=n_rows,
        rows_out=n_rows,
        reads={
            "pred_probs": n_passes + 1,
            "checks/label_issues": 2,
            **({"opinions_by_row": 1} if has_opinions else {}),
        },
        writes=("checks/label_issues", "checks/label_ranks"),
        figures=_figures(found, noise_model),
    )


def _confident_judge(
    pred_probs: DataFrame, config: LabelIssuesConfig, noise_model: NoiseModel
) -> tuple[Judge, int]:
    """Make the passes that cleanlab's filter needs; return what judges rows, and how many."""
    issue_filter = checked_filter(config, noise_model.classes)
    cuts, n_passes = confident_learning.cuts(pred_probs, issue_filter, noise_model)
    judge = Judge(
        classes=noise_model.classes,
        thresholds=noise_model.thresholds,
        issue_filter=issue_filter,
        cuts=cuts,
        rank_by=config.rank_by,
        adjust_pred_probs=config.adjust_pred_probs,
    )
    return judge, n_passes


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
        key = "label_issues.num_to_remove_per_class"
        ConfigError.raise_any(unknown_classes(key, to_remove, classes))
        to_remove = {name: to_remove.get(name, 0) for name in classes}
    return IssueFilter(
        filter_by=config.filter_by,
        frac_noise=config.frac_noise,
        min_examples_per_class=config.min_examples_per_class,
        num_to_remove_per_class=None if to_remove is None else tuple(to_remove.values()),
    )


def _figures(found: DataFrame, noise_model: NoiseModel) -> LabelIssueFigures:
    issues = found.where(c.IS_LABEL_ISSUE)
    counted = issues.groupBy(c.GIVEN_LABEL, c.PREDICTED_LABEL).count().collect()
    by_class: Counter[str] = Counter()
    likeliest: dict[str, str] = {}
    for given, predicted, n in sorted(counted, key=lambda row: (-row["count"], row[0], row[1])):
        by_class[given] += n
        likeliest.setdefault(given, predicted)
    counts = dict(zip(noise_model.classes, noise_model.counts.tolist(), strict=True))
    return LabelIssueFigures(
        n=by_class.total(),
        rows=sum(counts.values()),
        by_class={name: by_class[name] for name in noise_model.classes},
        class_counts=counts,
        most_often_predicted=likeliest,
    )
