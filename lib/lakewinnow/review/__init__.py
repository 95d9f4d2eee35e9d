"""Review: people look at rows of a finished run, and what they say measures it, or makes it better.

`draw` writes an unbiased sample and a page to review it on, and `measure` reads the decisions back;
`draw_queue` writes the rows that an answer helps most.
"""

from lakewinnow.review.evidence import Sources
from lakewinnow.review.files import FOLDER, PAGE, QUEUE, Queue, Sample, agreed, check
from lakewinnow.review.improving import draw_queue
from lakewinnow.review.measuring import measure
from lakewinnow.review.sampling import MAX_ROWS, draw

__all__ = [
    "FOLDER",
    "MAX_ROWS",
    "PAGE",
    "QUEUE",
    "Queue",
    "Sample",
    "Sources",
    "agreed",
    "check",
    "draw",
    "draw_queue",
    "measure",
]
