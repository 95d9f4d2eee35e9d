"""Run all stages, from the table to clean/ and the report.

spark-submit --py-files lakewinnow.zip jobs/run.py CONFIG… [--set KEY=VALUE] [--until STAGE]
"""

import sys

from lakewinnow.cli import main

if __name__ == "__main__":
    main(["run", *sys.argv[1:]])
