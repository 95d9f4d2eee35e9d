"""CSV, of which no byte is lost, and JSON lines, read as Spark reads them."""

import csv
import io
import json
import math

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql.types import StringType

from builders import SAMPLE, SHARED, make_config
from lakewinnow.errors import ConfigError, DataError, SchemaError
from lakewinnow.lake.inputs.source import (
    CSV_OPTIONS,
    MALFORMED,
    _open_text_format,
    read_source,
)
from lakewinnow.lake.inputs.text_files import csv_blocks, csv_headers, json_lines, listing, reading
from lakewinnow.lake.inputs.text_files.csv_dialect import csv_dialect
from lakewinnow.lake.inputs.text_files.csv_records import RecordReader, line_break
from lakewinnow.lake.inputs.text_files.csv_types import common_type, kind_of
from lakewinnow.lake.inputs.text_files.decoding import clean_utf8

CSV = [
    (
        b"a,b\n1,2\n3\n4,5,6\n7,8\n",
        {},
        ["a", "b"],
        [("1", "2", None), ("3", None, "3"), ("4", "5", "4,5,6"), ("7", "8", None)],
    ),
    (
        b'a,b\n"",x\n,y\n" ",z\n',
        {},
        ["a", "b"],
        [(None, "x", None), (None, "y", None), (" ", "z", None)],
    ),
    (b'a,b\n1,"x\n', {}, ["a", "b"], [("1", '"x', None)]),
    (b'a,b\n1,"x"y\n2,z', {}, ["a", "b"], [("1", '"x"y', None), ("2", "z", None)]),
    (
        b'a,b\r\n1,"x\r\ny"\r\n2,z\nq\r\n',
        {},
        ["a", "b"],
        [("1", "x\r\ny", None), ("2", "z\nq", None)],
    ),
    (b'a,b\n1,x\r\n2,"y"\r\n', {}, ["a", "b"], [("1", "x\r", None), ("2", "y", None)]),
    (b"\xef\xbb\xbfa,b\n1,2\n3\n", {}, ["a", "b"], [("1", "2", None), ("3", None, "3")]),
    (b"a,A,,a\n1,2,3,4\n", {}, ["a0", "A1", "_c2", "a3"], [("1", "2", "3", "4", None)]),
    (
        b"a,b\n\n1,2\n  \n3,4\n",
        {},
        ["a", "b"],
        [("1", "2", None), ("  ", None, "  "), ("3", "4", None)],
    ),
    (
        b"a,b\n1,\xff\xe2\x82\n2,\xed\xa0\x80x\n3,\xed\xa0",
        {},
        ["a", "b"],
        [("1", "��", None), ("2", "�x", None), ("3", "�", None)],
    ),
    (b'a,b\n1,"x" y"', {}, ["a", "b"], [("1", '"x" y"', None)]),
    (b'a,b\n1,"x"" y"\n', {}, ["a", "b"], [("1", 'x" y', None)]),
    (
        b"a,b\n1\n2\n3,4\n5",
        {},
        ["a", "b"],
        [("1", None, "1"), ("2", None, "2"), ("3", "4", None), ("5", None, "5")],
    ),
    (
        b'a,b\n"1\n2"\n"3\n4",5,6\n',
        {},
        ["a", "b"],
        [("1\n2", None, '"1\n2"'), ("3\n4", "5", '"3\n4",5,6')],
    ),
    (b"a,b\r1,2\r3\r", {}, ["a", "b"], [("1", "2", None), ("3", None, "3")]),
    (
        b'a,b\n1,"\x00x"y\n2,"\x00"\n',
        {},
        ["a", "b"],
        [("1", '"\x00x"y', None), ("2", "\x00", None)],
    ),
    (b'a\n1\n\n2,3\n""\n', {}, ["a"], [("1", None), ("2", "2,3"), (None, None)]),
    (
        b"a,b\n1,2,\n3,\n,\n",
        {},
        ["a", "b"],
        [("1", "2", "1,2,"), ("3", None, None), (None, None, None)],
    ),
    (b"a;b\n1;2\n", {"sep": ";"}, ["a", "b"], [("1", "2", None)]),
    (
        b"\xff\xfea\x00,\x00b\x00\n\x001\x00,\x00\xe9\x00\n\x00",
        {"encoding": "UTF-16"},
        ["a", "b"],
        [("1", "é", None)],
    ),
    (
        b"a\x00,\x00b\x00\n\x001\x00,\x00\xe9\x00\n\x00",
        {"encoding": "UTF-16LE"},
        ["a", "b"],
        [("1", "é", None)],
    ),
    (
        b"\x00a\x00,\x00b\x00\n\x001\x00,\x00\xe9\x00\n",
        {"encoding": "UTF-16"},
        ["a", "b"],
        [("1", "é", None)],
    ),
    (
        b"\xff\xfea\x00,\x00b\x00\n\x001\x00,\x00\xe9\x00\n\x00",
        {},
        ["��a\x00", "\x00b\x00"],
        [("\x001\x00", "\x00�\x00", None), ("\x00", None, "\x00")],
    ),
    (b"a,b\n1,2\n3\n", {"multiLine": "false"}, ["a", "b"], [("1", "2", None), ("3", None, "3")]),
    (
        b'a,b\n1,"2\n3"\n',
        {"multiLine": "false"},
        ["a", "b"],
        [("1", '"2', None), ('3"', None, '3"')],
    ),
    (b"a,b\n1,2\n", {"header": "false"}, ["_c0", "_c1"], [("a", "b", None), ("1", "2", None)]),
    (
        b"a,b\n1,x\n2.5,y\n,z\n",
        {"inferSchema": "true"},
        ["a", "b"],
        [(1.0, "x", None), (2.5, "y", None), (None, "z", None)],
    ),
    (
        b"a,b\n1,x\n2020-01-01,y\n",
        {"inferSchema": "true"},
        ["a", "b"],
        [("1", "x", None), ("2020-01-01", "y", None)],
    ),
    (
        b"a,b\n1,99999999999\n2,x\n",
        {"inferSchema": "true"},
        ["a", "b"],
        [(1, "99999999999", None), (2, "x", None)],
    ),
    (
        b'a,b\n1,NULL\nNULL,2\n"NULL",\n',
        {"nullValue": "NULL"},
        ["a", "b"],
        [("1", None, None), (None, "2", None), (None, None, None)],
    ),
    (b'a,b\n1,""\n2,\n', {"nullValue": "NULL"}, ["a", "b"], [("1", "", None), ("2", None, None)]),
    (
        b'a,b\n 1 , x \n" 2 " ,3\n',
        {"ignoreLeadingWhiteSpace": "true", "ignoreTrailingWhiteSpace": "true"},
        ["a", "b"],
        [("1", "x", None), (" 2 ", "3", None)],
    ),
    (
        b'a,b\n1,"x\\"y"\n2,"a""b"\n3,a\\\\b\n',
        {"escape": "\\"},
        ["a", "b"],
        [("1", 'x"y', None), ("2", '"a""b"', None), ("3", "a\\\\b", None)],
    ),
    (b"#c\na,b\n#d\n1,2\n", {"comment": "#"}, ["a", "b"], [("1", "2", None)]),
    (b"a,b\n1,2\n3\n", {"mode": "DROPMALFORMED"}, ["a", "b"], [("1", "2", None)]),
    (b"a,b\n", {}, ["a", "b"], []),
    (b"a,b", {}, ["a", "b"], []),
    (b'a,b\n1,2\n"', {}, ["a", "b"], [("1", "2", None), ('"', None, '"')]),
    (b'a,b\n1,2\n,"', {}, ["a", "b"], [("1", "2", None), (None, '"', None)]),
    (b'a,b\n1,2\n3,"4"', {}, ["a", "b"], [("1", "2", None), ("3", "4", None)]),
    (b'a,b\n1,2\n""', {}, ["a", "b"], [("1", "2", None), (None, None, '""')]),
    (b'a b, c,"d e"\n1,2,3\n', {}, ["a b", " c", "d e"], [("1", "2", "3", None)]),
]

