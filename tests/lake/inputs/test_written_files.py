"""What other tools write is read as what they wrote (issue 18, number 22)."""

import importlib.util
import json
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import lakewinnow
from builders import make_config, messages
from lake.inputs.written_files import FILES
from lakewinnow.lake.inputs.formats import input_format
from lakewinnow.lake.inputs.source import read_source

MORE = (
    "x.csv.bz2",
    "x.tsv.gz",
    "pipes.txt",
    "x.jsonl.zst",
    "x.json.zip",
    "tabs.txt",
    "lines.jsonl",
)


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.slow) if name in MORE else name for name in FILES]
)
def written(request, tmp_path):
    if request.param.endswith(".xlsx") and not importlib.util.find_spec("openpyxl"):
        pytest.skip("needs openpyxl")
    write, *rest = FILES[request.param]
    write(tmp_path / request.param)
    return tmp_path / request.param, *rest


def test_number_22_what_other_tools_write_is_read_as_it_is(spark, written):
    path, keys, columns, changes = written
    no_header = keys.get("options", {}).get("header") is False
    names = ("_c0", "_c1") if no_header else ("message", "queue")
    source = dict(zip(("text", "label"), names, strict=True)) | keys
    config = make_config(path, input=source).input
    found = read_source(spark, config, input_format(config))
    rows = found.df.toArrow()
    rows = rows.take(pc.sort_indices(rows[source["text"]]))
    assert set(found.schema.names) == set(columns)
    order = sorted(range(len(rows)), key=lambda i: columns[source["text"]][i])
    for name, values in columns.items():
        assert rows[name].to_pylist() == [values[i] for i in order], name
    assert set(found.changes) == changes


KINDS = {
    "boolean": lambda name: name == "billing",
    "float": {"billing": 0.5, "login": 1.0, "shipping": 1e20}.get,
    "date": {"billing": date(2024, 1, 1), "login": date(2024, 1, 2), "shipping": date.max}.get,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_number_22_labels_of_any_kind_are_fixed_and_given_back(spark, tmp_path, kind):
    texts, names = zip(*messages(60), strict=True)
    labels = list(map(KINDS[kind], names))
    pq.write_table(pa.table({"text": texts, "label": labels}), tmp_path / "x.parquet")
    fix = {"label_issues": "fix", "fix_above": 0.0, "exact_duplicates": "keep"}
    config = make_config(tmp_path / "x.parquet", tmp_path / "out", clean=fix)
    lakewinnow.run(config, spark)
    clean = pq.read_table(tmp_path / "out" / "clean")
    assert clean.schema.equals(pq.read_schema(tmp_path / "x.parquet"))
    right = [KINDS[kind](sorted(set(names))[i % 3]) for i in range(60)]
    found = dict(zip(*clean.to_pydict().values(), strict=True))
    n_right = sum(found[text] == label for text, label in zip(texts, right, strict=True))
    assert n_right > sum(given == label for given, label in zip(labels, right, strict=True))


@pytest.mark.slow_on_spark
@pytest.mark.whole_run
def test_number_22_a_label_inside_a_column_is_fixed_there(spark, tmp_path):
    pairs = messages(60)
    rows = [{"data": {"text": x, "of": {"label": y, "n": 1}}, "more": "x"} for x, y in pairs]
    (tmp_path / "x.json").write_text(json.dumps(rows, indent=1))
    inside = {"text": "data.text", "label": "data.of.label"}
    clean = {"label_issues": "keep", "exact_duplicates": "keep"}
    config = make_config(tmp_path / "x.json", tmp_path / "out", input=inside, clean=clean)
    lakewinnow.run(config, spark, until="ingest")
    corpus = pq.read_table(tmp_path / "out" / "corpus").to_pylist()
    wrong = {text for i, (text, _) in enumerate(pairs) if i % 10 == 4}
    said = [f"{row['row_id']},login\n" for row in corpus if row["text"] in wrong]
    (tmp_path / "decisions.csv").write_text("row_id,label\n" + "".join(said))
    clean |= {"decisions": str(tmp_path / "decisions.csv")}
    config = make_config(tmp_path / "x.json", tmp_path / "out", input=inside, clean=clean)
    lakewinnow.run(config, spark)
    clean = pq.read_table(tmp_path / "out" / "clean").to_pylist()
    assert [set(row) for row in clean] == [{"data", "more"}] * 60
    assert {row["data"]["of"]["n"] for row in clean} == {1}
    found = {row["data"]["text"]: row["data"]["of"]["label"] for row in clean}
    changed = [text for text, label in pairs if found[text] != label]
    assert changed
    assert set(changed) <= wrong
    assert {found[text] for text in wrong} == {"login"}
