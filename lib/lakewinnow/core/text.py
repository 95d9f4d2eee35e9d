"""What makes two texts the same text."""

import hashlib
from unicodedata import normalize


def normal_form(text: str) -> str:
    """Return the NFC form of a text. By Python: Arrow up to 23 gives NFD when asked for NFC."""
    return normalize("NFC", text)


def key(text: str) -> bytes:
    """Return the SHA-256 of a text's normal form, in UTF-8."""
    return hashlib.sha256(normal_form(text).encode()).digest()
