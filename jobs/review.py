"""Draw a sample of a finished run for people to review; with --decisions, measure the flags by it.

spark-submit --py-files lakewinnow.whl jobs/review.py CONFIG… [-n 200] [--decisions FILE]
"""

import sys

from lakewinnow.cli import main

if __name__ == "__main__":
    exit_code = main(["review", *sys.argv[1:]])
    if exit_code:  # Databricks takes any exit for a failure
        sys.exit(exit_code)
