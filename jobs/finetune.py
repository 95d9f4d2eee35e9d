"""Fine-tune models on each version of the labels, and compare them.

spark-submit --py-files lakewinnow.zip jobs/finetune.py CONFIG… [--set KEY=VALUE] [--provider NAME]
"""

import sys

from lakewinnow.cli import main

if __name__ == "__main__":
    main(["finetune", *sys.argv[1:]])
