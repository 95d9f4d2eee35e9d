"""Run what comes before, and find texts that are alike.

spark-submit --py-files lakewinnow.whl jobs/near_duplicates.py CONFIG… [--set KEY=VALUE] [--restart]
"""

import sys

from lakewinnow.cli import main

if __name__ == "__main__":
    exit_code = main(["near_duplicates", *sys.argv[1:]])
    if exit_code:  # Databricks takes any exit for a failure
        sys.exit(exit_code)
