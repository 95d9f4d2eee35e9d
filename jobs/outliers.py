"""Run what comes before, and find the rows that are like no others.

spark-submit --py-files lakewinnow.whl jobs/outliers.py CONFIG… [--set KEY=VALUE] [--restart]
"""

import sys

from lakewinnow.cli import main

if __name__ == "__main__":
    exit_code = main(["outliers", *sys.argv[1:]])
    if exit_code:  # Databricks takes any exit for a failure
        sys.exit(exit_code)
