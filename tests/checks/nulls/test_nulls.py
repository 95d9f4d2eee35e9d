"""Nulls and imbalance: rows are judged as by Datalab, and blank texts are missing too."""

from math import nan

import numpy as np
import pandas as pd
from cleanlab.datalab.internal.issue_manager.null import NullIssueManager

from builders import corpus_row, make_pred_probs, make_run, make_table, read_rows
from core.datalab import find_issues
from lakewinnow.checks.imbalance import ImbalanceConfig
from lakewinnow.checks.imbalance import stage as imbalance
from lakewinnow.checks.nulls import NullsConfig
from lakewinnow.checks.nulls import stage as nulls
from lakewinnow.stages import noise
from lakewinnow.typed_json import to_json

VALUES = {
    "age": [1.0, None, nan, 4.0, None, 6.0],
    "job": ["a", None, "", "  \u00a0", None, "f"],
    "when": [None, None, None, 4, None, 6],
}


def test_rows_without_a_value_are_datalabs(lake):
    names = list(VALUES)
    sources = [dict(zip(names, row, strict=True)) for row in zip(*VALUES.values(), strict=True)]
    rows = [corpus_row(f"{i}", f"text {i}", i % 2, **row) for i, row in enumerate(sources)]
    make_table(lake, "corpus", rows)
    report = nulls.run(make_run(lake), NullsConfig())
    rows = read_rows(lake.files.root, "checks/nulls")
    frame = pd.DataFrame(VALUES).replace({"": None, "  \u00a0": None})
    theirs = find_issues(NullIssueManager, features=frame)
    assert [row["is_null_issue"] for row in rows] == theirs.is_null_issue.tolist()
    np.testing.assert_allclose([row["null_score"] for row in rows], theirs.null_score)
    assert rows[4]["why"] == "empty: none of 3 columns has a value"
    assert to_json(report.figures) == {
        "rows": 3,
        "columns": {"age": 3 / 6, "job": 4 / 6, "when": 4 / 6},
        "most_often": {"columns": names, "rows": 3},
    }
    report = nulls.run(make_run(lake), NullsConfig(columns=("job",)))
    assert (report.figures.rows, report.figures.columns) == (4, {"job": 4 / 6})


def test_rows_of_a_class_that_is_too_rare_are_flagged(lake):
    labels = np.repeat([0, 1, 2], [30, 30, 1])
    make_pred_probs(lake, labels, np.eye(4)[labels] * 0.8 + 0.05)
    noise.run(lake)
    make_table(
        lake, "corpus", [{"row_id": f"{i:05}", "label": int(k)} for i, k in enumerate(labels)]
    )
    report = imbalance.run(make_run(lake), ImbalanceConfig())
    rows = read_rows(lake.files.root, "checks/imbalance")
    assert [row["is_class_imbalance_issue"] for row in rows] == [False] * 60 + [True]
    assert [row["class_imbalance_score"] for row in rows] == [1.0] * 60 + [1 / 61]
    assert rows[-1]["why"] == "rare class: 1 of 61 rows"
    assert report.figures.rare == ["class 2"]
    assert report.figures.without_rows == ["class 3"]
