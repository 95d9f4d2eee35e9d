"""Draw a sample of a finished run for people to review; or measure the flags by their decisions.

spark-submit --py-files lakewinnow.zip jobs/review.py draw CONFIG… [-n 200]
spark-submit --py-files lakewinnow.zip jobs/review.py measure CONFIG… FILE…
"""

import sys

from lakewinnow.cli import main

if __name__ == "__main__":
    main(["review", *sys.argv[1:]])
