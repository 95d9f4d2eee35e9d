"""The choice on a terminal: what was chosen, by what, and where nothing vouches for it."""

import io

from rich.console import Console

from lakewinnow.figures.models import Choice, Difference, Variant
from lakewinnow.terminal.does_it_help import print_choice

F1 = {"macro_f1": 0.5, "macro_f1_low": 0.4, "macro_f1_high": 0.6}


def printed(**choice):
    out = Console(file=io.StringIO(), width=80, highlight=False)
    how = {"asked": "auto", "is_unchanged": False, "is_verified": True, "why": "", **choice}
    print_choice(out, Choice(**how))
    return " ".join(out.file.getvalue().split())


def figures(accuracy, difference=None):
    around = {"accuracy_low": accuracy - 0.04, "accuracy_high": accuracy + 0.04}
    to = None
    if difference is not None:
        ends = {"accuracy_low": difference - 0.03, "accuracy_high": difference + 0.03}
        to = Difference(accuracy=difference, **ends, **F1, verdict="better")
    return Variant(rows=1916, recall={}, accuracy=accuracy, **around, **F1, to_baseline=to)


def test_each_way_has_a_row():
    compared = {"keep": figures(0.534), "fix": figures(0.639, 0.105)}
    text = printed(label_issues="fix", test_rows=241, kept_for_evaluate=239, compared=compared)
    assert text.startswith("clean.label_issues: auto has chosen fix, by 241 trusted rows")
    assert "keep 1,916 53.4 [49.4, 57.4] fix 1,916 63.9 [59.9, 67.9] +10.5 [ +7.5, +13.5]" in text
    assert "The other 239 trusted rows were not used for this" in text


def test_where_nothing_vouches_for_it_that_is_said():
    assert "auto has chosen fix; there are no trusted rows to verify" in printed(
        label_issues="fix", is_verified=False
    )
    unchanged = printed(label_issues="keep", is_verified=False, is_unchanged=True)
    assert "to change nothing" in unchanged
