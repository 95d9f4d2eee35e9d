"""The comparison on a terminal: what it says in words, and that it claims no more than that."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from lakewinnow.figures.models import Comparison, Difference, Finetuning, Variant
from lakewinnow.terminal.does_it_help import print_models

HOW = Comparison(
    test_rows=480,
    input_rows=1916,
    in_holdout_too=0,
    models=15,
    parts=5,
    resamples=1000,
    confidence=0.95,
    class_mix_matters=True,
)
F1 = {"macro_f1": 0.5, "macro_f1_low": 0.4, "macro_f1_high": 0.6}


def figures(accuracy, **to):
    around = {"accuracy_low": accuracy - 0.04, "accuracy_high": accuracy + 0.04}
    return Variant(rows=1916, recall={}, accuracy=accuracy, **around, **F1, **to)


def difference(value, half, p=0.01):
    low, high = value - half, value + half
    verdict = "better" if low > 0 else "worse" if high < 0 else "no difference shown"
    around = {"accuracy": value, "accuracy_low": low, "accuracy_high": high}
    return Difference(**around, **F1, p=p, verdict=verdict)


def version(value, half=0.03, p=0.01, control=0.0):
    to_control = difference(control, 0.02)
    return figures(0.55 + value, to_baseline=difference(value, half, p), to_control=to_control)


def shown(found, how):
    out = Console(file=io.StringIO(), width=80, highlight=False)
    print_models(out, found, how)
    text = out.file.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    return " ".join(text.split())


def printed(found, **how):
    return shown({"baseline": figures(0.55), **found}, replace(HOW, **how))


def test_the_table_has_a_row_a_version():
    text = printed({"fixed": version(0.107, p=0.0001)})
    assert "baseline 1,916 55.0 [51.0, 59.0] 50.0" in text
    assert "fixed 1,916 65.7 [61.7, 69.7] 50.0 +10.7 [ +7.7, +13.7] <.001" in text


def test_many_rows_fit_too():
    fixed = replace(version(0.107, p=0.0001), rows=200_000)
    text = printed({"fixed": fixed}, test_rows=20_000)
    assert "200,000 65.7 [61.7, 69.7] 50.0 +10.7 [ +7.7, +13.7] <.001" in text
    assert "on 20,000 trusted rows trained on" in text


def test_nothing_is_claimed_where_the_interval_includes_0():
    text = printed({"dropped": version(0.02), "fixed": version(-0.02)})
    assert "dropped and fixed: not shown to help or to harm. The interval" in text
    assert "480 rows are too few to tell" in text
    assert "better" not in text
    assert "worse" not in text


def test_a_gain_and_a_loss_are_said():
    text = printed({"dropped": version(-0.05), "fixed": version(0.05), "soft": version(0.06)})
    assert "fixed and soft give better models than the labels as given." in text
    assert "dropped gives worse models than the labels as given." in text
    assert "does not show it" not in text


def test_a_gain_that_one_training_does_not_show_is_said_to_be_one():
    text = printed({"dropped": version(0.05), "fixed": version(0.04, p=0.06)})
    assert (
        "fixed: this is the average of 15 models. One model trained on all rows does not show"
        in text
    )


@pytest.mark.parametrize(
    ("control", "words"),
    [
        (0.04, "fixed is better than the control, so the gain is not from the class mix alone."),
        (0.01, "fixed: the gain may be from the class mix alone (see control)."),
    ],
)
def test_what_of_a_gain_is_the_class_mix_is_said(control, words):
    assert words in printed({"fixed": version(0.05, control=control)})


def test_of_what_does_not_help_nothing_is_said_against_the_control():
    assert "control" not in printed({"fixed": version(0.01, control=0.05)})


def test_a_class_mix_of_no_part_is_said_once():
    found = {"control": version(0.0), "fixed": replace(version(0.05), to_control=None)}
    text = printed(found, class_mix_matters=False)
    assert "The class mix plays no part in this, because classes are weighted equally." in text
    assert "see control" not in text


def test_the_way_to_the_ceiling_is_told_where_there_is_one():
    found = {"fixed": version(0.08), "ceiling": version(0.10)}
    assert "fixed brings 80% of what correct labels would bring (ceiling)." in printed(found)
    found = {"fixed": version(0.0), "ceiling": version(0.01)}
    assert "ceiling)" not in printed(found)


def printed_tuned(found, **how):
    recipe = {"provider": "local", "model": "small", "epochs": 3, "seeds": 3, "unmapped": {}}
    shared = {**vars(HOW), "models": 3, "parts": None}
    return shown(found, Finetuning(**{**shared, **recipe, "failed": [], **how}))


def test_fine_tuned_models_are_compared_alike():
    found = {"baseline": figures(0.55), "fixed": version(0.08), "ceiling": version(0.1)}
    text = printed_tuned(found, layers=3, device="cpu")
    assert "Fine-tuned small (3 epochs, 3 layers, on a CPU), on 480 trusted rows" in text
    assert "fixed 1,916 63.0 [59.0, 67.0] 50.0 +8.0 [ +5.0, +11.0] 0.010" in text
    assert "fixed gives better models than the labels as given." in text
    assert "fixed brings 80% of what correct labels would bring (ceiling)." in text
    assert "trusted rows and 3 models; not corrected" in text


def test_answers_of_no_class_and_jobs_that_failed_are_told():
    found = {"fixed": figures(0.55), "ceiling": figures(0.6)}
    failed = ["baseline: failed: too few tokens"]
    text = printed_tuned(found, unmapped={"fixed": 12, "ceiling": 0}, failed=failed)
    assert "fixed 1,916 55.0 [51.0, 59.0] 50.0" in text
    assert "The model trained on fixed gave 12 answers of no class, which count as wrong." in text
    assert "No model was trained on baseline: failed: too few tokens" in text
    assert "better" not in text
