"""What makes two texts the same text."""

import hashlib
from typing import Final
from unicodedata import normalize

# Of UTF-8, as tokens are estimated: byte-pair vocabularies make 3.5 to 4.5 bytes of English prose a
# token, and 2.5 to 3 of code or Chinese.
BYTES_PER_TOKEN: Final = 3


def most_tokens(text: str) -> int:
    """Return as many tokens as a text hardly has more of: a third of its bytes, rounded up."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def normal_form(text: str) -> str:
    """Return the NFC form of a text. By Python: Arrow up to 23 gives NFD when asked for NFC."""
    return normalize("NFC", text)


def key(text: str) -> bytes:
    """Return the SHA-256 of a text's normal form, in UTF-8."""
    return hashlib.sha256(normal_form(text).encode()).digest()


def label_form(label: str) -> str:
    """Return what labels have in common that differ by case, blanks or Unicode form alone."""
    return normalize("NFKC", " ".join(normalize("NFKC", label).split()).casefold())
