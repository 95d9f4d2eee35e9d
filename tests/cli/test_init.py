"""`lakewinnow init`: a configuration that loads, guessed from what the columns look like."""

import importlib.util
import json
import re

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from builders import messages
from lake.inputs.written_files import FILES, csv_bytes
from lakewinnow.cli import init as starter
from lakewinnow.config import schema
from lakewinnow.config.file import load_config, parse_config
from lakewinnow.errors import ConfigError, DataError

N_ROWS = 60
TEXTS = [text for text, _ in messages(N_ROWS)]
LABELS = [label for _, label in messages(N_ROWS)]
NUMBERS = [i * 0.37 for i in range(N_ROWS)]
NAMES = [f"{i}.png" for i in range(N_ROWS)]
VECTORS = pa.array([[x, 1.0] for x in NUMBERS], pa.list_(pa.float32()))


def fits_its_schema(path):
    """Check a configuration as an editor does, by the schema that its first line names."""
    text = path.read_text(encoding="utf-8")
    [named] = re.findall(r"^# yaml-language-server: \$schema=(\S+)\n", text)
    with (path.parent / named).open(encoding="utf-8") as file:
        jsonschema.validate(yaml.safe_load(text), json.load(file))


@pytest.fixture
def guess(tmp_path):
    """Write a table and the configuration for it; return its section `input`."""

    def guessed(**columns):
        pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
        told = starter.write(str(tmp_path / "rows.parquet"), tmp_path / "lakewinnow.yaml")
        assert str(tmp_path / "lakewinnow.yaml") in told
        fits_its_schema(tmp_path / "lakewinnow.yaml")
        return load_config(tmp_path / "lakewinnow.yaml").input

    return guessed


def test_a_table_of_texts(guess):
    found = guess(number=NUMBERS, source=["web", "mail"] * 30, message=TEXTS, queue=LABELS)
    assert (found.text, found.label, found.id) == ("message", "source", None)
    assert (found.embedding, found.features) == (None, None)


def test_a_label_may_tell_itself_by_its_name(guess):
    found = guess(source=["web", "mail"] * 30, message=TEXTS, label=LABELS, ticket=NAMES)
    assert (found.text, found.label, found.id) == ("message", "label", "ticket")


def test_a_table_of_numbers_and_categories(guess):
    days = pa.array(range(N_ROWS), pa.int32()).cast(pa.date32())
    found = guess(
        key=range(N_ROWS), income=NUMBERS, job=["clerk", "nurse"] * 30, day=days, category=LABELS
    )
    assert (found.text, found.label, found.id) == (None, "category", "key")
    assert found.features == ("income", "job")


def test_a_table_of_embeddings(guess):
    found = guess(file=NAMES, vector=VECTORS, label=LABELS)
    assert (found.text, found.embedding, found.id) == (None, "vector", "file")


def test_a_text_and_its_embedding(guess):
    found = guess(message=TEXTS, vector=VECTORS, label=LABELS)
    assert (found.text, found.embedding) == ("message", "vector")


def test_short_strings_are_the_text_where_there_is_nothing_else(guess):
    found = guess(name=NAMES, label=LABELS)
    assert (found.text, found.label) == ("name", "label")


@pytest.mark.parametrize(
    "columns", [{"message": TEXTS}, {"label": LABELS}, {"message": TEXTS, "number": NUMBERS}]
)
def test_a_table_without_a_label_or_without_content_is_an_error(guess, columns):
    with pytest.raises(DataError) as caught:
        guess(**columns)
    assert caught.value.code == "no_such_column"


def test_but_for_the_input_the_configuration_is_one_of_defaults(guess, tmp_path):
    guess(message=TEXTS, queue=LABELS)
    written = yaml.safe_load((tmp_path / "lakewinnow.yaml").read_text(encoding="utf-8"))
    least = parse_config({key: written[key] for key in ("input", "workspace")})
    assert parse_config(written) == least


