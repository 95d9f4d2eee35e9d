"""Run what comes before, and flag, score and rank the label issues.

spark-submit --py-files lakewinnow.whl jobs/label_issues.py CONFIG… [--set KEY=VALUE] [--restart]
"""

import sys

from lakewinnow.cli import main

if __name__ == "__main__":
    exit_code = main(["label_issues", *sys.argv[1:]])
    if exit_code:  # Databricks takes any exit for a failure
        sys.exit(exit_code)
