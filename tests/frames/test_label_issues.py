"""`find_label_issues`: cleanlab's, of any kind of frame, partitions or bad rows beside."""

import doctest
import json
from contextlib import nullcontext
from typing import get_args

import cleanlab.count
import cleanlab.filter
import numpy as np
import pandas as pd
import pytest
from cleanlab.rank import get_label_quality_scores
from pyspark.ml.functions import array_to_vector
from pyspark.sql import functions as F

from core import reference
from core.generate import corpus
from core.noise.test_noise_model import model_of
from lakewinnow import find_label_issues
from lakewinnow.core.noise.confident_learning import confident_guesses, unflagged
from lakewinnow.core.selection.label_issues import LOW, FilterBy
from lakewinnow.errors import ConfigError, DataError, SchemaError
from lakewinnow.spark.sessions.engines import is_sail

CLASSES = ["ant", "bee", "cat", "dog"]
COLUMNS = {"label": "given", "pred_probs": "probs"}
FOUND = [
    "predicted_label",
    "predicted_prob",
    "is_label_issue",
    "label_score",
    "label_rank",
    "error_code",
]


def generated(kind="continuous", n_rows=300, names=CLASSES):
    """Return a frame of labels and probabilities, and the same as cleanlab wants them."""
    labels, pred_probs, _ = corpus(11, n_classes=len(CLASSES), n_rows=n_rows, kind=kind)
    if kind == "rounded":
        pred_probs = np.round(pred_probs, 2)
    df = pd.DataFrame(
        {
            "id": [f"r{i:03}" for i in range(n_rows)],
            "given": [names[k] for k in labels],
            "probs": list(pred_probs),
        }
    )
    return df, labels, pred_probs


def bad(df):
    """Add rows that cannot be used, mix all up, and say why they cannot."""
    probs = df.probs.iloc[0]
    faults = {
        "n0": ("ant", np.nan * probs, "pred_probs_nan"),
        "n1": ("ant", np.array([None, *probs[1:]], float), "pred_probs_nan"),
        "n2": ("ant", np.array([1.1, -0.1, 0, 0]), "pred_probs_negative"),
        "n3": ("ant", np.array([1.005, 0, 0, 0]), "pred_probs_above_one"),
        "n4": ("ant", probs * 0.9, "pred_probs_sum"),
        "n5": ("ant", probs[:-1], "pred_probs_wrong_length"),
        "n6": ("ant", probs[:0], "pred_probs_wrong_length"),
        "n7": ("ant", None, "pred_probs_wrong_length"),
        "n8": ("unicorn", probs, "label_not_in_classes"),
        "n9": (None, probs, "label_not_in_classes"),
    }
    more = [{"id": i, "given": label, "probs": p} for i, (label, p, _) in faults.items()]
    mixed = pd.concat([pd.DataFrame(more), df]).sample(frac=1, random_state=1)
    return mixed, {i: code for i, (*_, code) in faults.items()}


def plain(df, key="id", found=FOUND):
    """Return what was found, by id, as Python's own values."""
    values = df[[key, *found]].astype(object)
    rows = values.where(values.notna(), None).to_numpy().tolist()
    return {row_id: row for row_id, *row in rows}


def on_spark(spark, df, schema, n_partitions=3):
    rows = df.assign(probs=[None if p is None else p.tolist() for p in df.probs])
    tuples = list(rows.itertuples(index=False, name=None))
    return spark.createDataFrame(tuples, schema).repartition(n_partitions)


@pytest.mark.parametrize("filter_by", get_args(FilterBy))
def test_it_is_cleanlabs(filter_by):
    df, labels, pred_probs = generated("rounded")
    found = find_label_issues(df, id="id", filter_by=filter_by, **COLUMNS)
    flagged = reference.find_label_issues(labels, pred_probs, filter_by=filter_by)
    assert found.is_label_issue.tolist() == flagged.tolist()
    scores = get_label_quality_scores(labels, pred_probs)
    np.testing.assert_allclose(found.label_score, scores, rtol=1e-12)
    ranked = [i for i in np.lexsort((df.id, found.label_score)) if flagged[i]]
    assert found.label_rank[ranked].tolist() == list(range(1, len(ranked) + 1))
    assert found.label_rank.isna().tolist() == (~flagged).tolist()
    assert found.predicted_label.tolist() == np.take(CLASSES, pred_probs.argmax(axis=1)).tolist()
    assert found.predicted_prob.tolist() == pred_probs.max(axis=1).tolist()
    assert found[df.columns.tolist()].equals(df)


