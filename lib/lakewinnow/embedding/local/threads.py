"""How many threads a model that runs here may have.

A task of Spark shares its machine with the others, one a core, and Spark says so to its Python
workers: OMP_NUM_THREADS is spark.task.cpus there, usually 1. OpenMP, BLAS and torch obey it by
themselves. Tokenizers do not, so two tasks on two cores would cut texts on four threads. Where the
variable is not set, in a plain process, all cores are used.
"""

import os
import sys

from lakewinnow.spark.sessions.machine import usable_cores

_GIVEN = "OMP_NUM_THREADS"


def limit(n_threads: int | None = None) -> int:
    """Keep what this process computes to so many threads; return how many.

    To be called before the first text is cut: tokenizers start their threads then, once.

    Parameters
    ----------
    n_threads : default: OMP_NUM_THREADS, else the number of cores
    """
    if n_threads is not None:
        os.environ[_GIVEN] = str(n_threads)
        if "torch" in sys.modules:  # else it reads the variable when it is imported
            sys.modules["torch"].set_num_threads(n_threads)
    given = os.environ.get(_GIVEN, "")
    n_threads = int(given) if given.isdecimal() and int(given) else usable_cores()
    os.environ.setdefault("RAYON_NUM_THREADS", str(n_threads))
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false" if n_threads == 1 else "true")
    return n_threads