JSON = [
    (
        b'{"text":"a","label":"x"}\n{"text":"b","label":"y","n":1}\n',
        "struct<label:string,n:bigint,text:string>",
        [("x", None, "a", None), ("y", 1, "b", None)],
    ),
    (
        b'{"b":1,"a":2.5,"c":true,"d":null,"e":"","f":[1,2],"g":{"z":1,"y":"q"},"h":[]}\n',
        "struct<a:double,b:bigint,c:boolean,d:string,e:string,f:array<bigint>,g:struct<y:string,z:bigint>,h:array<string>>",
        [(2.5, 1, True, None, "", [1, 2], {"y": "q", "z": 1}, [], None)],
    ),
    (
        b'{"a":1}\nnot json\n{"a":2}\n{"a":\n[1]\n"x"\n5\nnull\n\n  \n{}\n',
        "struct<a:bigint>",
        [
            (1, None),
            (None, "not json"),
            (2, None),
            (None, '{"a":'),
            (None, "[1]"),
            (None, '"x"'),
            (None, "5"),
            (None, "null"),
            (None, None),
        ],
    ),
    (
        b'{"a":1}\n{"a":"x"}\n{"a":2.50}\n{"a":true}\n{"a":{"k": 1,  "j":[1, 2]}}\n{"a":null}\n{"a":1e5}\n{"a":12345678901234567890}\n',  # noqa: E501
        "struct<a:string>",
        [
            ("1", None),
            ("x", None),
            ("2.50", None),
            ("true", None),
            ('{"k": 1,  "j":[1, 2]}', None),
            (None, None),
            ("1e5", None),
            ("12345678901234567890", None),
        ],
    ),
    (b'{"a":1}\n{"a":2.5}\n', "struct<a:double>", [(1.0, None), (2.5, None)]),
    (b'{"a":1} trailing\n{"a":2}{"a":3}\n', "struct<a:bigint>", [(1, None), (2, None)]),
    (
        b'{"a":NaN,"b":Infinity}\n{"a":1.0,"b":-INF}\n',
        "struct<a:double,b:double>",
        [(math.nan, math.inf, None), (1.0, -math.inf, None)],
    ),
    (
        b'{\'a\':1}\n{a:1}\n{"a":1,}\n{"a":01}\n{"a":1}\n',
        "struct<a:bigint>",
        [(1, None), (None, "{a:1}"), (None, '{"a":1,}'), (None, '{"a":01}'), (1, None)],
    ),
    (
        b'{"a":"x\ty"}\n{"a":"ok"}\n{"a":"\\u00e9\\ud83d\\ude00"}\n{"a":"\\ud83d"}\n',
        "struct<a:string>",
        [(None, '{"a":"x\ty"}'), ("ok", None), ("é😀", None), ("?", None)],
    ),
    (b'{"a":"\xff"}\n{"a":"\xc3\xa9"}\n', "struct<a:string>", [(None, '{"a":"�"}'), ("é", None)]),
    (
        b'\xef\xbb\xbf{"a":1}\r\n{"a":2}\r{"a":3}',
        "struct<a:bigint>",
        [(1, None), (2, None), (3, None)],
    ),
    (b'[{"a":1},{"a":2}]\n{"a":3}\n', "struct<a:bigint>", [(1, None), (2, None), (3, None)]),
    (
        b'{"a":[1,"x"]}\n{"a":[2.5]}\n',
        "struct<a:array<string>>",
        [(["1", "x"], None), (["2.5"], None)],
    ),
    (
        b'{"a":{"b":1}}\n{"a":{"c":"x"}}\n{"a":null}\n',
        "struct<a:struct<b:bigint,c:string>>",
        [({"b": 1, "c": None}, None), ({"b": None, "c": "x"}, None), (None, None)],
    ),
    (
        b'{"a":{"b":1}}\n{"a":5}\n{"a":[1]}\n',
        "struct<a:string>",
        [('{"b":1}', None), ("5", None), ("[1]", None)],
    ),
    (b'{"a":{}}\n{"a":{},"b":1}\n', "struct<b:bigint>", [(None, None), (1, None)]),
    (b'{"a":[[1],[]]}\n', "struct<a:array<array<bigint>>>", [([[1], []], None)]),
    (
        b'{"a":"2020-01-01","b":"2020-01-01T00:00:00"}\n',
        "struct<a:string,b:string>",
        [("2020-01-01", "2020-01-01T00:00:00", None)],
    ),
    (
        b'{"a":1.5}\n{"a":1e400}\n{"a":0.1}\n{"a":-0}\n{"a":-0.0}\n',
        "struct<a:double>",
        [(1.5, None), (math.inf, None), (0.1, None), (0.0, None), (-0.0, None)],
    ),
    (
        b'{"a":"1"}\n{"a":1}\n{"a": 1.10 }\n{"a":[ 1 , 2 ]}\n{"a":{"x": "\\u00e9" } }\n',
        "struct<a:string>",
        [
            ("1", None),
            ("1", None),
            ("1.10", None),
            ("[ 1 , 2 ]", None),
            ('{"x": "\\u00e9" }', None),
        ],
    ),
    (
        b'{"a":1,"b":"x"}\n{"a":"z","b":"y"}\n',
        "struct<a:string,b:string>",
        [("1", "x", None), ("z", "y", None)],
    ),
    (b'  {"a":1}  \n', "struct<a:bigint>", [(1, None)]),
    (b'{"a":true}\n{"a":1}\n', "struct<a:string>", [("true", None), ("1", None)]),
    (
        b'{"a":1}\n{"a":[1]}\n{"a":[null, 2]}\n',
        "struct<a:string>",
        [("1", None), ("[1]", None), ("[null, 2]", None)],
    ),
    (
        b'{"a":1}\n{"a":9223372036854775808}\n{"a":1.5}\n',
        "struct<a:double>",
        [(1.0, None), (9.223372036854776e18, None), (1.5, None)],
    ),
    (b'{"a.b":1,"a b":2,"":3}\n', "struct<a b:bigint,a.b:bigint>", [(2, 1, None)]),
    (
        b'{"a":{"b":[{"c":1},{"c":2.5,"d":"x"}]}}\n',
        "struct<a:struct<b:array<struct<c:double,d:string>>>>",
        [({"b": [{"c": 1.0, "d": None}, {"c": 2.5, "d": "x"}]}, None)],
    ),
    (
        b'{"a":"tr\xe2\x80\xa8x"}\n{"b":"\\/\\b"}\n{"b":"\\q"}\n',
        "struct<a:string,b:string>",
        [("tr\u2028x", None, None), (None, "/\x08", None), (None, None, '{"b":"\\q"}')],
    ),
    (
        b'{"a":.5}\n{"a":5.}\n{"a":+1}\n{"a":1}\n',
        "struct<a:bigint>",
        [(None, '{"a":.5}'), (None, '{"a":5.}'), (None, '{"a":+1}'), (1, None)],
    ),
    (
        b'{"text":"a","label":"x"}\n{"text":"b","lab\n{"text":"c","label":"z","extra":{"q":[1,2]}}\n',
        "struct<extra:struct<q:array<bigint>>,label:string,text:string>",
        [
            (None, "x", "a", None),
            (None, None, None, '{"text":"b","lab'),
            ({"q": [1, 2]}, "z", "c", None),
        ],
    ),
    (
        b'{"a":1}\n{"a":null}x\n{"b":tru}\n',
        "struct<a:bigint>",
        [(1, None), (None, None), (None, '{"b":tru}')],
    ),
    (
        b'{"z":1,"\xc3\xa9":2,"B":3,"a":4}\n',
        "struct<B:bigint,a:bigint,z:bigint,é:bigint>",
        [(3, 4, 1, 2, None)],
    ),
    (
        b'{"a":{"b":1,"c":"x"}}\n{"a":{"b":"q","c":5}}\n',
        "struct<a:struct<b:string,c:string>>",
        [({"b": "1", "c": "x"}, None), ({"b": "q", "c": "5"}, None)],
    ),
    (
        b'{"a":[{"b":1}]}\n{"a":[{"b":"x"},null]}\n',
        "struct<a:array<struct<b:string>>>",
        [([{"b": "1"}], None), ([{"b": "x"}, None], None)],
    ),
    (
        b'{"a":1,"b":"x"}\n{"a":"","b":"y"}\n',
        "struct<a:bigint,b:string>",
        [(1, "x", None), (None, "y", '{"a":"","b":"y"}')],
    ),
    (
        b'{"a":1.5,"b":"x"}\n{"a":"","b":"y"}\n',
        "struct<a:double,b:string>",
        [(1.5, "x", None), (None, "y", '{"a":"","b":"y"}')],
    ),
    (
        b'{"a":true,"b":"x"}\n{"b":"y","a":""}\n',
        "struct<a:boolean,b:string>",
        [(True, "x", None), (None, "y", '{"b":"y","a":""}')],
    ),
    (
        b'{"a":[1],"b":"x"}\n{"a":"","b":"y"}\n{"a":[""],"b":"z"}\n',
        "struct<a:array<bigint>,b:string>",
        [([1], "x", None), (None, "y", '{"a":"","b":"y"}'), (None, "z", '{"a":[""],"b":"z"}')],
    ),
    (
        b'{"a":{"k":1},"b":"x"}\n{"a":"","b":"y"}\n{"a":{"k":""},"b":"z"}\n',
        "struct<a:struct<k:bigint>,b:string>",
        [
            ({"k": 1}, "x", None),
            (None, "y", '{"a":"","b":"y"}'),
            ({"k": None}, "z", '{"a":{"k":""},"b":"z"}'),
        ],
    ),
    (
        b'{"a":1}\n[]\n[{"a":2},5]\n[{"a":3},null]\n[[{"a":4}]]\n',
        "struct<a:bigint>",
        [(1, None), (None, '[{"a":2},5]'), (None, '[{"a":3},null]'), (None, '[[{"a":4}]]')],
    ),
    (b'{"a":1}\n{"a":2\n', "struct<a:bigint>", [(1, None), (None, '{"a":2')]),
    (
        b'{"a":1}\n"\n\x00\n\x0b\n{"a":"\\u00zz"}\n',
        "struct<a:bigint>",
        [(1, None), (None, '"'), (None, "\x00"), (None, "\x0b"), (None, '{"a":"\\u00zz"}')],
    ),
    (
        b'{"a":12345678901234567890123456789012345678901}\n',
        "struct<a:double>",
        [(1.2345678901234568e40, None)],
    ),
    (
        b'{"a":{"k":1}}\n{"a":"x"}\n{"a":{ "k" : \'q\' }}\n',
        "struct<a:string>",
        [('{"k":1}', None), ("x", None), ("{ \"k\" : 'q' }", None)],
    ),
    (
        b'{"a":{"x":{}}}\n{"b":[{}]}\n{"c":1}\n',
        "struct<c:bigint>",
        [(None, None), (None, None), (1, None)],
    ),
    (
        b'{"a":"NaN","b":NaN}\n{"b":+Infinity}\n{"b":INF}\n{"b":+INF}\n{"b":-Infinity}\n{"b":nan}\n',
        "struct<a:string,b:double>",
        [
            ("NaN", math.nan, None),
            (None, math.inf, None),
            (None, None, '{"b":INF}'),
            (None, math.inf, None),
            (None, -math.inf, None),
            (None, None, '{"b":nan}'),
        ],
    ),
    (b'{"a":[1,2]}\n{"a":{"b":1}}\n', "struct<a:string>", [("[1,2]", None), ('{"b":1}', None)]),
    (b'{"\\u0061":1}\n{"a":2}\n', "struct<a:bigint>", [(1, None), (2, None)]),
    (b'{"a":1}{"a"\n{"a":2}]\n', "struct<a:bigint>", [(1, None), (2, None)]),
    (
        b'{"a":1e3}\n{"a":1E+2}\n{"a":1e}\n{"a":-}\n',
        "struct<a:double>",
        [(1000.0, None), (100.0, None), (None, '{"a":1e}'), (None, '{"a":-}')],
    ),
    (
        b'{"a":NaN}\n{"a":"x"}\n{"a":INF}\n',
        "struct<a:string>",
        [("NaN", None), ("x", None), (None, '{"a":INF}')],
    ),
    (b'{"__lw_malformed":"x","a":1}\n', "struct<a:bigint>", [(1, None)]),
    (b'{"a":{"b":NaN}}\n{"a":"x"}\n', "struct<a:string>", [('{"b":NaN}', None), ("x", None)]),
    (
        b'{"a":"\xed\xa0\x80"}\n{"a":"x"}\n\xff\n{"a":"y"}\xff\n',
        "struct<a:string>",
        [(None, '{"a":"�"}'), ("x", None), (None, "�"), ("y", None)],
    ),
]