def test_bad_rows_do_not_move_the_others():
    df, *_ = generated()
    expected = plain(find_label_issues(df, id="id", **COLUMNS))
    more, codes = bad(df)
    with pytest.warns(UserWarning, match="10 of 310 rows are left out: 2 pred_probs_nan") as caught:
        found = plain(find_label_issues(more, id="id", classes=CLASSES, **COLUMNS))
    assert caught[0].filename == __file__
    for row_id, code in codes.items():
        assert found.pop(row_id) == [None] * 5 + [code]
    assert found == expected


# --- kinds of Spark columns ---------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*left out")
def test_doubles_with_ids_and_bad_rows_on_spark(spark):
    df, labels, pred_probs = generated("rounded")
    more, codes = bad(df)
    more.loc[more.id == "r005", "id"] = None  # may be: its content stands in for it
    expected = plain(find_label_issues(more, id="id", classes=CLASSES, **COLUMNS))
    on_three = on_spark(spark, more, "id string, given string, probs array<double>")
    found = find_label_issues(on_three, id="id", classes=CLASSES, **COLUMNS)
    assert found.columns == ["id", "given", "probs", *FOUND]
    collected = plain(found.toPandas())
    assert collected == expected
    assert {i: row[-1] for i, row in collected.items() if row[-1]} == codes
    flagged = reference.find_label_issues(labels, pred_probs)
    flags = {i or "r005": row[FOUND.index("is_label_issue")] for i, row in collected.items()}
    assert [flags[i] for i in df.id] == flagged.tolist()


def test_floats_with_integers_and_without_ids_on_spark(spark):
    df, labels, pred_probs = generated("float32", names=range(4))
    settings = {"filter_by": "both", "rank_by": "normalized_margin", "adjust_pred_probs": True}
    expected = find_label_issues(df, **settings, **COLUMNS)
    frame = on_spark(spark, df, "id string, given int, probs array<float>", 1)
    found = find_label_issues(frame, **settings, **COLUMNS)
    assert dict(found.dtypes)["predicted_label"] == "int"
    assert dict(found.dtypes)["probs"] == "array<float>"
    assert plain(found.toPandas()) == plain(expected)
    flagged = reference.find_label_issues(labels, pred_probs, filter_by="both")
    assert expected.is_label_issue.tolist() == flagged.tolist()


def test_columns_of_any_name_and_kind_pass_through_on_spark(spark):
    df, *_ = generated("rounded")
    expected = plain(find_label_issues(df, id="id", **COLUMNS))
    frame = on_spark(spark, df, "id string, given string, probs array<double>").select(
        F.col("id").alias("the.id"),
        F.col("given").alias("a `given` label"),
        F.col("probs").cast("array<decimal(4,2)>").alias("label_score"),
        F.create_map(F.lit("k"), "id").alias("row_id"),
        F.lit("2024-01-01").cast("timestamp").alias("Error_Code"),
        (F.col("probs") if is_sail(spark) else array_to_vector("probs")).alias("vector"),
    )
    for pred_probs in ("label_score", "vector"):
        found = find_label_issues(
            frame, id="the.id", label="a `given` label", pred_probs=pred_probs
        )
        theirs, ours = found.columns[:6], found.columns[6:]
        assert theirs == frame.columns
        assert ours == [
            "predicted_label",
            "predicted_prob",
            "is_label_issue",
            "lakewinnow_label_score",
            "label_rank",
            "lakewinnow_error_code",
        ]
        assert [f.dataType for f in found.schema.fields[:6]] == [
            f.dataType for f in frame.schema.fields
        ]
        collected = found.drop("row_id", "vector").toPandas()
        assert plain(collected, "the.id", ours) == expected


def test_equal_rows_without_ids_share_a_rank_on_spark(spark):
    df, *_ = generated()
    twins = pd.concat([df, df[:40]])
    frame = on_spark(spark, twins, "id string, given string, probs array<double>")
    found = find_label_issues(frame, **COLUMNS).toPandas()
    assert len(found) == len(twins)
    issues = found[found.is_label_issue]
    by_id = issues.groupby("id").label_rank
    assert (by_id.nunique() == 1).all()
    assert by_id.size().max() == 2
    assert issues.label_rank.min() == 1
    assert issues.sort_values("label_score").label_rank.is_monotonic_increasing
    assert found[~found.is_label_issue].label_rank.isna().all()


