"""What the report shows beside other stages' figures, on a run over the bundled sample."""

from collections import Counter
from unicodedata import normalize

import pytest

from builders import make_table, read_json, read_rows, sample_run
from lakewinnow.checks.drift import CHECK as DRIFT
from lakewinnow.checks.drift.stage import DRIFTED
from lakewinnow.config.sections import ChecksConfig
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.stages import report
from lakewinnow.stages.report import N_BINS, N_OF_GROUP, WORST
from lakewinnow.typed_json import to_json


@pytest.fixture(scope="module")
def found(spark, sample):
    """The stage's details and the rows of issues/."""
    found = report.run(Lake(spark, sample), ChecksConfig().of_rows)
    return to_json(found.figures), read_rows(sample, "issues")


def test_counts_rows_by_score(found):
    details, rows = found
    flagged = Counter(
        min(int(r["label_score"] * N_BINS), N_BINS - 1) for r in rows if r["is_label_issue"]
    )
    assert details["histogram"]["flagged"] == [flagged[i] for i in range(N_BINS)]
    assert sum(map(sum, details["histogram"].values())) == len(rows)
    of_class = Counter(row["given_label"] for row in rows)
    for name, counted in details["histograms"].items():
        assert sum(map(sum, counted.values())) == of_class[name]


def test_shows_the_worst_of_each_class(found):
    details, rows = found
    for name, shown in details["worst"].items():
        issues = [r for r in rows if r["is_label_issue"] and r["given_label"] == name]
        worst = sorted(issues, key=lambda row: row["label_rank"])[:WORST]
        assert [row["row_id"] for row in shown] == [row["row_id"] for row in worst]
    assert len(details["worst"]) == len({r["given_label"] for r in rows if r["is_label_issue"]})


def test_shows_the_largest_sets(found):
    details, rows = found
    sizes = Counter(row["exact_duplicate_set"] for row in rows if row["exact_duplicate_set"])
    shown = details["sets"]["exact_duplicates"]
    assert [of["rows"] for of in shown] == sorted(sizes.values(), reverse=True)[: len(shown)]
    for of in shown:
        assert of["rows"] == sizes[of["set"]]
        assert len(of["examples"]) == 1
        texts = {normalize("NFC", one["text_preview"]) for one in of["examples"]}
        assert len(texts) == 1


def test_shows_the_rows_that_have_drifted_most(lake):
    scores = {"chat": range(N_OF_GROUP + 3), "mail": range(2)}
    rows = [
        (f"{name} {i:02}", name, i / 100, "a", "text")
        for name, of_group in scores.items()
        for i in of_group
    ]
    make_table(lake, "checks/drift", [dict(zip(DRIFTED.names, row, strict=True)) for row in rows])
    assert report._by_group(lake, DRIFT) == {}  # of no run that stands
    told = StageReport(rows_in=9, rows_out=len(rows), reads={}, writes=("checks/drift",))
    lake.commit("drift", "of a test", 0.0, told)
    found = report._by_group(lake, DRIFT)
    assert [row.row_id for row in found["mail"]] == ["mail 01", "mail 00"]
    assert [row.score for row in found["chat"]] == [i / 100 for i in range(12, 2, -1)]


def test_the_page_lies_in_the_workspace_and_is_the_result(spark, sample):
    _, result = sample_run(spark)
    page = Lake(spark, sample).files.read_bytes("report.html").decode()
    assert page == result.report.html()
    n = read_json(sample, "summary.json")["label_issues"]["n"]
    assert f"<h1>{n:,} of " in page
    assert result._repr_html_().startswith("<iframe")
    assert set(result.pictures()) >= {"flow", "noise_matrix", "confident_joint", "label_scores"}