def test_an_older_schema_is_replaced_and_a_configuration_is_not(tmp_path):
    pq.write_table(pa.table({"message": TEXTS, "label": LABELS}), tmp_path / "rows.parquet")
    (tmp_path / "lakewinnow.schema.json").write_text("{}")
    starter.write(str(tmp_path / "rows.parquet"), tmp_path / "mine.yaml")
    assert (tmp_path / "lakewinnow.schema.json").read_text() == schema.written()
    with pytest.raises(ConfigError) as caught:
        starter.write(str(tmp_path / "rows.parquet"), tmp_path / "mine.yaml")
    assert caught.value.code == "file_exists"


def test_a_folder_that_is_not_there_is_said(tmp_path):
    pq.write_table(pa.table({"message": TEXTS, "label": LABELS}), tmp_path / "rows.parquet")
    with pytest.raises(ConfigError) as caught:
        starter.write(str(tmp_path / "rows.parquet"), tmp_path / "conf" / "mine.yaml")
    assert caught.value.code == "cannot_write"
    assert "No such file or directory" in str(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_number_23_what_other_tools_write_is_recognised(tmp_path, name):
    if name.endswith(".xlsx") and not importlib.util.find_spec("openpyxl"):
        pytest.skip("needs openpyxl")
    write, keys, columns, _ = FILES[name]
    write(tmp_path / name)
    said = starter.write(str(tmp_path / name), tmp_path / "x.yaml")
    fits_its_schema(tmp_path / "x.yaml")
    found = load_config(tmp_path / "x.yaml").input
    options = {key: str(value).replace("\t", r"\t") for key, value in found.options.items()}
    assert options == {key: str(value) for key, value in keys.get("options", {}).items()}
    no_header = options.get("header") == "False"
    text, label = ("_c0", "_c1") if no_header else (keys.get("text", "message"), "queue")
    assert (found.text, found.label) == (text, label)
    assert found.id in (None, "ticket", "uid", "_c0")
    assert found.id is None or len(set(columns[found.id])) == len(columns[found.id])
    assert said.splitlines()[0].startswith(f"Took text {text!r}: strings of ")


@pytest.mark.parametrize("other", [TEXTS, ["yes", "no"] * 30])
@pytest.mark.parametrize(
    "pattern", ["{:032x}", "00000000-0000-0000-0000-{:012}", "https://example.org/a/ticket/{}"]
)
def test_number_23_an_id_is_never_offered_as_text(guess, pattern, other):
    ids = list(map(pattern.format, range(N_ROWS)))
    found = guess(ticket_id=ids, other=other, label=LABELS)
    assert (found.text, found.id) == ("other" if other is TEXTS else None, "ticket_id")


def test_number_23_a_file_of_windows_with_ids_keeps_its_text(tmp_path):
    ids = [f"T-{i}" for i in range(N_ROWS)]
    texts = [f"caf\u00e9 \u201c{text}\u201d" for text in TEXTS]
    (tmp_path / "x.csv").write_bytes(csv_bytes("cp1252", id=ids, text=texts, label=LABELS))
    starter.write(str(tmp_path / "x.csv"), tmp_path / "x.yaml")
    found = load_config(tmp_path / "x.yaml").input
    assert (found.id, found.text, found.label) == ("id", "text", "label")
    assert found.options == {"encoding": "cp1252"}


def test_number_23_a_file_whose_name_says_nothing_is_recognised(tmp_path):
    pq.write_table(pa.table({"message": TEXTS, "label": LABELS}), tmp_path / "rows")
    starter.write(str(tmp_path / "rows"), tmp_path / "x.yaml")
    assert load_config(tmp_path / "x.yaml").input.format == "parquet"


def test_number_23_a_label_may_be_the_names_of_folders(tmp_path):
    for label in ("a", "b"):
        (tmp_path / "rows" / f"queue={label}").mkdir(parents=True)
        pq.write_table(pa.table({"message": TEXTS}), tmp_path / f"rows/queue={label}/x.parquet")
    starter.write(str(tmp_path / "rows"), tmp_path / "x.yaml")
    found = load_config(tmp_path / "x.yaml").input
    assert (found.text, found.label) == ("message", "queue")