def named(files):
    """Return the batch that tells a task which files to read."""
    columns = zip(*((file.folder, file.name, file.size) for file in files), strict=True)
    return pa.RecordBatch.from_arrays(list(map(pa.array, columns)), ["folder", "name", "size"])


def csv_rows(path, options):
    """Read a file without an engine; return the names of its columns and its rows."""
    dialect = csv_dialect({**CSV_OPTIONS, **options})
    files = listing.list_files(str(path), options)
    tokens = csv_headers.common_header(files, dialect, options)
    names = reading.column_names(tokens, dialect)
    types = [StringType()] * len(names)
    if dialect.infer_schema:
        [found] = reading._find_kinds(iter([named(files)]), dialect, len(names))
        types = list(map(common_type, names, json.loads(found["found"][0].as_py())))
    batches = reading._parse_csv(iter([named(files)]), dialect, types, [*names, MALFORMED])
    rows = [
        row
        for batch in batches
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    ]
    return names, rows


def json_rows(content):
    inferred = json_lines.Inferred()
    inferred.add(io.BytesIO(content))
    schema = json_lines.schema_of(inferred, MALFORMED)
    batches = json_lines.rows(io.BytesIO(content), schema, MALFORMED)
    rows = [tuple(row.values()) for batch in batches for row in batch.to_pylist()]
    return schema.simpleString(), rows


