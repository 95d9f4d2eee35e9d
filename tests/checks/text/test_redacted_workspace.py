"""Personal data that is redacted is in no file of a workspace but in copies of the input."""

from pathlib import Path

import pyarrow.dataset as ds
import pytest

import lakewinnow
from builders import Recorder, make_config, messages, write_csv
from lakewinnow.errors import DataError

DOMAIN = "planted.example.org"
# Copies of the input, which the guide names; of these, the input's other columns in clean/
COPIES, OUTPUT = {"corpus", "quarantine"}, {"clean", "review", "dropped"}
HEADER = ("ticket", "sender", "text", "label")


def rows(n=120):
    found = []
    for i, (text, label) in enumerate(messages(n)):
        sender = f"person{i % 4}@{DOMAIN}"
        ending = f", write to {sender}" if i % 3 == 0 else ""
        found.append((f"t{i}", sender, text + ending, label))
    found[7] = (*found[7][:2], found[6][2], found[7][3])  # a duplicate
    return found


def config_of(folder, table, **source):
    path = write_csv(folder / "rows.csv", table, HEADER)
    return make_config(
        path,
        folder / "out",
        input={"id": "ticket", **source},
        checks={
            "pii": {},
            "groups": {"columns": ["text", "sender"], "threshold": 1.0, "min_rows": 1},
            "drift": {"by": "sender"},
            "near_duplicates": {},
            "outliers": {},
            "text": {},
        },
        clean={"pii": "redact"},
        ask={"rows": 20, "format": "label-studio"},
        export={"format": "openai-chat", "validation_fraction": 0.1},
    )


def leaks(workspace):
    """Return the files that show planted data, copies of the input apart."""
    found = set()
    for path in sorted(Path(workspace).rglob("*")):
        name = path.relative_to(workspace)
        if not path.is_file() or name.parts[0] in COPIES:
            continue
        if path.suffix == ".parquet":
            table = ds.dataset(path).to_table()
            if name.parts[0] in OUTPUT:
                table = table.drop_columns(["sender"])
            content = str(table.to_pylist())
        else:
            content = path.read_bytes().decode("utf-8", "replace")
        if DOMAIN in content:
            found.add(str(name))
    return found


@pytest.mark.whole_run
def test_planted_addresses_are_in_copies_of_the_input_alone(spark, tmp_path):
    result = lakewinnow.run(config_of(tmp_path, rows()), spark, observer=Recorder())
    assert leaks(result.workspace) == set()
    groups = result.summary["groups"]["worst"]
    assert any(of["group"].startswith("‹EMAIL› #") for of in groups)  # yet told apart
    assert DOMAIN in str(ds.dataset(Path(result.workspace, "corpus")).to_table().to_pylist())


@pytest.mark.whole_run
def test_ids_with_personal_data_stop_a_run_that_redacts(spark, tmp_path):
    table = [(f"{row[0]}@{DOMAIN}" if i < 3 else row[0], *row[1:]) for i, row in enumerate(rows())]
    with pytest.raises(DataError) as stopped:
        lakewinnow.run(config_of(tmp_path, table), spark, observer=Recorder())
    assert (stopped.value.code, stopped.value.where) == ("personal_id", "input.id")
    assert DOMAIN not in str(stopped.value)
    assert not Path(tmp_path, "out", "issues").exists()


def test_a_number_as_an_id_is_no_card(spark, tmp_path):
    table = [(4111111111111111 + i, *row[1:]) for i, row in enumerate(rows())]
    lakewinnow.run(config_of(tmp_path, table), spark, until="pii", observer=Recorder())
