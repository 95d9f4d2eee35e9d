"""How PySpark's client reaches the embedded Sail server."""

import atexit
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from pyspark.sql.connect.client import ChannelBuilder
from pyspark.sql.connect.session import SparkSession

from lakewinnow.spark.sessions.engines import CALL_SITES

_LONGEST_MESSAGE: Final = 2**31 - 1
_CLOSE_TIMEOUT_S: Final = 2.0


class SailChannelBuilder(ChannelBuilder):
    """Builds a channel to an address that has no name in ``sc://``: a Unix socket, say."""

    def __init__(self, target: str) -> None:
        longest = ("grpc.max_send_message_length", "grpc.max_receive_message_length")
        super().__init__([(option, _LONGEST_MESSAGE) for option in longest])
        self.setChannelOption("grpc.default_authority", "localhost")  # Sail takes no path for one
        self.setChannelOption("grpc.enable_http_proxy", 0)  # it is on this machine
        self._target = target

    def toChannel(self) -> Any:  # noqa: N802 - PySpark's name
        """Return a channel."""
        return self._insecure_channel(self._target)

    @property
    def host(self) -> str:
        """Return what a user is shown."""
        return self._target

    @property
    def endpoint(self) -> str:
        """Return what a user is shown."""
        return self._target


def connect(target: str, app_name: str) -> Any:
    """Return a session with the server at an address of gRPC's.

    A server that is gone is found out at once: by default a client tries for ten minutes.
    """
    builder: Any = SparkSession.builder
    connected = builder.channelBuilder(SailChannelBuilder(target)).create()
    try:
        connected.client.set_retry_policies([])
        # Else the server keeps what it has sent, for a client whose connection was cut.
        connected.client.disable_reattachable_execute()
        connected.conf.set("spark.app.name", app_name)
        connected.conf.set("spark.sql.session.timeZone", "UTC")
        connected.conf.set(CALL_SITES, "false")
    except BaseException:
        stop(connected, is_there=False)
        raise
    return connected


def stop(connected: Any, *, is_there: bool) -> None:
    """Stop a session, with a server that is there or not: nothing is said to one that is not."""
    connected.release_session_on_close = is_there
    if isinstance(sys.exc_info()[1], KeyboardInterrupt):
        # What it does at exit asks the server, and waits for the lock of a close without end.
        atexit.unregister(getattr(connected.client, "_on_exit", print))
        connected.client.close = partial(_within_patience, connected.client.close)
    connected.stop()


def _within_patience(close: Callable[[], None]) -> None:
    """Close a client, or leave it.

    Only after Ctrl-C: with a server that is gone, a process that has closed its client in another
    thread has been seen to hang when it ends. gRPC waits for the calls that are under way; without
    end where Ctrl-C came between a call and the start of the thread that hears how it ends.
    """
    closing = threading.Thread(target=close, name="Sail's client's end", daemon=True)
    closing.start()
    closing.join(_CLOSE_TIMEOUT_S)