def in_order(rows):
    return sorted(map(repr, rows))


@pytest.mark.parametrize(("content", "options", "names", "rows"), CSV)
def test_csv_loses_no_byte(tmp_path, content, options, names, rows):
    (tmp_path / "x.csv").write_bytes(content)
    found_names, found = csv_rows(tmp_path / "x.csv", options)
    assert found_names == names
    assert in_order(found) == in_order(rows)


@pytest.mark.parametrize(("content", "schema", "rows"), JSON)
def test_json_is_what_spark_makes_of_it(content, schema, rows):
    found_schema, found = json_rows(content)
    assert found_schema == schema
    assert in_order(found) == in_order(rows)


CELL = st.lists(
    st.sampled_from([*'", ;\t\r\n', "\r\n", "\\", "a", "é", "\0", "\ufeff", " "]), max_size=5
)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.lists(CELL.map("".join), min_size=2, max_size=2), max_size=8),
    break_=st.sampled_from(["\n", "\r\n", "\r"]),
    sep=st.sampled_from([",", ";", "\t"]),
    header=st.booleans(),
    n_bytes=st.sampled_from([16, 1 << 14]),
)
def test_number_19_every_character_between_quotes_comes_back(rows, break_, sep, header, n_bytes):
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=sep, lineterminator=break_, quoting=csv.QUOTE_ALL)
    writer.writerows([*([["a", "b"]] if header else []), *rows])
    options = {**CSV_OPTIONS, "sep": sep, "header": str(header).lower()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "_RECORDS_BYTES", n_bytes)
        blocks = csv_blocks.rows(iter([out.getvalue().encode()]), csv_dialect(options), 2)
        found = [row for block in blocks for row in zip(*map(list, block.columns), strict=True)]
    assert [[value.as_py() or "" for value in row] for row in found] == rows