def test_a_row_that_shares_its_id_with_an_issue_is_none(spark):
    df, _, _ = generated()
    alone = find_label_issues(df, **COLUMNS)
    issue, other = (alone[alone.is_label_issue == flag].index[0] for flag in (True, False))
    df["id"] = [f"r{i:03}" for i in range(len(df))]
    df.loc[other, "id"] = df.loc[issue, "id"]
    found = find_label_issues(spark.createDataFrame(df), id="id", **COLUMNS).toPandas()
    flags = found[found.id == df.loc[issue, "id"]].is_label_issue
    assert sorted(flags) == [False, True]


# --- pandas and NumPy ---------------------------------------------------------------------------


def test_arrays_give_what_frames_give():
    df, labels, pred_probs = generated(names=range(4))
    expected = find_label_issues(df, **COLUMNS)[FOUND]
    found = find_label_issues(label=labels, pred_probs=pred_probs)
    pd.testing.assert_frame_equal(found, expected)
    names = np.take(CLASSES, labels)
    found = find_label_issues(label=names, pred_probs=pred_probs.astype(np.float32))
    assert found.predicted_label.tolist() == np.take(CLASSES, expected.predicted_label).tolist()


@pytest.mark.parametrize("score", ["self_confidence", "normalized_margin"])
@pytest.mark.filterwarnings("ignore:May not flag")  # cleanlab's
def test_labels_and_probabilities_by_position_are_as_in_cleanlab(score):
    _, labels, pred_probs = generated()
    expected = cleanlab.filter.find_label_issues(labels, pred_probs)
    ranked = cleanlab.filter.find_label_issues(
        labels, pred_probs, return_indices_ranked_by=score, filter_by="both"
    )
    for given in (labels, labels.tolist(), labels.astype(float), pd.Series(labels)):
        np.testing.assert_array_equal(find_label_issues(given, pred_probs.tolist()), expected)
        found = find_label_issues(
            given, pred_probs, return_indices_ranked_by=score, filter_by="both"
        )
        np.testing.assert_array_equal(found, ranked)
    by_name = find_label_issues(labels=labels, pred_probs=pred_probs)
    np.testing.assert_array_equal(by_name, expected)


def test_rows_left_out_are_no_issues_by_position():
    _, labels, pred_probs = generated()
    pred_probs = np.where(np.arange(300)[:, None] == 5, np.nan, pred_probs)
    with pytest.warns(UserWarning, match="1 of 300 rows is left out") as caught:
        found = find_label_issues(labels, pred_probs)
    assert caught[0].filename == __file__
    assert found.dtype == bool
    assert not found[5]
    assert found.any()


def test_booleans_and_columns_of_numbers():
    labels, pred_probs, _ = corpus(7, n_classes=2, n_rows=200, kind="continuous")
    expected = find_label_issues(labels, pred_probs)
    assert expected.any()
    np.testing.assert_array_equal(find_label_issues(labels == 1, pred_probs), expected)
    df = pd.DataFrame(pred_probs, columns=["no", "yes"]).assign(given=labels == 1)
    for classes in (None, [False, True]):
        found = find_label_issues(df, label="given", pred_probs=["no", "yes"], classes=classes)
        np.testing.assert_array_equal(found.is_label_issue, expected)
        assert found.predicted_label.dtype == "boolean"
        assert found.predicted_label.tolist() == (pred_probs.argmax(axis=1) == 1).tolist()


def test_booleans_floats_and_columns_of_numbers_on_spark(spark):
    labels, pred_probs, _ = corpus(7, n_classes=2, n_rows=200, kind="continuous")
    df = pd.DataFrame(pred_probs, columns=["no", "the yes"]).assign(
        id=[f"{i:03}" for i in range(200)], is_yes=labels == 1, number=labels.astype(float)
    )
    expected = find_label_issues(labels, pred_probs)
    for label, converted in (("is_yes", bool), ("number", float)):
        found = find_label_issues(
            spark.createDataFrame(df), label=label, pred_probs=["no", "the yes"], id="id"
        )
        rows = found.orderBy("id").toPandas()
        assert rows.is_label_issue.tolist() == expected.tolist()
        assert rows.predicted_label.tolist() == [
            converted(k) for k in pred_probs.argmax(axis=1).tolist()
        ]
        assert rows.predicted_label.dtype == df[label].dtype


def test_the_examples_of_the_docstring_run():
    examples = doctest.DocTestFinder(recurse=False).find(find_label_issues, "find", globs={})
    assert sum(len(of.examples) for of in examples) > 4
    for example in examples:
        assert doctest.DocTestRunner().run(example).failed == 0


