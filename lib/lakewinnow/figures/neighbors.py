"""What the search for nearest neighbours has found, which several checks go by."""

from dataclasses import dataclass
from typing import Annotated, Literal


@dataclass(frozen=True, kw_only=True)
class NeighborFigures:
    """How near texts were looked for."""

    k: Annotated[int, "neighbours of each text"]
    metric: Literal["cosine", "euclidean"]
    texts: Annotated[int, "distinct texts"]
    reference_texts: Annotated[int, "texts that these were compared with, a sample if fewer"]
