import socket
import threading

import pyarrow as pa
import pytest

from lakewinnow.spark.sail.wire import Channel, GoneError, Word


@pytest.fixture
def ends():
    one, other = map(Channel, socket.socketpair())
    yield one, other
    one.close()
    other.close()


DICTIONARY = pa.array(["b", "a", "b", None]).dictionary_encode()
SCHEMA = pa.schema(
    [
        pa.field("word", DICTIONARY.type, metadata={"of": "field"}),
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("bytes", pa.large_binary()),
        pa.field("vector", pa.list_(pa.float32())),
        pa.field("nothing", pa.null()),
        pa.field("of", pa.struct([("x", pa.decimal128(10, 2)), ("t", pa.timestamp("us", "UTC"))])),
    ],
    metadata={"of": "schema"},
)
BATCH = pa.RecordBatch.from_arrays(
    [
        DICTIONARY,
        pa.array(["x", "", "ü", "z"], pa.large_string()),
        pa.array([b"1", None, b"", b"2"], pa.large_binary()),
        pa.array([[1.0], [], None, [2.0, 3.0]], pa.list_(pa.float32())),
        pa.nulls(4),
        pa.array([None, {"x": 1, "t": 0}, {"x": None, "t": 1}, None], SCHEMA.field("of").type),
    ],
    schema=SCHEMA,
)


@pytest.mark.parametrize(
    "item",
    [
        BATCH,
        BATCH.slice(1, 2),
        BATCH.slice(0, 0),
        pa.Table.from_batches([BATCH, BATCH.slice(2)]),
        SCHEMA.empty_table(),
        DICTIONARY,
        pa.array([], pa.string()),
        (DICTIONARY.slice(1), BATCH.column("of").slice(1)),
        pa.record_batch({"wide": pa.array(range(60_000))}),
    ],
)
def test_what_is_sent_arrives_as_it_was(ends, item):
    one, other = ends
    one.send(Word.ITEM, item)
    word, found = other.receive()
    assert word is Word.ITEM
    assert type(found) is type(item)
    if isinstance(item, pa.RecordBatch | pa.Table):
        assert found.schema.equals(item.schema, check_metadata=True)
        found.validate(full=True)
    assert found == item


def test_a_message_larger_than_any_buffer_arrives(ends):
    one, other = ends
    table = pa.table({"x": pa.array(range(2_000_000))})  # 16 MB

    def echo(channel):
        channel.send(*channel.receive())

    answering = threading.Thread(target=echo, args=[other])
    answering.start()
    one.send(Word.ITEM, table)
    assert one.receive() == (Word.ITEM, table)
    answering.join()


def test_what_is_not_arrow_data_is_not_sent(ends):
    one, other = ends
    with pytest.raises(TypeError, match="expected Arrow data, got list"):
        one.send(Word.ITEM, [1, 2])
    one.send(Word.DONE)
    assert other.receive() == (Word.DONE, None)


def test_whoever_has_hung_up_is_gone(ends):
    one, other = ends
    assert one.is_open()
    other.close()
    assert not one.is_open()
    with pytest.raises(GoneError):
        one.receive()
    with pytest.raises(GoneError):
        one.send(Word.WANT)
