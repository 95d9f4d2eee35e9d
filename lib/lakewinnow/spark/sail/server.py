"""What runs in the process of the embedded Sail server: ``python -m lakewinnow.spark.sail.server``.

Whoever starts it keeps its standard input open and reads one line from its standard output: the
port. It ends when its standard input does, which is when whoever started it ends, however that
comes about. What it has to say goes to its standard error.
"""

import os
import sys
from typing import Final

from lakewinnow.spark.machine import usable_cores
from lakewinnow.spark.sail import workers

ADDRESS: Final = "127.0.0.1"


def main() -> None:
    """Serve until standard input ends."""
    workers.start(usable_cores())
    from pysail.spark import SparkConnectServer  # takes a while; meanwhile they import, too

    server = SparkConnectServer(ADDRESS, 0)
    server.start(background=True)
    print(server.listening_address[1], flush=True)  # noqa: T201 - the answer to who started us
    while sys.stdin.buffer.read(1):
        pass
    # Not by returning: threads of the server may be in a query that nobody waits for any more.
    os._exit(0)


if __name__ == "__main__":
    main()
