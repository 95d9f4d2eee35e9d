"""Evaluate: whether the issues found are errors, and whether to clean them makes better models.

Reads    corpus/, issues/, pred_probs/, the reference; holdout/corpus/, the vectors
Writes   nothing; its figures go to summary.json
Passes   with a reference 1 over it, the corpus and the issues; with a holdout 2 over the corpus
         (rows by class; the sample), 1 over the issues, the pred_probs and the vectors
Shuffle  with a reference one, by id (or text key). With a holdout that of the sample: the rows that
         are trained on, once for each training set, with their vectors
Memory   a task: five times the vectors of `evaluate.max_train_rows` rows and `MAX_TEST_ROWS` test
         rows (of soft labels the rows count up to `MOST_LABELS` times); the driver: for each test
         row and model 12 bytes, and 16 MB

`choose`, a stage of its own, comes before the labels are decided. See `choosing`, `detection` and
`training`.
"""

from dataclasses import replace

from lakewinnow.config.sections import Config
from lakewinnow.figures.models import Evaluated
from lakewinnow.lake.inputs import reference as reference_
from lakewinnow.lake.inputs.source import Source
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.stages.evaluate import detection, training
from lakewinnow.stages.evaluate.choosing import choose
from lakewinnow.stages.evaluate.figures import comparison_of, warnings

__all__ = ["choose", "run"]


def run(
    lake: Lake, config: Config, *, reference: Source | None = None, trusted: Lake | None = None
) -> StageReport[Evaluated]:
    """Compare issues with the reference, and models with each other on the holdout.

    Parameters
    ----------
    reference : the input's rows with their labels corrected
    trusted : the workspace that the holdout was taken into

    Raises
    ------
    DataError : "reference_matches_nothing", "holdout_too_small", "too_few_to_train_on",
        "other_embeddings"
    EngineError : "embedding_missing", "classifier_failed"
    """
    found = StageReport(rows_in=lake.rows("issues"), rows_out=0, reads={}, figures=Evaluated())
    true_labels = None
    if reference is not None:
        true_labels = reference_.true_labels(reference, config.input)
        found = detection.run(lake, reference, true_labels, config.input)
    if trusted is None:
        return found
    trained = training.run(lake, trusted, config, true_labels)
    reads = {"issues": 1, "corpus": 2, "pred_probs": 1, "holdout/corpus": 2}
    return replace(
        found,
        reads={name: n + found.reads.get(name, 0) for name, n in reads.items()},
        rows_out=len(trained.true_labels),
        figures=replace(comparison_of(trained), detection=found.figures.detection),
        warnings=warnings(trained),
    )
