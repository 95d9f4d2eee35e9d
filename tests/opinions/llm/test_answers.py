"""What a model says, as shares of the classes."""

import numpy as np
import pytest

from lakewinnow.opinions.llm.answers import NOT_CLASSES, Answers, class_of
from lakewinnow.opinions.llm.likelihood import class_probs

CLASSES = ["polite", "Not polite", "a.b", "A.B", "Ünklar"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("polite", 0),
        (" Polite.\n", 0),
        ('"not polite"', 1),
        ("a.b", 2),  # as it is, before case is left out
        ("A.B", 3),
        ("a.B", 5),  # of two
        ("ünklar", 4),
        ("very polite", 5),
        ("polite, not polite", 5),
        ("", 5),
        (None, 5),
    ],
)
def test_an_answer_is_the_class_that_it_names(answer, expected):
    assert class_of(answer, CLASSES) == expected


def tokens(*steps):
    """Return tokens, each as (text, probability, {what might have stood there: probability})."""
    return [
        {
            "token": text,
            "logprob": np.log(p),
            "top_logprobs": [
                {"token": of, "logprob": np.log(q)} for of, q in {text: p, **others}.items()
            ],
        }
        for text, p, others in steps
    ]


def test_names_that_begin_alike_are_told_apart_where_they_differ():
    said = tokens(
        ('{"label": "', 1.0, {}),
        ("c", 0.8, {"d": 0.1, " ": 0.1}),
        ("at", 0.5, {"ats": 0.25, "ow": 0.25}),
        ('"}', 0.6, {'s"}': 0.4}),
    )
    probs = class_probs(said, ["cat", "cats", "cow", "dog"], 0)
    cats = 0.8 * (0.25 + 0.5 * 0.4)
    expected = np.array([0.8 * 0.5 * 0.6, cats, 0.8 * 0.25, 0.1])
    np.testing.assert_allclose(probs, expected / expected.sum())


def test_a_token_may_begin_before_the_name():
    said = tokens(('{"label":', 1.0, {}), (' "cat', 0.7, {' "dog': 0.2, "dog": 0.1}), ('"}', 1, {}))
    np.testing.assert_allclose(class_probs(said, ["cat", "dog"], 0), [7 / 9, 2 / 9])


def test_a_plain_answer_has_probabilities_too():
    said = tokens(("cat", 0.7, {"dog": 0.2, "bird": 0.1}))
    np.testing.assert_allclose(class_probs(said, ["cat", "dog"], 0), [7 / 9, 2 / 9])


@pytest.mark.parametrize("said", [[], tokens(("kitten", 1.0, {})), [{"token": "cat"}]])
def test_tokens_that_do_not_tell_are_left_alone(said):
    assert class_probs(said, ["cat", "dog"], 0) is None


def test_a_label_is_the_class_of_most_answers_and_of_no_other():
    shares = [
        [0.6, 0.2, 0.2, 0.0],
        [0.5, 0.5, 0.0, 0.0],  # of two
        [0.4, 0.0, 0.6, 0.0],  # most name none
        [0.0, 0.4, 0.0, 0.6],  # most are refused
        [0.0, 0.6, 0.0, 0.4],
    ]
    said = Answers.of(np.array([[*row, 10, 2] for row in shares], np.float32))
    assert said.labels.tolist() == [0, -1, -1, -1, 1]
    assert said.shares.shape == (5, 6 - NOT_CLASSES)
    assert said.prompt_tokens.tolist() == [10] * 5
