"""Evaluate: the issues found against the errors that a reference knows of."""

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score, roc_auc_score

from builders import corpus_row, make_config, make_table, write_csv
from lakewinnow.errors import DataError
from lakewinnow.lake.source import read_source
from lakewinnow.stages import evaluate

# Row id: text, given label (an index), flagged, score.
ROWS = {
    "1": ("one", 0, False, 0.9),
    "2": ("two", 0, True, 0.1),
    "3": ("three", 1, True, 0.2),
    "4": ("four", 1, False, 0.3),
    "5": ("four", 0, True, 0.25),
}


@pytest.fixture
def detection(spark, lake, tmp_path):
    """The figures for a reference of (text, true label, id) rows."""
    corpus = [corpus_row(row_id, row[0], row[1]) for row_id, row in ROWS.items()]
    make_table(lake, "corpus", corpus)
    issues = [
        {
            "row_id": row_id,
            "given_label": "ab"[label],
            "is_label_issue": is_flagged,
            "label_score": score,
        }
        for row_id, (_, label, is_flagged, score) in ROWS.items()
    ]
    make_table(lake, "issues", issues)

    def evaluated(reference, **input_):
        path = write_csv(tmp_path / "reference.csv", reference, ("text", "label", "key"))
        source = make_config(path, input=input_).input
        report = evaluate.run(lake, read_source(spark, source, "csv"), source)
        return report.details["detection"]

    return evaluated


def test_rows_meet_by_id(detection):
    truth = [("any", "aaaba"[i], str(i + 1)) for i in range(5)]  # row 3 is wrong
    found = detection(truth, id="key")
    assert (found["rows"], found["errors"], found["found"]) == (5, 1, 1)
    assert (found["precision"], found["recall"]) == (1 / 3, 1.0)
    assert found["auroc"] == 3 / 4


def test_rows_meet_by_text_where_there_is_no_id(detection):
    truth = [("one", "b", ""), ("two", "b", ""), ("three", "b", ""), ("strange", "a", "")]
    found = detection(truth)
    assert (found["rows"], found["errors"], found["found"]) == (3, 2, 1)


def test_a_text_of_two_true_labels_is_left_out(detection):
    truth = [("four", "a", ""), ("four", "b", ""), ("two", "b", ""), ("", "a", ""), ("one", "", "")]
    assert detection(truth)["rows"] == 1


def test_a_reference_of_other_rows_is_an_error(detection):
    with pytest.raises(DataError) as caught:
        detection([("strange", "a", "")])
    assert (caught.value.code, caught.value.where) == (
        "reference_matches_nothing",
        "evaluate.reference",
    )


def test_figures_are_scikit_learns():
    rng = np.random.default_rng(3)
    scores = rng.integers(0, 12, 200) / 12  # with ties
    is_error = rng.random(200) > scores
    is_flagged = scores < 0.3
    n = rng.integers(1, 4, 200)
    found = evaluate._detection(scores, is_error, is_flagged, n)
    assert found["auroc"] == pytest.approx(roc_auc_score(is_error, -scores, sample_weight=n))
    assert found["precision"] == precision_score(is_error, is_flagged, sample_weight=n)
    assert found["recall"] == recall_score(is_error, is_flagged, sample_weight=n)


def test_what_cannot_be_said_is_null():
    nothing = np.zeros(3, bool)
    found = evaluate._detection(np.arange(3.0), nothing, nothing, np.ones(3, int))
    assert (found["precision"], found["recall"], found["auroc"]) == (None, None, None)
