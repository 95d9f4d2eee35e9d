"""Run what comes before, and compare the rows with checks.drift.reference, or by a column.

spark-submit --py-files lakewinnow.whl jobs/drift.py CONFIG… [--set KEY=VALUE] [--restart]
"""

import sys

from lakewinnow.cli import main

if __name__ == "__main__":
    exit_code = main(["drift", *sys.argv[1:]])
    if exit_code:  # Databricks takes any exit for a failure
        sys.exit(exit_code)
