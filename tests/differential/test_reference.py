"""Two of the suite's corpora in every run of the tests; `bash tests/run differential` makes 200."""

import re
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from differential import corpora, reference, runs, suite
from differential.reference.against import compare
from lakewinnow.spark.sessions.engines import is_sail

# Texts of which a person has decided some, and probabilities of one's own; into how many files.
CORPORA = {282: 7, 203: 3}


pytestmark = pytest.mark.filterwarnings("ignore::lakewinnow.errors.LakewinnowWarning")


@pytest.fixture(scope="module")
def cases(spark, tmp_path_factory):
    """Give folders of corpora and what a run of each has written, ``here-N``."""
    found = []
    for seed, n_partitions in list(CORPORA.items())[: 2 if is_sail(spark) else 1]:
        case = tmp_path_factory.mktemp("corpora") / f"{seed}"
        corpora.write_case(case, seed)
        runs.run_case(spark, case, "here", n_partitions)
        found.append((case, f"here-{n_partitions}"))
    return found


def change(workspace, name, columns):
    """Write a table of a run again, with other values; without any, its first row is left out."""
    files = sorted((workspace / name).rglob("*.parquet"))
    path = next(path for path in files if pq.read_metadata(path).num_rows)
    table = pq.read_table(path)
    for column, of in (columns or {}).items():
        values = pa.array(of(table[column].combine_chunks()))
        table = table.set_column(table.column_names.index(column), column, values)
    pq.write_table(table if columns else table.slice(1), path)


@pytest.mark.slow_on_spark
def test_a_run_says_what_the_published_rules_say(cases, tmp_path):
    found = suite.Suite(tmp_path)
    for case, name in cases:
        found.check(case, [name])
    assert found.failures == []
    assert not found.errors
    assert found.n_lost == 0
    assert found.n_values > 1_000 * len(cases)


def test_the_reference_imports_nothing_of_what_it_judges():
    for path in Path(reference.__file__).parent.glob("*.py"):
        assert not re.search(r"^ *(import|from) lakewinnow", path.read_text(), re.MULTILINE), path


@pytest.mark.slow
def test_all_engines_say_the_same(tmp_path):
    found = suite.run(range(60, 61), suite.ENGINES, (3,), tmp_path)
    assert found.failures == []


@pytest.mark.slow_on_spark
def test_the_reference_notices_what_it_is_for(cases):
    case, name_of_run = cases[0]
    issues = {
        "decision": lambda values: ["keep"] * len(values),
        "reason": lambda values: ["no"] * len(values),
        "label_score": lambda values: pc.add(values, 1e-8),
    }
    noticed = {f"issues.{name}" for name in issues} | {"clean"}
    for wrong, expected in (
        ({"issues": issues, "clean": None}, noticed),
        ({"corpus": {"fold": lambda values: pc.add(values, 1)}}, {"corpus.fold"}),
        ({"corpus": None}, {"rows"}),
        ({"quarantine": {"error_code": lambda values: ["no"] * len(values)}}, {"quarantine"}),
    ):
        changed = case / "changed"
        shutil.copytree(case / name_of_run, changed)
        for table, columns in wrong.items():
            change(changed, table, columns)
        assert {line.partition(":")[0] for line in compare(case, changed).differences} == expected
        shutil.rmtree(changed)
