"""Ingest: every row is accepted or quarantined, whatever the format and the order it comes in."""

import csv
import hashlib
import json
from collections import Counter, defaultdict
from unicodedata import normalize

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lakewinnow
from builders import Recorder, make_config, messages, read_json, read_rows, read_table, write_csv
from lakewinnow.core.text import label_form
from lakewinnow.errors import DataError
from lakewinnow.lake.inputs.source import _label_forms

NFC, NFD = "Caf\u00e9 closed", "Cafe\u0301 closed"


class Ingested:
    """What an ingest wrote, and what it warned of."""

    def __init__(self, spark, path, workspace, **sections):
        observer = Recorder()
        config = make_config(path, workspace, **sections)
        lakewinnow.run(config, spark, until="ingest", observer=observer)
        self.path, self.workspace, self.warnings = path, workspace, observer.warnings
        self.details = read_json(workspace, "_commits/ingest.json")["figures"]

    @property
    def corpus(self):
        return read_rows(self.workspace, "corpus")

    @property
    def quarantine(self):
        return read_rows(self.workspace, "quarantine")

    def errors(self, key="text"):
        """Error codes by text (or another column) of the quarantined rows."""
        return {row[key]: row["error_code"] for row in self.quarantine}


@pytest.fixture
def ingest(spark, tmp_path):
    def ingested(path, **sections):
        return Ingested(spark, path, tmp_path / "workspace", **sections)

    return ingested


@pytest.fixture
def ingest_fails(spark, tmp_path):
    def failed(path, **sections):
        with pytest.raises(DataError) as caught:
            Ingested(spark, path, tmp_path / "workspace", **sections)
        left = {entry.name for entry in (tmp_path / "workspace").glob("*")}
        assert left <= {"config.yaml", "_commits"}  # whose folder it is
        return caught.value.code, caught.value.where

    return failed


def texts(rows):
    return sorted((row["text"], row["given_label"]) for row in rows)


# --- formats ------------------------------------------------------------------------------------

AWKWARD = [
    ("line one\nline two", "a"),
    ('she said "no", twice', "a"),
    ('""', "b"),
    ("comma, comma", "a"),
    ("back\\slash \\", "b"),
    ("  spaces around  ", "a"),
    ("Zürich 日本 😀", "b"),
    ("#not a comment", "a"),
    ("null", "NA"),
    ("007", "007"),
]


@pytest.mark.parametrize(
    ("dialect", "encoding"),
    [
        ({"lineterminator": "\r\n"}, "utf-8-sig"),  # as RFC 4180 and Excel have it
        ({"lineterminator": "\n", "quoting": csv.QUOTE_ALL}, "utf-8"),
    ],
    ids=["CRLF and a byte order mark", "LF and quotes everywhere"],
)
def test_csv_is_read_as_rfc_4180(ingest, tmp_path, dialect, encoding):
    path = tmp_path / "rows.csv"
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, **dialect).writerows([("text", "label"), *AWKWARD])
    ingested = ingest(path)
    assert texts(ingested.corpus) == sorted(AWKWARD)
    assert ingested.quarantine == []


def test_a_csv_line_of_too_few_or_too_many_fields_is_quarantined_with_its_text(ingest, tmp_path):
    path = tmp_path / "rows.csv"
    lines = ["text,label,more", "good,a,1", "short", "one,b,2,too many", "fine,b,3"]
    path.write_text("\n".join(lines) + "\n")
    ingested = ingest(path)
    assert texts(ingested.corpus) == [("fine", "b"), ("good", "a")]
    assert {row["malformed_line"].strip() for row in ingested.quarantine} == {lines[2], lines[3]}
    assert {row["error_code"] for row in ingested.quarantine} == {"malformed_line"}


def test_a_json_line_that_does_not_parse_is_quarantined_with_its_text(ingest, tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [{"id": i, "text": text, "label": i % 2} for i, (text, _) in enumerate(AWKWARD)]
    bad = '{"id": 99, "text": "torn'
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + bad + "\n")
    ingested = ingest(path, input={"id": "id"})
    assert [(row["text"], row["label"]) for row in ingested.corpus] == [
        (row["text"], row["label"]) for row in sorted(rows, key=lambda row: str(row["id"]))
    ]
    [rejected] = ingested.quarantine
    assert (rejected["malformed_line"], rejected["error_code"]) == (bad, "malformed_line")
    assert rejected["row_id"]


