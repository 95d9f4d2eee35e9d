"""Run what comes before, and find rows that do more harm than good.

spark-submit --py-files lakewinnow.whl jobs/valuation.py CONFIG… [--set KEY=VALUE] [--restart]
"""

import sys

from lakewinnow.cli import main

if __name__ == "__main__":
    exit_code = main(["valuation", *sys.argv[1:]])
    if exit_code:  # Databricks takes any exit for a failure
        sys.exit(exit_code)
