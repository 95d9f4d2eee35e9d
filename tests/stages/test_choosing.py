"""Choosing: by one half of the trusted rows, so that the other can say how good the choice was."""

import numpy as np
from pyspark.sql import functions as F

from builders import found_by, lake_in, make_commit
from lakewinnow.stages import evaluate
from stages.test_evaluate import Case, blobs, own_vectors_config, put_rows


def config_of(**clean):
    return own_vectors_config(clean={"label_issues": "auto", **clean}, seeds=1, holdout="h.csv")


def halves(spark, folder, *, misled):
    """Return a holdout; `misled`, its half to choose by has the input's errors."""
    vectors, truth = blobs(600, seed=22)
    is_wrong = misled & (np.arange(600) % 2 == 0) & (truth == 0)
    trusted = lake_in(spark, folder)
    put_rows(trusted, vectors, np.where(is_wrong, 1, truth), "halved", halved=True)
    return trusted


def verdicts(choice):
    compared = choice["compared"].items()
    return {name: of["to_baseline"]["verdict"] for name, of in compared if name != "keep"}


def test_no_row_has_a_part_both_in_the_choice_and_in_the_report(spark, tmp_path):
    case = Case(spark, tmp_path)
    case.lake.publish("checks/label_issues", case.lake.read("issues").drop("decision"))
    trusted = halves(spark, tmp_path / "halves", misled=False)
    choice = found_by(evaluate.choose(case.lake, config_of(), trusted))
    assert verdicts(choice) == {"fix": "better", "drop": "better"}
    assert choice["label_issues"] in ("fix", "drop")
    assert choice["why"] == f"{choice['label_issues']}: better models on 300 trusted rows"
    assert (choice["test_rows"], choice["kept_for_evaluate"]) == (300, 300)
    assert (choice["asked"], choice["is_verified"]) == ("auto", True)
    assert (choice["is_unchanged"], choice["warnings"]) == (False, [])

    trusted = halves(spark, tmp_path / "misled", misled=True)
    choice = found_by(evaluate.choose(case.lake, config_of(require_improvement=True), trusted))
    assert verdicts(choice) == {"fix": "worse", "drop": "worse"}
    assert (choice["label_issues"], choice["is_unchanged"]) == ("keep", True)
    [warning] = choice["warnings"]
    assert "on 300 trusted rows (fix -" in warning
    assert warning.endswith("the input is published unchanged")
    reported = found_by(evaluate.run(case.lake, config_of(), trusted=trusted))
    assert reported["comparison"]["test_rows"] == 300
    assert reported["evaluate"]["fixed"]["to_baseline"]["verdict"] == "better"


def test_without_enough_trusted_rows_a_fix_is_not_verified(spark, tmp_path):
    lake, few = lake_in(spark, tmp_path / "out"), lake_in(spark, tmp_path / "few")
    lake.publish("checks/label_issues", spark.range(5).select(F.col("id").alias("row_id")))
    make_commit(few, "ingest", is_halved=False)
    alone, too_few = (found_by(evaluate.choose(lake, config_of(), of)) for of in (None, few))
    for details in (alone, too_few):
        assert details["label_issues"] == "fix"
        assert not details["is_verified"]
    assert "name evaluate.holdout" in alone["warnings"][0]
    assert "fewer than 200 trusted rows" in too_few["warnings"][0]
    strict = found_by(evaluate.choose(lake, config_of(require_improvement=True), few))
    assert (strict["label_issues"], strict["is_unchanged"]) == ("keep", True)
