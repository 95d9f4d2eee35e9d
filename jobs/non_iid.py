"""Run what comes before, and test whether the order of the rows matters.

spark-submit --py-files lakewinnow.whl jobs/non_iid.py CONFIG… [--set KEY=VALUE] [--restart]
"""

import sys

from lakewinnow.cli import main

if __name__ == "__main__":
    exit_code = main(["non_iid", *sys.argv[1:]])
    if exit_code:  # Databricks takes any exit for a failure
        sys.exit(exit_code)
