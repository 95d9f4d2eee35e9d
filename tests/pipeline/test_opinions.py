"""A run with annotations and a labelling function: what they say decides, and is in the reports."""

import pytest

import lakewinnow
from builders import Recorder, make_config, messages, read_json, read_rows, write_csv

RULE = """
def parcels(text):
    return "shipping" if "parcel" in text else None
"""


@pytest.mark.slow
@pytest.mark.whole_run
def test_what_annotators_say_decides_and_is_told(spark, tmp_path):
    rows = [(f"m{i}", *row) for i, row in enumerate(messages(90))]
    right = {key: ("billing", "login", "shipping")[i % 3] for i, (key, _, _) in enumerate(rows)}
    source = write_csv(tmp_path / "rows.csv", rows, ("key", "text", "label"))
    (tmp_path / "rules.py").write_text(RULE)
    said = tmp_path / "said.csv"

    def run(*more):
        opinions = [(key, name, right[key]) for key, _, _ in rows[4::2] for name in ("amy", "ben")]
        write_csv(said, [*opinions, *more], ("row_id", "annotator", "label"))
        config = make_config(
            source,
            tmp_path / "out",
            input={"id": "key", "annotations": {"path": str(said)}},
            opinions={"functions": [f"{tmp_path}/rules.py:parcels"]},
            crossval={"folds": 3},
            embedding={"dimensions": 64},
            clean={"label_issues": "fix"},
            ask={},
        )
        observer = Recorder()
        return lakewinnow.run(config, spark, observer=observer), observer

    result, observer = run(("nowhere", "amy", "login"))
    [warning] = observer.warnings
    assert "1 of 87 annotations is not used" in warning
    issues = {row["row_id"]: row for row in read_rows(tmp_path / "out", "issues")}
    wrong = [row for row in rows[4::2] if row[2] != right[row[0]]]
    assert len(wrong) == 9
    for key, _, _ in wrong:
        assert issues[key]["new_label"] == right[key]
        n = 3 if right[key] == "shipping" else 2
        assert issues[key]["reason"].endswith(f"; {n} of {n} annotators say {right[key]}")
    clean = {row["key"]: row["label"] for row in read_rows(tmp_path / "out", "clean")}
    assert all(clean[key] == right[key] for key, _, _ in rows[4::2])

    summary = read_json(tmp_path / "out", "summary.json")
    assert summary["annotations"] == {"read": 87, "unused": {"unknown_row": 1}}
    assert [of["annotator"] for of in summary["opinions"]["annotators"]] == [
        "amy",
        "ben",
        "parcels",
    ]
    assert summary["ask"]["rows"] == len(read_rows(tmp_path / "out", "ask"))
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Who says what" in page
    assert "What parcels says of which class" in page
    assert result.figures.opinions.n == 86 + 30

    _, again = run()
    assert not {"ingest", "functions", "crossval", "noise"} & {*again.ran}
    assert {"annotations", "annotators", "label_issues", "ask", "decide"} <= {*again.ran}