@pytest.mark.parametrize("break_", [b"\n", b"\r\n"])
def test_number_19_line_breaks_between_quotes_are_read_as_they_are(spark, tmp_path, break_):
    lines = [b"text,label", b'"one\r\ntwo\nthree\rfour",x', b'"a ""b""",y']
    (tmp_path / "x.csv").write_bytes(break_.join(lines))
    source = read_source(spark, make_config(tmp_path / "x.csv").input, "csv")
    found = {tuple(row)[:2] for row in source.df.collect()}
    assert found == {("one\r\ntwo\nthree\rfour", "x"), ('a "b"', "y")}


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-5, 5),
        st.floats(allow_nan=False, width=32),
        st.sampled_from(["", "x", "é", '"', "\\", "\ud800"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(["k", "l"]), inner, max_size=2),
    ),
    max_leaves=3,
)
LINES = st.one_of(
    st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES).map(json.dumps).map(str.encode),
    st.sampled_from([b"", b"  ", b"{", b'{"a":1', b"[1]", b'{"a":\xff}', b'{"a":tru}', b"{} x"]),
)


@pytest.mark.classic_only  # bytes that are not UTF-8 do not reach a client of Connect
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(lines=st.lists(LINES, min_size=2, max_size=6))
def test_any_json_is_read_as_spark_reads_it(spark, tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("any") / "x.json"
    path.write_bytes(b'{"a": null}\n' + b"\n".join(lines))
    found_schema, found = json_rows(path.read_bytes())
    try:
        df, schema = _open_text_format(spark, str(path), "json", {})
    except DataError:  # no columns
        assert found_schema == "struct<>"
        return
    assert found_schema == schema.simpleString()
    expected = [tuple(row.asDict(recursive=True).values()) for row in df.collect()]
    assert in_order(found) == in_order(expected)


CELLS = ["a", "", "é", '"x"', '"x,y"', '"q""r"', '""', '"l\nm"', '"l\r\nm"', "  "]
ODD = ['x"y', '"a"b', '"a" ', "a\r", "\ufeff", "\0", '"', "\n", "\\"]


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.lists(st.sampled_from(CELLS * 9 + ODD), min_size=1, max_size=3), max_size=30),
    break_=st.sampled_from(["\n", "\r\n", "\r"]),
    options=st.sampled_from(
        [{}, {"escape": "\\"}, {"escape": ""}, {"nullValue": "a", "emptyValue": "E"}]
    ),
    n_characters=st.sampled_from([5, 40, 1000]),
)
def test_blocks_hold_the_records(rows, break_, options, n_characters):
    text = break_.join([*map(",".join, rows), ""])
    dialect = csv_dialect({**CSV_OPTIONS, "header": "false", **options})
    parts = (text[i : i + n_characters] for i in range(0, len(text), n_characters))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "_BLOCK_BYTES", 128)
        patch.setattr(csv_blocks, "_SMALL_BLOCK_BYTES", 48)
        patch.setattr(csv_blocks, "_RECORDS_BYTES", 16)
        found = [
            row
            for block in csv_blocks.rows(map(str.encode, parts), dialect, 2)
            for row in zip(*(c.to_pylist() for c in (*block.columns, block.malformed)), strict=True)
        ]
    expected = []
    for record in RecordReader(text, dialect, line_break(text, dialect.quote), is_last=True):
        values = [None if token == dialect.null_value else token for token in record.tokens]
        malformed = None if len(values) == 2 else record.text
        expected.append((*[*values, None][:2], malformed))
    assert in_order(found) == in_order(expected)


