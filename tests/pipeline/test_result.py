"""What `run` gives a Python program: a short summary, and warnings that are Python's."""

import pytest

import lakewinnow
from builders import make_config, messages, sample_run, write_csv


def test_a_result_is_shown_in_a_few_lines(spark):
    _, result = sample_run(spark)
    first, *rest = repr(result).splitlines()
    assert first == f"RunResult of {result.workspace}"
    n = result.summary["label_issues"]["n"]
    assert rest[0] == f"  {n} of 591 labels look wrong ({n / 591:.1%})"
    assert rest[1].startswith("  600 rows in: ")
    assert len(rest) == 4


def test_warnings_of_a_run_are_pythons_and_name_the_callers_line(spark, tmp_path):
    path = write_csv(tmp_path / "in.csv", [*messages(60), ("one of a kind", "rare")])
    config = make_config(path, tmp_path / "out", crossval={"folds": 2})
    with pytest.warns(lakewinnow.LakewinnowWarning, match="rare") as caught:
        result = lakewinnow.run(config, spark, until="ingest")
    assert {of.filename for of in caught} == {__file__}
    assert "stopped before clean/" in repr(result)
