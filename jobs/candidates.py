"""Run what comes before, and compare embedding.candidates on a sample.

spark-submit --py-files lakewinnow.whl jobs/candidates.py CONFIG… [--set KEY=VALUE] [--restart]
"""

import sys

from lakewinnow.cli import main

if __name__ == "__main__":
    exit_code = main(["candidates", *sys.argv[1:]])
    if exit_code:  # Databricks takes any exit for a failure
        sys.exit(exit_code)
