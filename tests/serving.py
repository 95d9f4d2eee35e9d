"""Servers in processes of their own: a port for each, and waiting until it is up."""

import contextlib
import socket
import time


def free_port():
    """Return a port of this machine that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def is_up_within(seconds, server, port):
    """Wait until a process listens on a port; return whether it does, and has not ended before."""
    deadline = time.monotonic() + seconds
    while server.poll() is None and time.monotonic() < deadline:
        with (
            contextlib.suppress(ConnectionRefusedError),
            socket.create_connection(("127.0.0.1", port)),
        ):
            return True
        time.sleep(0.05)
    return False
