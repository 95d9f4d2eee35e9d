"""A file of the input that is cut off or damaged: the run stops, or goes on without it."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lakewinnow
from builders import make_config, messages, read_rows
from lakewinnow.errors import DataError


def cut_off(content):
    return content[: len(content) // 2]


def empty(_):
    return b""


def damaged(content):
    """Change what the rows are made of; the footer stays."""
    return content[:8] + bytes(byte ^ 0xFF for byte in content[8:400]) + content[400:]


@pytest.fixture
def parts(tmp_path):
    """A folder of three files."""
    folder = tmp_path / "in"
    for i in range(3):
        rows = messages(90)[i::3]
        folder.joinpath(f"lang=x{i}").mkdir(parents=True)
        table = pa.table(
            {name: [row[j] for row in rows] for j, name in enumerate(("text", "label"))}
        )
        pq.write_table(table, folder / f"lang=x{i}" / "part.parquet", compression="zstd")
    return folder


def run(spark, folder, workspace, **source):
    source = {"format": "parquet", **source}
    config = make_config(folder, workspace, crossval={"folds": 3}, input=source)
    return lakewinnow.run(config, spark, until="ingest")


@pytest.mark.parametrize("number", [0, 2])
@pytest.mark.parametrize("damage", [cut_off, empty, damaged])
def test_a_corrupt_file_is_a_row_of_quarantine(spark, tmp_path, parts, damage, number):
    corrupt = parts / f"lang=x{number}" / "part.parquet"
    corrupt.write_bytes(damage(corrupt.read_bytes()))
    with pytest.raises(DataError) as caught:
        run(spark, parts, tmp_path / "fails")
    assert caught.value.code == "corrupt_file"
    assert f"in/lang=x{number}/part.parquet" in str(caught.value)
    run(spark, parts, tmp_path / "goes on", on_corrupt="quarantine")
    [row] = read_rows(tmp_path / "goes on", "quarantine")
    assert row["malformed_line"].startswith(f"in/lang=x{number}/part.parquet: ")
    assert (row["error_code"], row["text"], row["lang"]) == ("corrupt_file", None, None)
    corrupt.unlink()
    run(spark, parts, tmp_path / "without")
    kept = read_rows(tmp_path / "goes on", "corpus")
    assert len(kept) == 60
    assert kept == read_rows(tmp_path / "without", "corpus")


def test_whole_files_are_read_as_ever(spark, tmp_path, parts):
    run(spark, parts, tmp_path / "as ever")
    run(spark, parts, tmp_path / "looked at", on_corrupt="quarantine")
    as_ever, looked_at = (read_rows(tmp_path / of, "corpus") for of in ("as ever", "looked at"))
    assert as_ever == looked_at
