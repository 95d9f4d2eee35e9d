"""Whether two runs of one case gave the same: every table, column and row, and every figure."""

import json
import math
from pathlib import Path

import pyarrow as pa
from pyarrow import dataset

TABLES = (
    "corpus", "pred_probs", "issues", "clean", "review", "dropped", "quarantine",
    "checks/neighbors",
)  # fmt: skip
DOCUMENTS = ("noise_model.json", "summary.json")
_OF_THE_RUN = {"seconds", "workspace", "path", "bytes_read", "bytes_written", "engine", "created"}
_FEW = 3
LOG_LOSS = 1e-9  # relative: a row may fall on either side of half a tick of 2^-32


def differences(left, right):
    """Return a line for each difference: table, column, row, and the two values."""
    errors = [_text(workspace / "error.txt") for workspace in (left, right)]
    if errors != [None, None]:
        return [] if errors[0] == errors[1] else [f"errors: {errors[0]} ≠ {errors[1]}"]
    found = [line for name in TABLES for line in _of_tables(name, left / name, right / name)]
    for name in DOCUMENTS:
        values = (json.loads((workspace / name).read_text()) for workspace in (left, right))
        found += [f"{name}{line}" for line in _of_values(*values)]
    names = [{p.name for p in (w / "exports").glob("*.jsonl")} for w in (left, right)]
    if names[0] != names[1]:
        found.append(f"exports: {sorted(names[0] ^ names[1])}")
    for name in sorted(names[0] & names[1]):
        if (left / "exports" / name).read_bytes() != (right / "exports" / name).read_bytes():
            found.append(f"exports/{name}: other bytes")
    return found


def _text(path):
    return path.read_text() if path.exists() else None


def _of_tables(name, left, right):
    if not left.exists() and not right.exists():
        return
    tables = [_read(folder) for folder in (left, right)]
    # What a list calls its items is up to the writer of a Parquet file: element, or item.
    fields = [
        {f.name: str(f.type).replace("<item: ", "<element: ") for f in t.schema} for t in tables
    ]
    if list(fields[0].items()) != list(fields[1].items()):
        other = set(fields[0].items()) ^ set(fields[1].items())
        yield f"{name}: columns {other or 'in another order'}"
    if len(tables[0]) != len(tables[1]):
        yield f"{name}: {len(tables[0])} ≠ {len(tables[1])} rows"
        return
    key = next((k for k in ("row_id", "lakewinnow_row_id", "text_key") if k in fields[0]), None)
    rows = [table.to_pylist(maps_as_pydicts=None) for table in tables]
    order = (lambda row: (str(row[key]), repr(row))) if key else repr
    rows = [sorted(of, key=order) for of in rows]
    for column in fields[0]:
        wrong = [
            (row[key] if key else i, row[column], other.get(column))
            for i, (row, other) in enumerate(zip(*rows, strict=True))
            if not same(row[column], other.get(column))
        ]
        if wrong:
            few = "; ".join(f"{at}: {a!r} ≠ {b!r}" for at, a, b in wrong[:_FEW])
            yield f"{name}.{column}: {len(wrong)} of {len(rows[0])} rows, {few}"[:1500]


def _read(folder):
    files = [p for p in Path(folder).rglob("*.parquet") if not p.name.startswith(("_", "."))]
    if not files:
        return pa.table({})
    return dataset.dataset(sorted(map(str, files)), format="parquet").to_table()


def same(left, right):
    """Whether two values are the same, to the last bit: NaN is NaN, and -0.0 is not 0.0."""
    if isinstance(left, float) and isinstance(right, float):
        is_nan = math.isnan(left) and math.isnan(right)
        return is_nan or (left == right and math.copysign(1, left) == math.copysign(1, right))
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    return type(left) is type(right) and left == right


def _of_values(left, right, where=""):
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted(left.keys() | right.keys()):
            if key in _OF_THE_RUN:
                continue
            if key not in left or key not in right:
                yield f"{where}.{key}: only in one"
            else:
                yield from _of_values(left[key], right[key], f"{where}.{key}")
    elif not (same(left, right) or (where.endswith("log_loss") and _near(left, right))):
        yield f"{where}: {left!r} ≠ {right!r}"[:600]


def _near(left, right):
    """Whether two figures are the same but for the last bits of engines' logarithms."""
    return left is not None and right is not None and math.isclose(left, right, rel_tol=LOG_LOSS)