def test_a_column_may_be_called_malformed_line(ingest, tmp_path):
    path = write_csv(
        tmp_path / "rows.csv",
        [("a", "old", "x"), ("b", "old", "y"), ("short",)],
        header=("text", "malformed_line", "label"),
    )
    ingested = ingest(path)
    assert texts(ingested.corpus) == [("a", "x"), ("b", "y")]
    assert ingested.corpus[0]["source"]["malformed_line"] == "old"
    assert ingested.quarantine[0]["lakewinnow_malformed_line"].strip() == "short"


def test_parquet_of_several_files_keeps_its_types(ingest, tmp_path):
    (tmp_path / "rows").mkdir()
    for i in range(3):
        part = {"text": [f"{i} one", f"{i} two"], "label": [10 * i, 2], "n": [None, 0.5]}
        schema = pa.schema([("text", pa.string()), ("label", pa.int16()), ("n", pa.float32())])
        pq.write_table(pa.table(part, schema), tmp_path / "rows" / f"{i}.parquet")
    ingested = ingest(tmp_path / "rows", input={"format": "parquet"})
    assert ingested.details["classes"] == ["0", "2", "10", "20"]  # as numbers, not as text
    source = read_table(ingested.workspace, "corpus").schema.field("source").type
    assert [(field.name, field.type) for field in source] == [
        ("label", pa.int16()),
        ("n", pa.float32()),
    ]
    [row] = [row for row in ingested.corpus if row["text"] == "1 one"]
    assert (row["given_label"], row["label"], row["source"]) == ("10", 2, {"label": 10, "n": None})


def test_a_table_of_the_catalog_is_read_by_name(spark, ingest):
    spark.createDataFrame(messages(9), ["text", "label"]).createOrReplaceTempView("messages")
    assert texts(ingest(None, input={"table": "messages"}).corpus) == sorted(messages(9))


# --- what cannot be used ------------------------------------------------------------------------