@pytest.mark.parametrize("dtype", ["int64", "float64", "Int64", object, "category"])
def test_integers_are_in_their_order_whatever_their_dtype(dtype):
    labels, pred_probs, _ = corpus(3, n_classes=12, n_rows=200, kind="continuous")
    expected = find_label_issues(label=labels, pred_probs=pred_probs)
    given = pd.Series(labels).astype(dtype)
    if dtype != "int64":
        given[7] = None  # which makes plain integers floats
    with pytest.warns(UserWarning, match="left out") if given.isna().any() else nullcontext():
        found = find_label_issues(
            pd.DataFrame({"given": given, "probs": list(pred_probs)}), **COLUMNS
        )
    there = given.notna().to_numpy()
    assert found.predicted_label.dtype == "Int64"
    assert found.predicted_label[there].equals(expected.predicted_label[there])
    assert found.label_score[there].equals(expected.label_score[there])


def test_a_missing_label_is_no_class_of_that_name():
    df, *_ = generated(names=["None", "nan", "x", "<NA>"])
    df.loc[[3, 4], "given"] = [None, np.nan]
    with pytest.warns(UserWarning, match="2 label_not_in_classes"):
        found = find_label_issues(df, classes=["None", "nan", "x", "<NA>"], **COLUMNS)
    assert found.error_code[[3, 4]].notna().all()


def test_an_index_may_repeat():
    df, *_ = generated()
    expected = find_label_issues(df, id="id", **COLUMNS)
    found = find_label_issues(df.set_axis([0] * len(df)), id="id", **COLUMNS)
    assert plain(found) == plain(expected)
    assert set(found.index) == {0}


def test_what_was_found_may_be_searched_again():
    df, *_ = generated()
    found = df
    for _ in range(3):
        found = find_label_issues(found, id="id", **COLUMNS)
    assert found.columns.is_unique
    again = found["lakewinnow_lakewinnow_label_score"]
    assert again.tolist() == found.label_score.tolist()


# --- an earlier noise model ---------------------------------------------------------------------


def halves():
    """Return an earlier and a later frame, cleanlab's view of the later one, the model's joint."""
    df, labels, pred_probs = generated("rounded", n_rows=400)
    model = model_of(labels[:250], pred_probs[:250], classes=CLASSES)
    return df[250:], labels[250:], pred_probs[250:], model


def cleanlabs_flags(filter_by, labels, pred_probs, model):
    """Return cleanlab's flags, given the model's joint or, where it has no such rule, its parts."""
    if filter_by == "confident_learning":
        guesses = confident_guesses(pred_probs, model.thresholds)
        return (guesses >= 0) & (guesses != labels) & ~unflagged(labels, pred_probs)
    joint = cleanlab.count.calibrate_confident_joint(model.joint_state.confident_joint, labels)
    return reference.find_label_issues(
        labels, pred_probs, filter_by=filter_by, confident_joint=joint
    )


# The two `low_*` take as many rows as the thresholds doubt, which cleanlab always estimates anew.
@pytest.mark.parametrize("filter_by", sorted({*get_args(FilterBy)} - {*LOW}))
def test_a_batch_is_what_cleanlab_finds_with_the_earlier_joint(filter_by):
    df, labels, pred_probs, model = halves()
    found = find_label_issues(df, id="id", filter_by=filter_by, noise_model=model, **COLUMNS)
    expected = cleanlabs_flags(filter_by, labels, pred_probs, model)
    assert found.is_label_issue.tolist() == expected.tolist()
    assert 0 < expected.sum() < len(expected)


@pytest.mark.parametrize("filter_by", get_args(FilterBy))
def test_over_the_same_rows_a_noise_model_changes_nothing(filter_by):
    df, labels, pred_probs = generated("rounded")
    model = model_of(labels, pred_probs, classes=CLASSES).to_dict()
    settings = {"id": "id", "filter_by": filter_by, **COLUMNS}
    found = find_label_issues(df, noise_model=model, **settings)
    pd.testing.assert_frame_equal(found, find_label_issues(df, **settings))


@pytest.mark.parametrize("filter_by", ["both", "confident_learning", "low_self_confidence"])
@pytest.mark.filterwarnings("ignore:.*left out")
def test_a_batch_on_spark_is_that_in_memory(spark, tmp_path, filter_by):
    df, _, _, model = halves()
    path = tmp_path / "noise_model.json"
    path.write_text(json.dumps(model.to_dict()))
    df, codes = bad(df[df.given != "dog"])  # a batch may lack a class
    frame = on_spark(spark, df, "id string, given string, probs array<double>")
    settings = {"id": "id", "filter_by": filter_by, "noise_model": path, **COLUMNS}
    found = plain(find_label_issues(frame, **settings).toPandas())
    assert found == plain(find_label_issues(df, **settings))
    assert {i: found[i][-1] for i in codes} == codes
    assert any(row[2] for row in found.values())


