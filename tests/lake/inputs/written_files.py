"""One file, or folder, of each kind that other tools write, and what is in it.

Where a tool is not installed for tests, pyarrow writes the very types that it writes.
"""

import bz2
import csv
import datetime as dt
import gzip
import io
import json
import zipfile
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import feather

from builders import messages

N = 60
TEXTS = [f"{text}, “{i}”; thanks" for i, (text, _) in enumerate(messages(N))]
LABELS = [label for _, label in messages(N)]
PRICES = [f"{i},50" for i in range(N)]
ROWS = {"message": TEXTS, "queue": LABELS, "price": PRICES}
IDS = [f"T-{i:05}" for i in range(N)]
DAY = dt.datetime(2024, 5, 6, 7, 8, 9, 123456)  # noqa: DTZ001
NOON = dt.datetime(2024, 5, 6, 12)  # noqa: DTZ001


def csv_bytes(encoding="utf-8", sep=",", *, header=True, mark=b"", **rows):
    """Write rows as Excel does: CRLF, values quoted where they must be."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=sep)
    rows = rows or ROWS
    writer.writerows([*([rows] if header else []), *zip(*rows.values(), strict=True)])
    return mark + out.getvalue().encode(encoding)


def zipped(name, content):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, content)
    return out.getvalue()


def zst(content):
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(content)
    return out.getvalue().to_pybytes()


def arrow_stream(path, table):
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=25)


def arrow_file(path, table):
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def saved_to_disk(folder, table):
    """Write what datasets.Dataset.save_to_disk writes."""
    folder.mkdir()
    features = {name: {"dtype": "string", "_type": "Value"} for name in table.column_names}
    about = json.dumps({"info": {"features": features}})
    table = table.replace_schema_metadata({"huggingface": about})
    names = [f"data-{i:05}-of-00002.arrow" for i in range(2)]
    for name, part in zip(names, (table.slice(0, 20), table.slice(20)), strict=True):
        arrow_stream(folder / name, part)
    arrow_stream(folder / "cache-1f.arrow", pa.table({"indices": pa.array([1], pa.uint64())}))
    state = {"_data_files": [{"filename": name} for name in names], "_split": "train"}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))


def of_texts(**columns):
    return pa.table({"message": TEXTS, "queue": LABELS, **columns})


def pandas_frame():
    """Return a frame of the types that pandas has: nullable, categories, times, an index."""
    frame = pd.DataFrame({"message": TEXTS, "queue": pd.Categorical(LABELS)})
    frame["created"] = pd.Timestamp(DAY) + pd.Timedelta(789, "ns")
    frame["took"] = pd.Timedelta(1, "s")
    frame["n"] = pd.array([None, *range(1, N)], dtype="Int64")
    frame["is_new"] = pd.array([None, *[True] * (N - 1)], dtype="boolean")
    frame["mixed"] = [None, *["x"] * (N - 1)]
    frame["size"] = np.arange(N, dtype=np.uint64) + np.uint64(2**63)
    frame["half"] = np.full(N, 0.5, np.float16)
    frame["nothing"] = [None] * N
    return frame.set_index(pd.Index(IDS, name="ticket"))


PANDAS = {
    "message": TEXTS,
    "queue": LABELS,
    "created": [DAY] * N,
    "took": [10**9] * N,
    "n": [None, *range(1, N)],
    "is_new": [None, *[True] * (N - 1)],
    "mixed": [None, *["x"] * (N - 1)],
    "size": [Decimal(2**63 + i) for i in range(N)],
    "half": [0.5] * N,
    "nothing": [None] * N,
    "ticket": IDS,
}
PANDAS_CHANGES = {
    "created (timestamp[ns]) as microseconds",
    "took (duration[ns]) as integers of ns",
    "size (uint64) as decimal128(20, 0)",
    "half (halffloat) as float",
    "nothing (null) as text",
}
CATEGORY = pa.dictionary(pa.uint32(), pa.large_string())
POLARS = {  # its own types: large and view strings, lists, categories, times, integers of all sizes
    "message": (pa.array(TEXTS, pa.large_string()), TEXTS),
    "queue": (pa.array(LABELS, pa.string_view()), LABELS),
    "kind": (pa.array(LABELS).dictionary_encode().cast(CATEGORY), LABELS),
    "at": (pa.array([1_000_001] * N, pa.time64("ns")), ["00:00:00.001000001"] * N),
    "u8": (pa.array([200] * N, pa.uint8()), [200] * N),
    "u16": (pa.array([60_000] * N, pa.uint16()), [60_000] * N),
    "u32": (pa.array([4_000_000_000] * N, pa.uint32()), [4_000_000_000] * N),
    "tags": (pa.array([["a", None]] * N, pa.large_list(pa.large_string())), [["a", None]] * N),
    "vector": (pa.array([[0.5, 1.0]] * N, pa.list_(pa.float32(), 2)), [[0.5, 1.0]] * N),
    "wide": (pa.array([Decimal("1.25")] * N, pa.decimal256(50, 2)), ["1.25"] * N),
    "narrow": (pa.array([Decimal("1.25")] * N, pa.decimal256(20, 2)), [Decimal("1.25")] * N),
    "whens": (pa.array([[DAY]] * N, pa.list_(pa.timestamp("ns"))), [[DAY]] * N),
}  # fmt: skip
POLARS_CHANGES = {
    "at (time64[ns]) as text",
    "u8 (uint8) as int16",
    "u16 (uint16) as int32",
    "u32 (uint32) as int64",
    "wide (decimal256(50, 2)) as text",
    "whens (timestamp[ns]) as microseconds",
}
DUCKDB = {
    "message": (pa.array(TEXTS), TEXTS),
    "queue": (pa.array(LABELS), LABELS),
    "at": (pa.array([1_000_001] * N, pa.time64("us")), ["00:00:01.000001"] * N),
    "uid": (
        pa.array([i.to_bytes(16, "big") for i in range(N)], pa.uuid()),
        [f"00000000-0000-0000-0000-{i:012x}" for i in range(N)],
    ),
    "size": (pa.array(range(N), pa.uint64()), list(map(Decimal, range(N)))),
}
DUCKDB_CHANGES = {
    "at (time64[us]) as text",
    "uid (extension<arrow.uuid>) as text",
    "size (uint64) as decimal128(20, 0)",
}


def table_of(columns):
    return pa.table({name: array for name, (array, _) in columns.items()})


def values_of(columns):
    return {name: values for name, (_, values) in columns.items()}


def write_parquet(table, **how):
    return lambda path: pq.write_table(table, path, **how)


def content(as_bytes):
    return lambda path: path.write_bytes(as_bytes)


def folder(**files):
    def write(path):
        for name, as_bytes in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(as_bytes)

    return write


def parquet_bytes(table):
    out = pa.BufferOutputStream()
    pq.write_table(table, out)
    return out.getvalue().to_pybytes()


def excel(path):
    frame = pd.DataFrame(ROWS).assign(n=[None, *range(1, N)], day=NOON)
    frame.to_excel(path, index=False)


RECORDS = [dict(zip(ROWS, row, strict=True)) for row in zip(*ROWS.values(), strict=True)]
NESTED = [
    {"data": {"text": text, "n": 1}, "queue": label}
    for text, label in zip(TEXTS, LABELS, strict=True)
]
FIRST, REST = ({k: v[:30] for k, v in ROWS.items()}, {k: v[30:] for k, v in ROWS.items()})
NO_HEADER = {f"_c{i}": values for i, values in enumerate(ROWS.values())}
INDEXED = {"": list(map(str, range(N))), **ROWS}
LINES = "\n".join(map(json.dumps, RECORDS)).encode()
ARRAY = json.dumps(RECORDS).encode()


def written(write, columns=None, changes=(), **keys):
    """Return how to write it, keys of section input, the columns that are read, changes."""
    return write, keys, columns or ROWS, set(changes)


def with_times(part):
    return parquet_bytes(pa.table({**part, "t": pa.array([DAY] * 30, pa.timestamp("ns"))}))


FILES = {
    "pandas.parquet": written(lambda p: pandas_frame().to_parquet(p), PANDAS, PANDAS_CHANGES),
    "polars.parquet": written(write_parquet(table_of(POLARS)), values_of(POLARS), POLARS_CHANGES),
    "duckdb.parquet": written(write_parquet(table_of(DUCKDB)), values_of(DUCKDB), DUCKDB_CHANGES),
    "brotli.parquet": written(write_parquet(pa.table(ROWS), compression="brotli")),
    "pandas.feather": written(
        lambda p: feather.write_feather(pandas_frame().reset_index(), p), PANDAS, PANDAS_CHANGES
    ),
    "polars.arrow": written(
        lambda p: arrow_file(p, table_of(POLARS)), values_of(POLARS), POLARS_CHANGES
    ),
    "stream.arrow": written(lambda p: arrow_stream(p, pa.table(ROWS))),
    "saved_to_disk": written(lambda p: saved_to_disk(p, pa.table(ROWS))),
    "keys": written(
        folder(
            **{
                "lang=01/x.parquet": with_times(FIRST),
                "lang=__HIVE_DEFAULT_PARTITION__/x.parquet": with_times(REST),
            }
        ),
        ROWS | {"t": [DAY] * N, "lang": ["01"] * 30 + [None] * 30},
        ["t (timestamp[ns]) as microseconds"],
    ),
    "csv_keys": written(
        folder(**{"lang=01/x.csv": csv_bytes(**FIRST), "lang=de/x.csv": csv_bytes(**REST)}),
        ROWS | {"lang": ["01"] * 30 + ["de"] * 30},
    ),
    "excel_semicolons.csv": written(
        content(csv_bytes(sep=";", mark=b"\xef\xbb\xbf")), options={"sep": ";"}
    ),
    "excel_utf16.txt": written(
        content(csv_bytes("utf-16", sep="\t")), options={"sep": "\\t", "encoding": "utf-16"}
    ),
    "excel_cp1252.csv": written(
        content(csv_bytes("cp1252", sep=";")), options={"sep": ";", "encoding": "cp1252"}
    ),
    "tabs.tsv": written(content(csv_bytes(sep="\t"))),
    "tabs.txt": written(content(csv_bytes(sep="\t")), options={"sep": "\\t"}),
    "pipes.txt": written(content(csv_bytes(sep="|")), options={"sep": "|"}),
    "x.csv.gz": written(content(gzip.compress(csv_bytes()))),
    "x.csv.bz2": written(content(bz2.compress(csv_bytes()))),
    "x.csv.zst": written(content(zst(csv_bytes()))),
    "x.csv.zip": written(content(zipped("x.csv", csv_bytes()))),
    "x.tsv.gz": written(content(gzip.compress(csv_bytes(sep="\t")))),
    "x.zip": written(content(zipped("x.csv", csv_bytes())), format="csv"),
    "no_header.csv": written(
        content(csv_bytes(header=False)), NO_HEADER, options={"header": False}
    ),
    "index.csv": written(content(csv_bytes(**INDEXED)), {"_c0": INDEXED[""], **ROWS}),
    "lines.jsonl": written(content(LINES)),
    "array.json": written(content(ARRAY)),
    "pretty.json": written(content(json.dumps(RECORDS, indent=2).encode())),
    "x.jsonl.zst": written(content(zst(LINES))),
    "x.json.zip": written(content(zipped("x.json", ARRAY))),
    "nested.json": written(
        content(json.dumps(NESTED).encode()),
        {"data": [row["data"] for row in NESTED], "queue": LABELS, "data.text": TEXTS},
        text="data.text",
    ),
    "folder_of_csv": written(folder(**{"a.csv": csv_bytes(**FIRST), "b.csv": csv_bytes(**REST)})),
    "folder_of_json": written(folder(**{"a.json": ARRAY})),
    "folder_of_parquet": written(folder(**{"a.parquet": parquet_bytes(pa.table(ROWS))})),
    "table.xlsx": written(excel, ROWS | {"n": [None, *range(1, N)], "day": [NOON] * N}),
}