FILES = sorted([*SAMPLE.glob("*.csv"), *SHARED.glob("data/*/*.csv")])


@pytest.mark.spark_only
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_real_files_are_read_as_spark_reads_them(spark, path):
    df, schema = _open_text_format(spark, str(path), "csv", dict(CSV_OPTIONS))
    names, found = csv_rows(path, {})
    assert names == schema.names
    as_spark = [tuple(v and v.replace("\r\n", "\n") for v in row) for row in found]
    assert in_order(as_spark) == in_order(map(tuple, df.collect()))


@pytest.mark.spark_only
def test_a_plan_reads_folders_and_patterns(spark, tmp_path):
    for name in ("b.csv", "a.csv", "c.txt", "_hidden.csv", "sub/d.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"text,label\n{name},x\n")
    for pattern, options in (
        ("", {}),
        ("*.csv", {}),
        ("{a,c}.*", {}),
        ("[!a].csv", {}),
        ("*/d.csv", {}),
        ("", {"pathGlobFilter": "?.txt"}),
        ("", {"recursiveFileLookup": "true"}),
    ):
        path = f"{tmp_path}/{pattern}"
        expected, _ = _open_text_format(spark, path, "csv", {**CSV_OPTIONS, **options})
        files = listing.list_files(path, options)
        rows, _ = reading.read_csv(spark, files, {**CSV_OPTIONS, **options}, MALFORMED)
        assert in_order(rows.collect()) == in_order(expected.collect())
        assert sorted(file.uri for file in files) == sorted(expected.inputFiles())


@pytest.mark.spark_only
def test_a_json_plan_infers_over_all_files(spark, tmp_path):
    (tmp_path / "1.json").write_text('{"text": "a", "n": 1}\n{bad\n')
    (tmp_path / "2.json").write_text('{"text": "b", "n": 2.5, "tags": ["x"]}\n')
    expected, schema = _open_text_format(spark, str(tmp_path), "json", {})
    files = listing.list_files(str(tmp_path), {})
    rows, found = reading.read_json(spark, files, {}, MALFORMED)
    assert found == schema
    assert in_order(rows.collect()) == in_order(expected.collect())


def test_a_path_that_is_not_there_lists_nothing(tmp_path):
    assert listing.list_files(str(tmp_path / "no.csv"), {}) is None
    assert listing.list_files(str(tmp_path / "*.csv"), {}) is None
    assert listing.list_files(str(tmp_path), {}) == []


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("dateFormat", "yyyy", "option_of_spark"),
        ("sep", "||", "option_of_spark"),
        ("lineSep", "|", "option_of_spark"),
        ("mode", "FAILFAST", "option_of_spark"),
        ("unescapedQuoteHandling", "RAISE_ERROR", "option_of_spark"),
        ("header", "maybe", "invalid_option"),
        ("quote", "''", "invalid_option"),
        ("encoding", "klingon", "invalid_option"),
    ],
)
def test_an_option_that_is_not_served_is_named(name, value, code):
    with pytest.raises(ConfigError) as caught:
        csv_dialect({**CSV_OPTIONS, name: value})
    assert (caught.value.code, caught.value.where) == (code, f"input.options.{name.lower()}")