def test_a_noise_model_of_other_classes_or_none_at_all(tmp_path):
    df, _, _, model = halves()
    for settings, error, code in (
        ({"noise_model": model, "classes": CLASSES[::-1]}, DataError, "other_classes"),
        ({"noise_model": tmp_path / "none.json"}, ConfigError, "noise_model_not_found"),
        ({"noise_model": {"classes": CLASSES}}, DataError, "not_a_noise_model"),
    ):
        with pytest.raises(error) as caught:
            find_label_issues(df, **COLUMNS, **settings)
        assert caught.value.code == code
    find_label_issues(df, **COLUMNS, noise_model=model, classes=CLASSES)


# --- errors -------------------------------------------------------------------------------------

ON_BOTH = [
    ({"label": "label"}, SchemaError, "missing_column"),
    ({"pred_probs": "prob"}, SchemaError, "missing_column"),
    ({"id": "key"}, SchemaError, "missing_column"),
    ({"pred_probs": "id"}, SchemaError, "wrong_column_type"),
    ({"id": "weight"}, SchemaError, "wrong_column_type"),
    ({"pred_probs": ["weight", "id"]}, SchemaError, "wrong_column_type"),
    ({"pred_probs": ["weight", "prob"]}, SchemaError, "missing_column"),
    ({"return_indices_ranked_by": "self_confidence"}, ConfigError, "no_indices"),
    ({"pred_probs": np.zeros((9, 2))}, ConfigError, "not_a_column"),
    ({"label": np.zeros(9)}, ConfigError, "not_a_column"),
    ({"classes": ["ant", "ant"]}, ConfigError, "repeated_class"),
    ({"filter_by": "prune"}, ConfigError, "unknown_filter"),
    ({"frac_noise": 2.0}, ConfigError, "out_of_range"),
    ({"num_to_remove_per_class": [1, 1, 1, 1]}, ConfigError, "impossible_combination"),
    ({"rank_by": "margin"}, ConfigError, "unknown_score"),
    (
        {"rank_by": "confidence_weighted_entropy", "adjust_pred_probs": True},
        ConfigError,
        "score_not_adjustable",
    ),
]
OF_ROWS = [
    ({"classes": ["ant", "bee"]}, DataError, "classes_do_not_fit"),
    ({"classes": ["Ant", "Bee", "Cat", "Dog"]}, DataError, "too_many_bad_rows"),
    ({"classes": ["Ant", "Bee", "Cat", "Dog"], "max_bad_fraction": 1.0}, DataError, "no_rows"),
]


@pytest.mark.parametrize(
    ("settings", "error", "code"),
    [*ON_BOTH, *OF_ROWS, ({"label": "weight"}, SchemaError, "wrong_column_type")],
)
@pytest.mark.filterwarnings("ignore:.*left out")
def test_what_cannot_be(settings, error, code):
    df, *_ = generated(n_rows=30)
    with pytest.raises(error) as caught:
        find_label_issues(df.assign(weight=0.5), **COLUMNS | settings)
    assert caught.value.code == code


@pytest.mark.filterwarnings("ignore:.*left out")
def test_what_cannot_be_on_spark(spark):
    df, *_ = generated(n_rows=30)
    frame = on_spark(
        spark, df.assign(weight=0.5), "id string, given string, probs array<double>, weight double"
    )
    fractions = ({"label": "weight"}, DataError, "too_many_bad_rows")
    for settings, error, code in [*ON_BOTH, OF_ROWS[0], fractions]:
        with pytest.raises(error) as caught:
            find_label_issues(frame, **COLUMNS | settings)
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("label", "pred_probs", "code"),
    [
        ([0, 1], np.full((3, 2), 0.5), "wrong_length"),
        ([], np.zeros((0, 2)), "no_rows"),
        (["a", "a"], np.full((2, 2), 0.5), "classes_do_not_fit"),
    ],
)
def test_arrays_that_cannot_be(label, pred_probs, code):
    with pytest.raises(DataError) as caught:
        find_label_issues(label=label, pred_probs=pred_probs)
    assert caught.value.code == code


def test_missing_columns_are_named_together():
    df, *_ = generated(n_rows=5)
    with pytest.raises(SchemaError) as caught:
        find_label_issues(df, label="givne", pred_probs="prob", id="key")
    assert [problem.where for problem in caught.value.problems] == ["label", "pred_probs", "id"]
    assert caught.value.hint == "did you mean 'given'?"
