"""Run what comes before, and write files for fine-tuning (export.format).

spark-submit --py-files lakewinnow.whl jobs/export.py CONFIG… [--set KEY=VALUE] [--restart]
"""

import sys

from lakewinnow.cli import main

if __name__ == "__main__":
    exit_code = main(["export", *sys.argv[1:]])
    if exit_code:  # Databricks takes any exit for a failure
        sys.exit(exit_code)
