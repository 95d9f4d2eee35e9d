"""Classifiers in the configuration: which there are, alone and several, and what is wrong."""

import pytest

from builders import make_config
from lakewinnow.errors import ConfigError


def errors_of(**crossval):
    with pytest.raises(ConfigError) as caught:
        make_config("x.csv", crossval=crossval)
    return [(of.code, of.where) for of in caught.value.problems]


def test_a_name_alone_has_default_parameters_and_a_mapping_those_it_names():
    several = ["logistic", {"classifier": "finetune", "params": {"epochs": 2}}]
    crossval = make_config("x.csv", crossval={"params": {"C": 1}, "classifiers": several}).crossval
    one, other = crossval.members
    assert one.params == {"C": 1, "class_weight": "balanced", "max_iter": 200}
    assert (other.classifier, other.params["epochs"], other.params["seeds"]) == ("finetune", 2, 1)
    assert "C" not in other.params
    assert crossval.on_vectors == one


def test_one_alone_is_the_default_and_models_compared_see_vectors():
    crossval = make_config("x.csv").crossval
    assert [of.classifier for of in crossval.members] == ["logistic"]
    tuned = make_config("x.csv", crossval={"classifier": "finetune"}).crossval
    assert tuned.params["learning_rate"] == 1e-4
    assert tuned.on_vectors.params == crossval.params


@pytest.mark.parametrize(
    ("crossval", "code", "where"),
    [
        ({"classifier": "finetun"}, "unknown_classifier", "crossval.classifier"),
        (
            {"classifiers": ["logistic", "forest"]},
            "unknown_classifier",
            "crossval.classifiers[1].classifier",
        ),
        (
            {"classifier": "finetune", "params": {"C": 1}},
            "unknown_key",
            "crossval.params.C",
        ),
        (
            {"classifiers": ["logistic", {"classifier": "finetune", "params": {"epochs": 0}}]},
            "out_of_range",
            "crossval.classifiers[1].params.epochs",
        ),
        ({"classifiers": ["finetune"]}, "too_few_classifiers", "crossval.classifiers"),
        (
            {"classifiers": ["logistic", "logistic"]},
            "repeated_classifier",
            "crossval.classifiers[1]",
        ),
        ({"combine": "stack"}, "unused_key", "crossval.combine"),
    ],
)
def test_what_is_wrong_is_said_at_its_key(crossval, code, where):
    assert errors_of(**crossval) == [(code, where)]


def test_texts_that_are_not_there_cannot_be_learnt_from():
    with pytest.raises(ConfigError) as caught:
        make_config(
            "x.csv",
            input={"text": None, "embedding": "vector"},
            crossval={"classifiers": ["logistic", "finetune"]},
        )
    assert ("missing_key", "input.text") in [(of.code, of.where) for of in caught.value.problems]
