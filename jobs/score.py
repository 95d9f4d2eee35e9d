"""Run everything on a new batch, judged by the noise model of an earlier run.

spark-submit --py-files lakewinnow.whl jobs/score.py CONFIG… --noise-model PATH [--restart]
"""

import sys

from lakewinnow.cli import main

if __name__ == "__main__":
    exit_code = main(["score", *sys.argv[1:]])
    if exit_code:  # Databricks takes any exit for a failure
        sys.exit(exit_code)