def test_a_row_that_cannot_be_used_is_quarantined_with_the_reason(ingest, tmp_path):
    rejected = {
        None: "text_null",
        "": "text_blank",
        " \t\r\n": "text_blank",
        "\u00a0\u2003": "text_blank",  # no-break and em space
        "\u200b\ufeff\u2060": "text_blank",  # zero width
        "x" * 41: "text_too_long",
        "no label": "label_null",
        "blank label": "label_null",
        "other label": "label_not_in_classes",
    }
    labels = {"no label": None, "blank label": " \u00a0", "other label": "c"}
    rows = [{"text": text, "label": labels.get(text, "a")} for text in rejected]
    rows += [{"text": "\u200bseen", "label": "a"}, {"text": "y" * 40, "label": "b"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    ingested = ingest(
        tmp_path / "rows.parquet", input={"classes": ["b", "a", "z"], "max_text_length": 40}
    )
    assert ingested.errors() == rejected
    assert all(row["error"] for row in ingested.quarantine)
    assert len({row["row_id"] for row in ingested.quarantine}) == len(rejected)
    assert [(row["text"], row["label"]) for row in ingested.corpus if row["label"]] == [
        ("\u200bseen", 1)
    ]
    assert ingested.details["classes"] == ["b", "a", "z"]  # in the order given
    assert any("(z)" in warning for warning in ingested.warnings)
    assert any("quarantine" in warning for warning in ingested.warnings)


def test_bytes_of_another_encoding_are_a_warning(ingest, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes("text,label\ncafé,a\ntea,b\nthé,b\nmilk,a\n".encode("latin-1"))
    ingested = ingest(path, crossval={"folds": 2})
    [warning] = ingested.warnings
    assert warning.startswith("2 rows hold U+FFFD")
    assert len(ingested.corpus) == 4


@pytest.mark.spark_only  # Sail's reader refuses the file: see test_sail_bugs.py
def test_a_text_that_is_not_utf8_is_quarantined(ingest, tmp_path):
    raw = pa.array([b"good", b"caf\xe9", b"fine"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    pq.write_table(pa.table({"text": text, "label": list("aab")}), tmp_path / "rows.parquet")
    ingested = ingest(tmp_path / "rows.parquet")
    assert texts(ingested.corpus) == [("fine", "b"), ("good", "a")]
    codes = read_table(ingested.workspace, "quarantine").column("error_code")
    assert codes.to_pylist() == ["text_not_utf8"]


@pytest.mark.spark_only  # as above
@pytest.mark.parametrize("name", ["label", "id"])
def test_number_11_a_label_or_an_id_that_is_not_utf8_is_quarantined(ingest, tmp_path, name):
    columns = {"text": list("wxyz"), "label": list("aabb"), "id": list("1234")}
    raw = pa.array([b"caf\xe9", *map(str.encode, columns[name][1:])], pa.binary())
    columns[name] = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    ingested = ingest(tmp_path / "rows.parquet", input={"id": "id"}, crossval={"folds": 2})
    assert texts(ingested.corpus) == [("x", "a"), ("y", "b"), ("z", "b")]
    quarantine = read_table(ingested.workspace, "quarantine")
    assert quarantine.column("error_code").to_pylist() == [f"{name}_not_utf8"]
    [row_id] = quarantine.column("row_id").to_pylist()
    assert row_id == "1" if name == "label" else len(row_id) > 30


@pytest.mark.parametrize(
    ("rows", "code", "where"),
    [
        ([("one", "a"), ("two", "a")], "one_class", "input.label"),
        ([("one", ""), ("two", " ")], "no_usable_rows", "input"),
        ([], "no_usable_rows", "input"),
    ],
    ids=["one class", "no label", "header only"],
)
def test_rows_that_cannot_be_told_apart_are_an_error(ingest_fails, tmp_path, rows, code, where):
    assert ingest_fails(write_csv(tmp_path / "rows.csv", rows)) == (code, where)


def test_an_id_taken_for_the_label_is_an_error(ingest_fails, tmp_path, monkeypatch):
    monkeypatch.setattr("lakewinnow.lake.inputs.acceptance.MAX_CLASSES", 10)
    path = write_csv(tmp_path / "rows.csv", [("text", str(i)) for i in range(11)])
    assert ingest_fails(path) == ("too_many_classes", "input.label")


def test_classes_of_few_rows_are_a_warning(ingest, tmp_path):
    rows = [*messages(30), ("alone", "rare"), ("and", "Billing"), ("more", "Billing")]
    ingested = ingest(write_csv(tmp_path / "rows.csv", rows), crossval={"folds": 4})
    few, alike = ingested.warnings
    assert "Billing, rare" in few
    assert "'Billing', 'billing'" in alike
    assert len(ingested.corpus) == len(rows)


SPELLED = ["Ham", "ham", " HAM\u00a0", "Caf\u00e9", "Cafe\u0301", "caf\u00e9 ", "\uff53pam", "spam"]


def test_number_23_labels_that_are_written_differently_are_named_and_can_be_joined(spark, tmp_path):
    rows = [(f"text {i} of many", SPELLED[i % 8]) for i in range(80)]
    path = write_csv(tmp_path / "x.csv", rows)
    [warning] = [w for w in Ingested(spark, path, tmp_path / "as").warnings if "differ only" in w]
    for quoted in ("'Ham'", "'ham'", r"' HAM\xa0'", "'Caf\u00e9'", r"'Cafe\u0301'"):
        assert quoted in warning
    assert "input.normalize_labels" in warning

    joined = Ingested(spark, path, tmp_path / "one", input={"normalize_labels": True})
    assert joined.details["classes"] == ["caf\u00e9", "ham", "spam"]
    assert joined.details["class_counts"] == [30, 30, 20]
    assert not any("differ only" in warning for warning in joined.warnings)
    assert {row["source"]["label"] for row in joined.corpus} == {"caf\u00e9", "ham", "spam"}


def test_number_23_a_label_becomes_the_class_that_is_like_it():
    names = {label_form(name): name for name in ("Ham", "Caf\u00e9")}
    found = _label_forms(pa.array(["ham ", "CAFE\u0301", None, "New"]), names).to_pylist()
    assert found == ["Ham", "Caf\u00e9", None, "new"]


# --- identity, shards, folds --------------------------------------------------------------------


def test_an_id_column_is_the_row_id(ingest, tmp_path):
    rows = [("one", "a", 3), ("two", "b", 20)]
    pq.write_table(
        pa.table(dict(zip(("text", "label", "key"), zip(*rows, strict=True), strict=True))),
        tmp_path / "rows.parquet",
    )
    ingested = ingest(tmp_path / "rows.parquet", input={"id": "key"})
    assert [row["row_id"] for row in ingested.corpus] == ["20", "3"]


@pytest.mark.parametrize("ids", [["1", "2", "1"], ["1", "2", None]])
def test_an_id_that_repeats_or_is_null_is_an_error(ingest_fails, tmp_path, ids):
    rows = zip(["one", "two", "three"], "aba", ids, strict=True)
    path = write_csv(tmp_path / "rows.csv", rows, header=("text", "label", "key"))
    assert ingest_fails(path, input={"id": "key"}) == ("id_not_unique", "input.id")


@pytest.fixture(scope="module")
def shuffled(spark, tmp_path_factory):
    """Rows, twins among them, as one file, and as three with rows and columns in another order."""
    folder = tmp_path_factory.mktemp("shuffled")
    rows = [
        *messages(100),
        *messages(100)[:7],
        *messages(100)[:2],
        (NFC, "login"),
        (NFD, "billing"),
        ("the \ufb01ne print", "login"),  # whose ligature stays one
    ]
    rows = [(*row, "web") for row in rows]
    write_csv(folder / "one" / "rows.csv", rows, header=("text", "label", "by"))
    for i in range(3):
        part = [("web", label, text) for text, label, _ in rows[::-1][i::3]]
        write_csv(folder / "three" / f"{i}.csv", part, header=("by", "label", "text"))
    sections = {"crossval": {"folds": 4, "rows_per_shard": 40}, "input": {"format": "csv"}}
    return [
        Ingested(spark, folder / name, folder / f"workspace {name}", **sections)
        for name in ("one", "three")
    ]


def test_ids_folds_and_shards_do_not_depend_on_the_order_of_the_input(shuffled):
    one, three = shuffled
    assert one.corpus == three.corpus  # dictionaries: whatever the order of columns
    assert len(one.corpus) == 112


def test_equal_rows_are_numbered(shuffled):
    numbers = defaultdict(list)
    for row in shuffled[0].corpus:
        content, _, number = row["row_id"].partition("-")
        numbers[content].append(int(number))
    counts = Counter(tuple(sorted(same)) for same in numbers.values())
    assert counts == {(1,): 96, (1, 2): 5, (1, 2, 3): 2}


def test_the_text_key_is_the_hash_of_the_normal_form(shuffled):
    for row in shuffled[0].corpus:
        normal = normalize("NFC", row["text"]).encode()
        assert row["text_key"] == hashlib.sha256(normal).digest()


def test_rows_that_lack_a_label_alone_are_set_apart_in_the_fold_of_their_text(ingest, tmp_path):
    known = messages(20)[0][0]
    rows = [*messages(20), (known, ""), ("a new text", " "), ("a new text", " "), (" ", "")]
    path = write_csv(tmp_path / "rows.csv", rows)
    found = ingest(path, input={"unlabelled": "label"}, crossval={"folds": 4})
    apart = read_rows(found.workspace, "unlabelled/corpus")
    assert sorted(row["text"] for row in apart) == ["a new text", "a new text", known]
    assert {(row["label"], row["given_label"]) for row in apart} == {(None, None)}
    [fold] = {row["fold"] for row in found.corpus if row["text"] == known}
    assert {row["fold"] for row in apart if row["text"] == known} == {fold}
    assert all(0 <= row["fold"] < 4 for row in apart)
    ids = {row["row_id"] for row in found.quarantine if row["error_code"] == "label_null"}
    assert ids == {row["row_id"] for row in apart}
    assert (len(ids), found.details["unlabelled"], found.warnings) == (3, 3, [])


def test_equal_texts_share_shard_and_fold(shuffled):
    places = defaultdict(set)
    for row in shuffled[0].corpus:
        places[row["text_key"]].add((row["shard"], row["fold"]))
    assert all(len(place) == 1 for place in places.values())
    assert {row["text"] for row in shuffled[0].corpus} >= {NFC, NFD}


def test_rows_are_spread_over_shards(shuffled):
    sizes = Counter(row["shard"] for row in shuffled[0].corpus)
    assert sorted(sizes) == [0, 1, 2]
    assert min(sizes.values()) > 112 / 3 / 2


def test_folds_are_stratified_by_label_within_each_shard(shuffled):
    stratum_of, texts_in = {}, defaultdict(set)
    for row in shuffled[0].corpus:
        key = row["text_key"]
        stratum_of[key] = min(row["label"], stratum_of.get(key, row["label"]))
    for row in shuffled[0].corpus:
        stratum = stratum_of[row["text_key"]]
        texts_in[row["shard"], stratum, row["fold"]].add(row["text_key"])
    for shard in range(3):
        for label in range(3):
            sizes = [len(texts_in[shard, label, fold]) for fold in range(4)]
            assert max(sizes) - min(sizes) <= 1


def test_another_seed_gives_other_folds_and_shards(ingest, shuffled):
    crossval = {"folds": 4, "rows_per_shard": 40, "seed": 1}
    other = ingest(shuffled[0].path, crossval=crossval, input={"format": "csv"})
    assert texts(other.corpus) == texts(shuffled[0].corpus)
    for name in ("fold", "shard"):
        by_seed = [[row[name] for row in ingested.corpus] for ingested in (shuffled[0], other)]
        assert by_seed[0] != by_seed[1]
