"""Runs that want one workspace at the same time."""

import threading
import time

from lakewinnow.errors import BusyError
from lakewinnow.lake.lock import alone_in

N_RUNS = 6


def contend(files):
    """Have several runs start together, each at work for a moment.

    Returns
    -------
    how many got in, and the most that were in at once
    """
    inside, most, entered = [], [], []
    start = threading.Barrier(N_RUNS)

    def run():
        start.wait()
        try:
            with alone_in(files):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.3)
                inside.pop()
        except BusyError:
            return
        entered.append(1)

    threads = [threading.Thread(target=run) for _ in range(N_RUNS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(entered), max(most, default=0)
