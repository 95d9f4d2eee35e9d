"""Run what comes before, and compare with evaluate.reference and on evaluate.holdout.

spark-submit --py-files lakewinnow.whl jobs/evaluate.py CONFIG… [--set KEY=VALUE] [--restart]
"""

import sys

from lakewinnow.cli import main

if __name__ == "__main__":
    exit_code = main(["evaluate", *sys.argv[1:]])
    if exit_code:  # Databricks takes any exit for a failure
        sys.exit(exit_code)