def test_an_option_of_json_that_is_not_served_is_named(spark, tmp_path):
    with pytest.raises(ConfigError) as caught:
        reading.read_json(spark, str(tmp_path), {"dropFieldIfAllNull": "true"}, MALFORMED)
    assert caught.value.where == "input.options.dropFieldIfAllNull"


@pytest.mark.parametrize("value", ["12345678901234567890", "2020-01-01 10:00:00"])
def test_decimals_and_times_are_left_to_spark(value):
    with pytest.raises(ConfigError) as caught:
        common_type("x", [kind_of(value)])
    assert caught.value.code == "option_of_spark"


def test_an_object_with_a_name_twice_is_refused():
    with pytest.raises(SchemaError, match="a more than once"):
        json_rows(b'{"a": 1, "a": 2}\n')


class Slow:
    """Gives a few bytes at a time."""

    def __init__(self, stream):
        self._stream = stream

    def read(self, _size):
        return self._stream.read(7)


def test_characters_are_never_cut():
    text = "aé😀\ud7ff" * 1000
    for encoding in ("utf-8", "utf-16", "utf-16le", "utf-32"):
        codec = "utf-16-le" if encoding == "utf-16le" else encoding
        stream = io.BytesIO(text.encode(codec))
        parts = list(clean_utf8(Slow(stream), encoding))
        assert "".join(part.decode() for part in parts) == text
