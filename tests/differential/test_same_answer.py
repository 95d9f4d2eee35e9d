"""Whole runs on classic Spark, Spark Connect and Sail, in 1, 3 and 7 partitions: the same answer.

Of sets of data of the development environment; `suite` makes corpora at random.
"""

import pytest
import yaml
from pyarrow import csv

from builders import SAMPLE, SHARED
from differential import comparing, corpora, suite

DATA = {
    "sample": (SAMPLE / "support.csv", {"id": "ticket", "text": "message", "label": "queue"}),
    "politeness": (
        SHARED / "data/politeness/train.csv",
        {"text": "prompt", "label": "completion"},
    ),
    "banking77": (SHARED / "data/banking77/train.csv", {"text": "text", "label": "category"}),
    "nyt": (SHARED / "data/crowd/nyt_train.csv", {"id": "id", "text": "text", "label": "label"}),
    "amazon": (
        SHARED / "data/crowd/amazon_train.csv",
        {"id": "id", "text": "text", "label": "label"},
    ),
}


def assert_same(case, *runs):
    first, *others = (case / run for run in runs)
    found = [line for other in others for line in comparing.differences(first, other)]
    assert not found, "\n".join([f"{case}: {' against '.join(runs)}", *found])
    error = first / "error.txt"
    assert not error.exists() or not error.read_text().startswith("not ours")


@pytest.mark.slow
@pytest.mark.parametrize("name", DATA)
def test_data_that_people_have_made(tmp_path, name):
    path, columns = DATA[name]
    if not path.exists():
        pytest.skip(f"{path} is in the development environment only")
    options = csv.ParseOptions(newlines_in_values=True)
    table = csv.read_csv(path, parse_options=options)
    corpora.write_input(tmp_path, table)
    source = {"path": "unused", "format": "parquet", **columns}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"input": source, "workspace": "unused"}))
    runs = [("sail", 1), ("sail", 3), ("sail", 7), ("classic", 7), ("connect", 3)]
    for run in runs:
        suite.run_cases(*run, [tmp_path])
    assert_same(tmp_path, *(f"{engine}-{n}" for engine, n in runs))
