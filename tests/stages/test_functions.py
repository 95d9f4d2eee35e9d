"""Functions: the user's labelling functions, asked about every text."""

import pytest

from builders import USERS_CODE, corpus_row, lake_in, make_commit, make_table, read_rows
from lakewinnow.config.sections import InputConfig, OpinionsConfig
from lakewinnow.errors import ConfigError
from lakewinnow.plan.registry import local_modules
from lakewinnow.spark.arrow.functions import ship
from lakewinnow.stages import functions

RULES = """
def by_first(text):
    return None if text.startswith("-") else text[0]


def always_b(text):
    return "b"


def silent(text):
    return None


def of_no_class(text):
    return "z" if text == "bad" else None


def fails(text):
    return None if text.startswith("Hello") else 1 / 0


def fails_at_once(text):
    return text + 1
"""
TEXTS = {"r0": "a 1", "r1": "b 2", "r2": "- 3", "r3": "a 1", "r4": "bad"}


@pytest.fixture(scope="module")
def lake(spark, tmp_path_factory):
    (USERS_CODE / "users_functions.py").write_text(RULES)
    lake = lake_in(spark, tmp_path_factory.mktemp("functions"))
    make_commit(lake, "ingest", classes=["a", "b"])
    make_table(lake, "corpus", [corpus_row(row_id, text) for row_id, text in TEXTS.items()])
    return lake


def asked(lake, *paths):
    report = functions.run(lake, paths, InputConfig(label="label"))
    rows = read_rows(lake.files.root, "opinions/functions")
    return {(row["row_id"], row["annotator"]): row["label"] for row in rows}, report


def test_each_text_gets_an_opinion_or_none(lake):
    opinions, report = asked(lake, "users_functions.by_first", "users_functions.always_b")
    first = {"r0": 0, "r1": 1, "r3": 0, "r4": 1}
    assert opinions == {
        **{(row_id, "by_first"): label for row_id, label in first.items()},
        **{(row_id, "always_b"): 1 for row_id in TEXTS},
    }
    assert (report.rows_in, report.rows_out) == (5, 9)


def test_functions_may_stand_in_a_file_that_no_worker_can_import(lake, tmp_path):
    file = tmp_path / "rules_of_mine.py"
    file.write_text(RULES)
    config = OpinionsConfig(functions=(f"{file}:always_b",))
    functions.check(config)
    ship(local_modules())
    opinions, _ = asked(lake, *config.functions, "users_functions.always_b")
    assert {name for _, name in opinions} == {f"{file}:always_b", "users_functions.always_b"}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("fails", ["users_functions.fails, row r", "ZeroDivisionError"]),
        ("of_no_class", ["users_functions.of_no_class, row r4", "got 'z'"]),
    ],
)
def test_an_error_says_which_function_and_which_row(lake, name, says):
    with pytest.raises(Exception, match=r"opinions\.functions") as caught:
        asked(lake, f"users_functions.{name}")
    assert all(part in str(caught.value) for part in says)


def test_a_function_that_says_nothing_is_named(lake):
    _, report = asked(lake, "users_functions.silent", "users_functions.always_b")
    assert report.warnings == ["opinions.functions: users_functions.silent gives no text a label"]


@pytest.mark.usefixtures("lake")
def test_what_cannot_work_is_found_before_the_run():
    names = ("users_functions.fails_at_once", "users_functions.missing", "no_such.module")
    with pytest.raises(ConfigError) as caught:
        functions.check(OpinionsConfig(functions=names))
    found = [(problem.code, problem.where) for problem in caught.value.problems]
    assert found == [
        ("function_failed", "opinions.functions[0]"),
        ("not_importable", "opinions.functions[1]"),
        ("not_importable", "opinions.functions[2]"),
    ]
