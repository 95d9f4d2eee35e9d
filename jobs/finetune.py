"""Run what comes before, fine-tune a model on each version of the labels, and compare.

spark-submit --py-files lakewinnow.whl jobs/finetune.py CONFIG… [--set KEY=VALUE] [--provider …]
"""

import sys

from lakewinnow.cli import main

if __name__ == "__main__":
    exit_code = main(["finetune", *sys.argv[1:]])
    if exit_code:  # Databricks takes any exit for a failure
        sys.exit(exit_code)
