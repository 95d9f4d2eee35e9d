"""Run what comes before, and embed the texts that the store does not have yet.

spark-submit --py-files lakewinnow.whl jobs/embed.py CONFIG… [--set KEY=VALUE] [--restart]
"""

import sys

from lakewinnow.cli import main

if __name__ == "__main__":
    exit_code = main(["embed", *sys.argv[1:]])
    if exit_code:  # Databricks takes any exit for a failure
        sys.exit(exit_code)
