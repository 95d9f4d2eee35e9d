"""Run what comes before, and find groups of rows that the classifier does badly on.

spark-submit --py-files lakewinnow.whl jobs/groups.py CONFIG… [--set KEY=VALUE] [--restart]
"""

import sys

from lakewinnow.cli import main

if __name__ == "__main__":
    exit_code = main(["groups", *sys.argv[1:]])
    if exit_code:  # Databricks takes any exit for a failure
        sys.exit(exit_code)
