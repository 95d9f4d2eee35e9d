"""The way to the embedded Sail server: from a Unix socket to the port that is closed off.

It is a process of its own, so that it never waits for the interpreter lock of Sail's process, where
Python functions run. It ends with that process.
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Final

from lakewinnow.spark.sail import access

_N_PORTS: Final = 16  # connections at once; a session has one
_BLOCK: Final = 1 << 20
_PR_SET_PDEATHSIG: Final = 1
_PATIENCE_S: Final = 1.0


class Relay:
    """The relay's process, forked from one that has no threads yet.

    Parameters
    ----------
    path : where its socket is made, in a folder that only this user can enter
    """

    def __init__(self, path: Path) -> None:
        self._senders = access.bind_ports(_N_PORTS)
        self.ports = [sender.getsockname()[1] for sender in self._senders]
        clients = socket.socket(socket.AF_UNIX)
        clients.bind(str(path))
        clients.listen()
        read_end, self._write_end = os.pipe()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._write_end)
            try:
                _end_with(parent)
                port = int.from_bytes(os.read(read_end, 2), "big")
                if port:
                    _relay(clients, self.ports, port, parent)
            finally:
                os._exit(0)
        os.close(read_end)
        clients.close()

    def go_to(self, port: int) -> None:
        """Say which port the server listens on."""
        os.write(self._write_end, port.to_bytes(2, "big"))


def _end_with(parent: int) -> None:
    """Leave nothing open that others wait to see closed, and end when the parent does."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (sys.__stdin__, sys.__stdout__):
        if standard is not None:
            os.dup2(nothing, standard.fileno())
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def _relay(clients: socket.socket, ports: list[int], port: int, parent: int) -> None:
    clients.settimeout(_PATIENCE_S)
    while os.getppid() == parent:
        with contextlib.suppress(TimeoutError):
            client, _ = clients.accept()
            client.settimeout(None)
            server = _connect(ports, port)
            if server is None:
                client.close()
                continue
            is_first = threading.Semaphore()
            for ends in ((client, server), (server, client)):
                threading.Thread(target=_pump, args=(*ends, is_first), daemon=True).start()


def _connect(ports: list[int], port: int) -> socket.socket | None:
    """Connect from a port that is bound and in no connection; None where all are."""
    for _ in ports:
        ports.append(ports.pop(0))  # the one used last comes last: its connection may linger
        sender = access.bind_port(ports[-1])
        try:
            sender.connect((access.ADDRESS, port))
        except OSError:
            sender.close()
        else:
            sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sender
    return None


def _pump(source: socket.socket, sink: socket.socket, is_first: threading.Semaphore) -> None:
    """Move all that comes from one socket to another, through a pipe: nothing is copied."""
    with contextlib.suppress(OSError):  # one of the two is gone
        _splice(source, sink)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
    if not is_first.acquire(blocking=False):
        source.close()
        sink.close()


def _splice(source: socket.socket, sink: socket.socket) -> None:
    out, into = os.pipe()
    try:
        with contextlib.suppress(OSError):  # more than this user may have
            fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, _BLOCK)
        while n_bytes := os.splice(source.fileno(), into, _BLOCK):
            while n_bytes:
                n_bytes -= os.splice(out, sink.fileno(), n_bytes)
    finally:
        os.close(out)
        os.close(into)
