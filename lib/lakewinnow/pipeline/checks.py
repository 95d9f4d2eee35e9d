"""The checks beside label issues, those that are configured."""

from lakewinnow.checks.exact_duplicates import stage as duplicates
from lakewinnow.checks.imbalance import stage as imbalance
from lakewinnow.checks.near_duplicates import stage as near_duplicates
from lakewinnow.checks.neighbors import stage as neighbors
from lakewinnow.checks.non_iid import stage as non_iid
from lakewinnow.checks.nulls import stage as nulls
from lakewinnow.checks.outliers import stage as outliers
from lakewinnow.checks.pii import stage as pii
from lakewinnow.checks.text import stage as text
from lakewinnow.checks.valuation import stage as valuation
from lakewinnow.config.sections import Config
from lakewinnow.lake.inputs.word_list import WordList
from lakewinnow.lake.workspace import Lake
from lakewinnow.pipeline.stages import Stages


def run(stages: Stages, lake: Lake, config: Config, words: WordList | None) -> None:
    """Run each check that the configuration asks for."""
    _run_by_neighbors(stages, lake, config)
    if config.checks.imbalance is not None:
        counted = config.checks.imbalance
        stages.run("imbalance", lambda: imbalance.run(lake, counted))
    if config.checks.nulls is not None:
        looked_at = config.checks.nulls
        stages.run("nulls", lambda: nulls.run(lake, config.input, looked_at))
    _run_of_the_whole(stages, lake, config)
    if config.checks.exact_duplicates is not None:
        stages.run("duplicates", lambda: duplicates.run(lake))
    if config.checks.near_duplicates is not None:
        alike = config.checks.near_duplicates
        stages.run("near_duplicates", lambda: near_duplicates.run(lake, alike))
    if config.checks.text is not None:
        rules = config.checks.text
        stages.run("text", lambda: text.run(lake, rules, words))
    if config.checks.pii is not None:
        looked_for = config.checks.pii
        stages.run("pii", lambda: pii.run(lake, looked_for))


def _run_by_neighbors(stages: Stages, lake: Lake, config: Config) -> None:
    has_vectors = config.input.pred_probs is None
    if has_vectors and config.checks.need_neighbors:
        found = config.checks.neighbors
        stages.run("neighbors", lambda: neighbors.run(lake, config.embedding, found))
    if config.checks.outliers is not None:
        wanted = config.checks.outliers
        stages.run("outliers", lambda: outliers.run(lake, wanted, by=wanted.judged_by(has_vectors)))


def _run_of_the_whole(stages: Stages, lake: Lake, config: Config) -> None:
    if config.checks.non_iid is not None:
        ordered = config.checks.non_iid
        stages.run("non_iid", lambda: non_iid.run(lake, config.input, ordered))
    if config.checks.groups is not None:
        from lakewinnow.checks.groups import stage as groups  # scikit-learn takes long to import

        grouped = config.checks.groups
        stages.run("groups", lambda: groups.run(lake, config.input, grouped))
    if config.checks.valuation is not None:
        valued = config.checks.valuation
        stages.run("valuation", lambda: valuation.run(lake, valued))
