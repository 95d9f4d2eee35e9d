"""Run what comes before, and find the rows that are empty but for their label.

spark-submit --py-files lakewinnow.whl jobs/nulls.py CONFIG… [--set KEY=VALUE] [--restart]
"""

import sys

from lakewinnow.cli import main

if __name__ == "__main__":
    exit_code = main(["nulls", *sys.argv[1:]])
    if exit_code:  # Databricks takes any exit for a failure
        sys.exit(exit_code)
