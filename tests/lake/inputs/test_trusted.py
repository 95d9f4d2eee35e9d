"""Trusted rows of the input: held out whole, whatever says that they are trusted."""

from collections import Counter

import pytest

from builders import make_config, write_csv
from lakewinnow.errors import DataError
from lakewinnow.lake.inputs.source import read_source
from lakewinnow.lake.inputs.trusted import held_out

ROWS = [("", "a", "true")]  # of no text: to be rejected where its label would have counted
ROWS += [
    (f"text {i // 2}", "a", ("true", "FALSE", "", "yes", "no")[i // 2 % 5]) for i in range(100)
]


def test_rows_that_a_column_says_are_trusted_are_held_out(spark, tmp_path):
    path = write_csv(tmp_path / "rows.csv", ROWS, ("text", "label", "sure"))

    def split(source=None, **evaluate):
        config = make_config(path, evaluate=evaluate)
        source = source or read_source(spark, config.input, "csv")
        rest, held = held_out(source, config.input, config.evaluate)
        assert len({rest.fingerprint, held.fingerprint, source.fingerprint}) == 3
        return [[row.text for row in part.df.select("text").collect()] for part in (rest, held)]

    rest, held = split(trusted="sure")
    trusted = [text or None for text, _, sure in ROWS if sure in ("true", "yes")]
    assert Counter(held) == Counter(trusted)
    assert Counter(held + rest) == Counter(text or None for text, _, _ in ROWS)

    rest, some = split(trusted="sure", trusted_fraction=0.5)
    assert 0 < len(some) < len(held)
    assert set(some) < set(held)
    assert set(some).isdisjoint(rest)  # equal texts are on one side
    assert split(trusted="sure", trusted_fraction=0.5) == [rest, some]

    source = read_source(spark, make_config(path).input, "csv")
    with pytest.raises(DataError) as caught:
        split(source, trusted="label")
    assert (caught.value.code, caught.value.where) == ("not_a_boolean", "evaluate.trusted")
    with pytest.raises(DataError) as caught:
        split(trusted="sure", trusted_fraction=0.0)
    assert caught.value.code == "no_trusted_rows"
