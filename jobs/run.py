"""Run everything: from the source table to clean/, review/ and dropped/.

spark-submit --py-files lakewinnow.whl jobs/run.py CONFIG… [--set KEY=VALUE] [--restart]
"""

import sys

from lakewinnow.cli import main

if __name__ == "__main__":
    exit_code = main(["run", *sys.argv[1:]])
    if exit_code:  # Databricks takes any exit for a failure
        sys.exit(exit_code)
