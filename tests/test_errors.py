"""Errors carry where, expected, got and a hint; several travel together."""

import pickle

import pytest

from lakewinnow.errors import (
    ConfigError,
    DataError,
    EngineError,
    LakewinnowError,
    ProviderError,
    SchemaError,
    Shown,
    did_you_mean,
)


@pytest.mark.parametrize(
    ("kind", "exit_code"),
    [(ConfigError, 2), (SchemaError, 3), (DataError, 4), (ProviderError, 5), (EngineError, 6)],
)
def test_each_kind_has_its_exit_code(kind, exit_code):
    assert issubclass(kind, LakewinnowError)
    assert kind("code", "where", "x").exit_code == exit_code


def test_a_message_says_where_what_was_expected_and_what_was_got():
    error = ConfigError("wrong_type", "crossval.folds", "a whole number", "ten", "use digits")
    assert str(error) == "crossval.folds: expected a whole number, got 'ten'"
    assert (error.code, error.where, error.hint) == ("wrong_type", "crossval.folds", "use digits")


def test_shown_text_has_no_quotes():
    assert str(DataError("one_class", "label", "two", Shown("only one"))).endswith("got only one")


def test_an_error_crosses_a_process_border_whole():
    error = ConfigError.together([ConfigError("a", "x", "1", 2, "h"), ConfigError("b", "y", "3")])
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert [(p.code, p.where, p.hint, str(p)) for p in copy.problems] == [
        ("a", "x", "h", "x: expected 1, got 2"),
        ("b", "y", "", "y: expected 3, got None"),
    ]


def test_problems_keep_the_order_they_were_found_in():
    problems = [SchemaError(code, "x", "y") for code in "cab"]
    assert [problem.code for problem in SchemaError.together(problems).problems] == list("cab")


def test_an_error_can_be_about_another_key():
    moved = DataError("input_not_found", "input.path", "a table", "x.csv", "look").at("evaluate")
    assert isinstance(moved, DataError)
    assert (moved.code, moved.where, moved.hint) == ("input_not_found", "evaluate", "look")


@pytest.mark.parametrize(
    ("got", "hint"),
    [("fold", "did you mean 'folds'?"), ("FOLDS", "did you mean 'folds'?"), ("workspace", "")],
)
def test_did_you_mean_names_the_nearest(got, hint):
    assert did_you_mean(got, ["folds", "seed"]) == hint
