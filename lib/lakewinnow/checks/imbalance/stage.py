"""Imbalance: rows of a class that is too rare to be learnt.

Reads    corpus/, noise_model.json (how many rows each class has)
Writes   checks/imbalance/, one row per accepted row
Passes   1 over the labels of the corpus
Shuffle  none
"""

from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.checks.imbalance import CHECK, SCORE, ImbalanceConfig, ImbalanceFigures
from lakewinnow.core.checks.imbalance import imbalance
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.lake import check_tables
from lakewinnow.lake.corpus import accepted
from lakewinnow.lake.run import Run
from lakewinnow.lake.workspace import StageReport


def run(run: Run, config: ImbalanceConfig) -> StageReport[ImbalanceFigures]:
    """Find whether the rarest class is too rare; its rows' score is its share of all rows."""
    lake = run.lake
    model = NoiseModel.from_dict(lake.files.read_json("noise_model.json"))
    counts, names = model.threshold_state.counts, model.classes
    found = imbalance(counts, config.threshold)
    is_rarest = F.col(c.LABEL) == found.rarest
    n_rows = int(counts[found.rarest])
    why = f"rare class: {n_rows:,} of {int(counts.sum()):,} rows"
    score = F.when(is_rarest, found.share).otherwise(1.0)
    rows = accepted(lake).select(c.ROW_ID, c.LABEL, score.alias(SCORE))
    judged = check_tables.flagged(CHECK, rows, is_rarest & F.lit(found.is_issue), why)
    check_tables.publish(lake, CHECK, judged)
    figures = ImbalanceFigures(
        rows=n_rows if found.is_issue else 0,
        rarest=names[found.rarest],
        share=found.share,
        limit=found.limit,
        rare=[names[k] for k in found.rare],
        without_rows=[name for name, n in zip(names, counts, strict=True) if not n],
    )
    return check_tables.report(lake, CHECK, {"corpus": 1}, figures)
