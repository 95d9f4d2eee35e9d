"""What Sail's server and a worker process say to each other, over a pair of sockets.

One of the two speaks at a time. The server sends CALL (and FUNCTION, to a worker that answers
UNKNOWN). Then the worker asks for each item of the input (WANT, answered by ITEM or END) and hands
over each item of the output (ITEM, answered by MORE or STOP), until it is DONE or has FAILED. So a
function sees its input as lazily as it would in the server's own process, neither side ever waits
for the other to read, and a server that wants no more gets its worker back at once.

Batches go through the sockets, at 3 to 6 GB/s measured (batches of 1 and 8 MB, two cores). Through
shared memory they went at 1 GB/s: its pages are new to each batch, since a function may keep what
it was given. A call with a small batch takes 0.15 ms.
"""

import socket
import struct
from collections.abc import Iterable
from enum import IntEnum, auto
from typing import Any, Final

import pyarrow as pa

_HEADER: Final = struct.Struct("<BBq")  # word, form of what follows, its bytes
_BUFFER_BYTES: Final = 1 << 20  # the system may give less
_OPTIONS: Final = pa.ipc.IpcReadOptions(use_threads=False)


class Word(IntEnum):
    """What a message means."""

    CALL = auto()
    FUNCTION = auto()
    UNKNOWN = auto()
    WANT = auto()
    ITEM = auto()
    END = auto()
    MORE = auto()
    STOP = auto()
    DONE = auto()
    FAILED = auto()


class _Form(IntEnum):
    """What a message carries."""

    NOTHING = auto()
    BYTES = auto()
    BATCH = auto()
    TABLE = auto()
    ARRAYS = auto()
    ARRAY = auto()


class GoneError(OSError):
    """The process at the other end is no more."""


class Channel:
    """One end of the line between the server and a worker."""

    def __init__(self, end: socket.socket) -> None:
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            end.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
        self._socket = end

    def send(self, word: Word, item: Any = None) -> None:
        """Send a word, with bytes, a batch, a table, an array or a tuple of arrays.

        Raises
        ------
        GoneError
        TypeError : it is something else; nothing has been sent
        """
        form, body = _encoded(item)
        header = _HEADER.pack(word, form, len(body))
        try:
            n_sent = self._socket.sendmsg([header, body])
            for part in (header, body):
                if n_sent < len(part):
                    self._socket.sendall(part[n_sent:])
                n_sent = max(0, n_sent - len(part))
        except OSError as error:
            raise GoneError(*error.args) from error

    def receive(self) -> tuple[Word, Any]:
        """Return the next word and what came with it, which lies in memory of its own."""
        word, form, size = _HEADER.unpack(self._read(_HEADER.size))
        return Word(word), _decoded(_Form(form), self._read(size))

    def is_open(self) -> bool:
        """Whether an idle worker is still there: nothing is to be read from it, not even an end."""
        try:
            self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _read(self, size: int) -> pa.Buffer:
        buffer = pa.allocate_buffer(size)
        rest = memoryview(buffer)
        while rest:
            try:
                n_read = self._socket.recv_into(rest, flags=socket.MSG_WAITALL)
            except OSError as error:
                raise GoneError(*error.args) from error
            if not n_read:
                raise GoneError
            rest = rest[n_read:]
        return buffer


def _encoded(item: Any) -> tuple[_Form, memoryview]:
    match item:
        case None:
            return _Form.NOTHING, memoryview(b"")
        case bytes():
            return _Form.BYTES, memoryview(item)
        case pa.RecordBatch():
            return _Form.BATCH, _stream(item.schema, [item])
        case pa.Table():
            return _Form.TABLE, _stream(item.schema, item.to_batches())
        case pa.Array():
            return _Form.ARRAY, _columns((item,))
        case tuple():
            return _Form.ARRAYS, _columns(item)
    raise TypeError(f"expected Arrow data, got {type(item).__name__}")


def _columns(arrays: tuple[pa.Array, ...]) -> memoryview:
    batch = pa.RecordBatch.from_arrays(list(arrays), names=list(map(str, range(len(arrays)))))
    return _stream(batch.schema, [batch])


def _stream(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> memoryview:
    """Return a whole stream, in which dictionaries and the schema's metadata travel along."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return memoryview(sink.getvalue())


def _decoded(form: _Form, body: pa.Buffer) -> Any:
    if form is _Form.NOTHING:
        return None
    if form is _Form.BYTES:
        return body.to_pybytes()
    with pa.ipc.open_stream(body, options=_OPTIONS) as reader:
        if form is _Form.TABLE:
            return reader.read_all()
        batch = reader.read_next_batch()
    if form is _Form.BATCH:
        return batch
    return batch.column(0) if form is _Form.ARRAY else tuple(batch.columns)
