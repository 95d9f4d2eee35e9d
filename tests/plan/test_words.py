"""Numbers are said as a person says them: one row has, two rows have."""

import pytest

from lakewinnow.plan.words import counted, size


@pytest.mark.parametrize(
    ("n", "noun", "verb", "of", "said"),
    [
        (1, "row", "", None, "1 row"),
        (0, "row", "is", None, "0 rows are"),
        (1, "row", "has", None, "1 row has"),
        (2, "row", "has", None, "2 rows have"),
        (1, "row", "is", 300, "1 of 300 rows is"),
        (1, "label", "looks", 1, "1 of 1 label looks"),
        (1_000, "label", "looks", 2_000, "1,000 of 2,000 labels look"),
        (2, "class", "", None, "2 classes"),
        (2, "batch", "", None, "2 batches"),
        (2, "epoch", "", None, "2 epochs"),
        (2, "stratum", "was", None, "2 strata were"),
        (2, "row", "does", None, "2 rows do"),
    ],
)
def test_nouns_and_verbs_follow_the_number(n, noun, verb, of, said):
    assert counted(n, noun, verb, of=of) == said


@pytest.mark.parametrize(
    ("n_bytes", "said"),
    [
        (12, "12 bytes"),
        (239_400, "239 kB"),
        (1.5e6, "2 MB"),
        (1.44e9, "1.4 GB"),
        (2e12, "2,000.0 GB"),
    ],
)
def test_a_plan_and_a_report_say_sizes_alike(n_bytes, said):
    assert size(n_bytes) == said
