"""Tables of every type and of bad values, made by hypothesis."""

import datetime as dt
import decimal

import pyarrow as pa
from hypothesis import strategies as st

# What people call columns, and what breaks those who take names into SQL, paths or JSON.
NAMES = [
    "text", "label", "id", "Text", "LABEL", "row_id", "source", "pred_probs", "__lw_key", "error",
    "a.b", "a b", " a", "a ", "`", "a`b", '"', "'", "a,b", "a;b", "a=b", "{a}", "(a)", "a\tb",
    "a\nb", "é", "e\u0301", "İ", "ß", "数", "😀", "\u202ea", "a\u200bb", "1", "-", "*", "_c0",
    "%", "$x", "null", "select", "x" * 200,
]  # fmt: skip
REFUSED = ("Text", "LABEL", "__lw_key")
_NASTY = [
    "", " ", "\n", "\r\n", "\t", "\u200b", "\ufeff", "\u202eabc", "a\x00b", "\x1b[31mred\x1b[0m",
    "=1+1", "@SUM(A1)", "null", "NaN", "None", "0", "-0.0", "1e400", "true", "'", '"', "\\", "`",
    "ﬀ", "é", "e\u0301", "😀" * 3, "\ud7ff", "\ufffd", "<script>alert(1)</script>", "a,b;c\td",
]  # fmt: skip
_WORDS = ["refund", "parcel", "password", "invoice", "late", "broken", "thanks", "where"]

words = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=6).map(" ".join)
nasty = st.sampled_from(_NASTY)
strings = st.one_of(words, nasty, st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
floats = st.one_of(
    st.floats(width=32), st.sampled_from([float("nan"), float("inf"), -float("inf"), -0.0, 1e300])
)
_FIRST, _LAST = dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1)  # noqa: DTZ001
times = st.datetimes(_FIRST, _LAST)
small = st.integers(-128, 127)


def _type(of, values):
    return st.just((of, values))


PLAIN = {
    "string": (pa.string(), strings),
    "boolean": (pa.bool_(), st.booleans()),
    "tinyint": (pa.int8(), small),
    "smallint": (pa.int16(), st.integers(-(2**15), 2**15 - 1)),
    "int": (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "bigint": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "float": (pa.float32(), st.floats(width=32)),
    "double": (pa.float64(), floats),
    "decimal": (
        pa.decimal128(12, 3),
        st.decimals(-999_999_999, 999_999_999, places=3).map(lambda of: of + decimal.Decimal(0)),
    ),
    "date": (pa.date32(), st.dates(dt.date(1900, 1, 1), dt.date(2200, 1, 1))),
    "timestamp": (pa.timestamp("us", "UTC"), times.map(lambda of: of.replace(tzinfo=dt.UTC))),
    "timestamp_ntz": (pa.timestamp("us"), times),
    "binary": (pa.binary(), st.binary(max_size=8)),
}
NESTED = {
    "array<string>": (pa.list_(pa.string()), st.lists(strings, max_size=3)),
    "array<double>": (pa.list_(pa.float64()), st.lists(floats, max_size=3)),
    "struct": (
        pa.struct([("a", pa.int32()), ("b", pa.string())]),
        st.fixed_dictionaries({"a": small, "b": strings}),
    ),
    "map": (
        pa.map_(pa.string(), pa.int32()),
        st.dictionaries(words, small, max_size=2).map(lambda of: list(of.items())),
    ),
}
TYPES = PLAIN | NESTED


@st.composite
def columns(draw, kinds, n_rows, n_distinct=None):
    """Draw a column: its type, and values of which some are null."""
    data_type, values = TYPES[draw(st.sampled_from(kinds))]
    if n_distinct:
        pool = draw(st.lists(values, min_size=n_distinct, max_size=n_distinct))
        values = st.sampled_from(pool)
    with_nulls = draw(st.booleans())
    values = st.one_of(st.none(), values) if with_nulls else values
    found = draw(st.lists(values, min_size=n_rows, max_size=n_rows))
    return pa.array(found, data_type)


@st.composite
def tables(draw, *, is_usable=False):
    """Draw a table and what its columns are taken for: a `pa.Table`, the keys of `input`.

    Parameters
    ----------
    is_usable : whether most can be run over, whatever is in their rows
    """
    n_rows = draw(st.sampled_from([20, 40] if is_usable else [0, 1, 2, 3, 8, 20, 20, 40]))
    mostly_text = ["string"] * 50 + list(() if is_usable else TYPES)
    mostly_labels = ["string"] * 20 + ["int", "bigint", "tinyint"] * 5
    mostly_labels += () if is_usable else TYPES
    names = st.lists(st.sampled_from(NAMES), min_size=2, max_size=5, unique=True)
    if draw(st.integers(0, 9)):  # most without what is refused
        of_one_case = st.sampled_from([name for name in NAMES if name not in REFUSED])
        names = st.lists(of_one_case, min_size=2, max_size=5, unique=True)
    given = draw(names)
    made = {
        given[0]: draw(columns(mostly_text, n_rows)),
        given[1]: draw(
            columns(
                mostly_labels, n_rows, draw(st.sampled_from([3, 5] if is_usable else [1, 2, 3, 5]))
            )
        ),
    }
    for name in given[2:]:
        made[name] = draw(columns(list(TYPES), n_rows))
    source = {"text": given[0], "label": given[1]}
    if draw(st.integers(0, 4)) == 0:
        made["key"] = pa.array([f"r{i}" for i in range(n_rows)], pa.string())
        source["id"] = "key"
    elif len(given) > 2 and draw(st.integers(0, 5)) == 0:
        source["id"] = given[2]
    return pa.table(made), source, draw(st.integers(1, 3))
