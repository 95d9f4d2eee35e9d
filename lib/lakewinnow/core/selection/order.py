"""Integer images of scores and of row ids that keep their order, for histograms of either."""

from collections.abc import Iterable
from typing import Final

import numpy as np

from lakewinnow.core.types import FloatArray, IntArray

MAGNITUDE: Final = np.int64(0x7FFF_FFFF_FFFF_FFFF)  # all bits of a double but its sign
CHUNK: Final = 7  # bytes of a row id in one image
LENGTH_BITS: Final = 4
LAST_ID_IMAGE: Final = (1 << (8 * CHUNK + LENGTH_BITS)) - 1


def score_images(scores: FloatArray) -> IntArray:
    """Map doubles to integers of the same order, one to one but for -0.0, which maps as 0.0.

    The bits of a double without its sign are ordered as its absolute value is.
    """
    bits = scores.view(np.int64)
    return np.where(bits < 0, -(bits & MAGNITUDE), bits)


def scores_of_images(images: IntArray) -> FloatArray:
    """Invert `score_images`."""
    sign = np.where(images < 0, ~MAGNITUDE, 0)
    scores: FloatArray = (np.abs(images) | sign).view(np.float64)
    return scores


def id_images(encoded_ids: Iterable[bytes], skip: int) -> IntArray:
    """Map bytes `skip` .. `skip + 6` of UTF-8 row ids to integers of the same order.

    Ids that agree in all of these and go on beyond them have equal images: the next chunk tells
    them apart. The low bits hold the number of bytes left (8 for more than 7), so that an id that
    ends comes before one that goes on with a zero byte.
    """
    rests = (encoded[skip:] for encoded in encoded_ids)
    return np.array(
        [
            int.from_bytes(rest[:CHUNK].ljust(CHUNK, b"\0"), "big") << LENGTH_BITS
            | min(len(rest), CHUNK + 1)
            for rest in rests
        ],
        np.int64,
    )


def chunk_of_image(image: int) -> tuple[bytes, bool]:
    """Bytes of a row id that an image stands for, and whether the id may go on after them."""
    length = image & ((1 << LENGTH_BITS) - 1)
    chunk = (image >> LENGTH_BITS).to_bytes(CHUNK, "big")
    return chunk[: min(length, CHUNK)], length > CHUNK
