"""Review: people look at a sample of a finished run, and what they say measures the flags.

`draw` writes the sample and a page to review it on; `measure` reads the decisions back.
"""

from lakewinnow.review.files import AGREED, FOLDER, PAGE, check
from lakewinnow.review.measuring import measure
from lakewinnow.review.sampling import MAX_ROWS, Sample, draw

__all__ = ["AGREED", "FOLDER", "MAX_ROWS", "PAGE", "Sample", "check", "draw", "measure"]
