"""Run what comes before, and choose what becomes of label issues by trusted rows.

spark-submit --py-files lakewinnow.whl jobs/choose.py CONFIG… [--set KEY=VALUE] [--restart]
"""

import sys

from lakewinnow.cli import main

if __name__ == "__main__":
    exit_code = main(["choose", *sys.argv[1:]])
    if exit_code:  # Databricks takes any exit for a failure
        sys.exit(exit_code)
