"""Review: people look at a sample of a finished run, and what they say measures the flags.

`draw` writes the sample and a page to review it on; `measure` reads the decisions back.
"""

from lakewinnow.review.files import FOLDER, PAGE, Sample, agreed, check
from lakewinnow.review.measuring import measure
from lakewinnow.review.sampling import MAX_ROWS, draw

__all__ = ["FOLDER", "MAX_ROWS", "PAGE", "Sample", "agreed", "check", "draw", "measure"]
