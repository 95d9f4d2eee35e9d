"""A run that chooses by trusted rows of its own input."""

import pytest

import lakewinnow
from builders import Recorder, make_config, messages, read_json, read_rows, write_csv

N_ROWS, N_TRUSTED = 90, 210
BY_THE_HOLDOUT = ["holdout", "choose", "decide", "publish", "report", "evaluate"]


@pytest.mark.slow
@pytest.mark.whole_run
def test_trusted_rows_decide_and_are_neither_learnt_from_nor_published(spark, tmp_path):
    right = [
        (f"again: {text}", label) for i, (text, label) in enumerate(messages(400)) if i % 10 != 4
    ]
    rows = [(*row, "") for row in messages(N_ROWS)]
    rows += [(*row, "true") for row in right[:N_TRUSTED]]
    path = write_csv(tmp_path / "rows.csv", rows, ("text", "label", "sure"))

    def run():
        config = make_config(
            path,
            tmp_path / "out",
            crossval={"folds": 3},
            embedding={"dimensions": 64},
            clean={"label_issues": "auto", "require_improvement": True},
            evaluate={"trusted": "sure", "seeds": 1},
        )
        observer = Recorder()
        return lakewinnow.run(config, spark, observer=observer), observer

    result, observer = run()
    assert [name for name in observer.ran if name in BY_THE_HOLDOUT] == BY_THE_HOLDOUT
    assert result.rows["in"] == N_ROWS
    summary = read_json(tmp_path / "out", "summary.json")
    assert summary["holdout"]["rows"] == N_TRUSTED
    assert summary["holdout"]["of_input"]
    choice = summary["choice"]
    assert choice["test_rows"] + choice["kept_for_evaluate"] == N_TRUSTED
    assert summary["comparison"]["test_rows"] == choice["kept_for_evaluate"]
    assert not any(row["sure"] for row in read_rows(tmp_path / "out", "clean"))
    issues = [row for row in read_rows(tmp_path / "out", "issues") if row["is_label_issue"]]
    assert issues
    assert all(choice["why"] in row["reason"] for row in issues)
    if choice["is_unchanged"]:
        assert result.rows["clean"] == N_ROWS
        assert any("published unchanged" in warning for warning in observer.warnings)
    else:
        assert choice["label_issues"] in summary["decisions"]

    assert run()[1].ran == []
