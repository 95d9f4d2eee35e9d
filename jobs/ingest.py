"""Run the source table into corpus/ and quarantine/.

spark-submit --py-files lakewinnow.whl jobs/ingest.py CONFIG… [--set KEY=VALUE] [--restart]
"""

import sys

from lakewinnow.cli import main

if __name__ == "__main__":
    exit_code = main(["ingest", *sys.argv[1:]])
    if exit_code:  # Databricks takes any exit for a failure
        sys.exit(exit_code)
