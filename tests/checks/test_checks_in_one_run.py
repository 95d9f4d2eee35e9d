"""The checks that judge every row, in one run: what they add to it, do in it and say of it."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lakewinnow
from builders import Recorder, assert_keeps_the_contracts, make_config, read_rows
from lakewinnow.checks.groups import Group, GroupFigures
from lakewinnow.checks.non_iid import OrderFigures
from lakewinnow.checks.valuation import ValuationFigures
from lakewinnow.errors import SchemaError
from lakewinnow.terminal.command_line import CommandLine
from lakewinnow.terminal.result import print_result

pytestmark = pytest.mark.whole_run
N_ROWS = 80
STRANGE = (10, 50)
ISSUES = ("outlier", "class_imbalance", "null")


@pytest.fixture(scope="module")
def result(spark, tmp_path_factory):
    """A run over vectors around two directions, two that are of neither, and one rare class."""
    folder = tmp_path_factory.mktemp("row_checks")
    rng = np.random.default_rng(20240229)
    kind = np.arange(N_ROWS) * 2 // N_ROWS  # one kind comes after the other
    vectors = np.eye(2, 6)[kind] + rng.normal(scale=0.1, size=(N_ROWS, 6))
    vectors[list(STRANGE)] *= -1
    labels = np.array(["cats", "dogs"])[kind]
    labels[[5, 45]] = ["dogs", "cats"]
    labels[79] = "rare"
    sites = [None if i % 3 else ["web", "app"][i % 2] for i in range(N_ROWS)]
    table = pa.table(
        {
            "label": labels,
            "vector": pa.array(vectors.tolist()),
            "site": sites,
            "note": pa.array([" " if i == 20 else "seen" for i in range(N_ROWS)]),
            "day": np.arange(N_ROWS),
        }
    )
    pq.write_table(table, folder / "rows.parquet")
    config = make_config(
        folder / "rows.parquet",
        folder / "out",
        input={"text": None, "embedding": "vector"},
        crossval={"folds": 2},
        checks={
            "neighbors": {"k": 5},
            "outliers": {"threshold": 0.2},
            "imbalance": {},
            "nulls": {"columns": ["site", "note"]},
        },
        clean={"label_issues": "keep", "outliers": "review", "nulls": "drop"},
    )
    return lakewinnow.run(config, spark, until="publish", observer=Recorder())


def test_each_adds_its_columns_to_issues_and_acts_as_it_is_told_to(result):
    assert_keeps_the_contracts(result.workspace)
    rows = sorted(read_rows(result.workspace, "issues"), key=lambda row: row["text_preview"])
    assert len(rows) == N_ROWS
    for row in rows:
        assert all(0 <= row[f"{issue}_score"] <= 1 for issue in ISSUES)
    outliers = [row for row in rows if row["is_outlier_issue"]]
    assert len(outliers) == 2 == result.rows["review"]
    for row in outliers:
        assert row["decision"] == "review"
        assert "outlier: distance " in row["reason"]
    days = {row["day"] for row in read_rows(result.workspace, "review")}
    assert days == set(STRANGE)
    [empty] = read_rows(result.workspace, "dropped")
    assert empty["day"] == 20
    assert "empty: none of 2 columns has a value" in empty["reason"]
    assert result.summary["dropped"] == {"nulls": 1}


def test_what_they_found_is_in_the_summary_and_on_the_terminal(result, capsys):
    summary = result.summary
    assert summary["outliers"]["rows"] == 2
    assert summary["imbalance"] | {"rare": ["rare"], "rows": 1} == summary["imbalance"]
    assert summary["nulls"]["columns"]["note"] == 1 / N_ROWS
    # As the stages report them, whose own tests run them
    worst = Group(by="site", group="web", rows=9, score=0.07, is_issue=True)
    others = [replace(worst, by="cluster", is_issue=False), worst]
    checks = result.figures.checks | {
        "non_iid": OrderFigures(
            by="day", significant=0.05, rows=1, judged=80, statistic=0.5, p_value=0.0004
        ),
        "groups": GroupFigures(rows=9, worst=others, threshold=0.1),
        "valuation": ValuationFigures(rows=3, judged=78, mean=0.5, threshold=0.5, k=5),
    }
    figures = replace(result.figures, checks=checks)
    print_result(replace(result, figures=figures), CommandLine(("c.yaml",)))
    out = capsys.readouterr().out
    assert "Outliers: 2 of 80 rows are farther than " in out
    assert "Rare classes: rare; the rarest has 1.25% of the rows" in out
    assert "Missing values: " in out
    assert "Row order: sorted by day, similar rows come together" in out
    assert (
        "Weak groups: 9 rows of site web: the classifier's confidence in their labels is 7%" in out
    )
    assert "cluster" not in out
    assert "Harmful rows: 3 of 78 rows do more harm than good" in out


def test_a_column_that_is_not_there_is_told_before_anything_is_written(spark, result, tmp_path):
    path = f"{result.workspace}/../rows.parquet"
    checks = {"nulls": {"columns": ["nots"]}, "groups": {"columns": ["sight"]}}
    config = make_config(
        path, tmp_path / "out", checks=checks, input={"text": None, "embedding": "vector"}
    )
    with pytest.raises(SchemaError) as caught:
        lakewinnow.run(config, spark)
    assert [problem.where for problem in caught.value.problems] == [
        "checks.nulls.columns",
        "checks.groups.columns",
    ]
    assert not (tmp_path / "out").exists()
