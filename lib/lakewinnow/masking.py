"""What may be a secret is masked in all that is written or shown: by its key, and by its shape."""

import re
from collections.abc import Mapping
from typing import Any, Final

MASK: Final = "***"

_NAMES: Final = "key|secret|token|passw|pwd|credential|signature|sas|auth(?!or)"
_SECRET_NAME: Final = re.compile(_NAMES, re.IGNORECASE)
_FREE: Final = ("options", "params")  # whose keys are others', so that numbers may be secrets, too
_BY_CLASS: Final = ("class_weight", "num_to_remove_per_class")  # keys are classes, values numbers

_SHAPES: Final = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), replacement)
    for pattern, replacement in (
        # https://user:password@host, https://token@host; abfss://container@account is none
        (r"(\b[a-z][a-z0-9+.-]*://)[^/\s@?#]*:[^/\s?#]*@", rf"\1{MASK}@"),
        (r"(\b(?:https?|git|ftp)://)[^/\s@?#]+@", rf"\1{MASK}@"),
        # ?sig=…, &X-Amz-Signature=…, AccountKey=…;
        (rf"((?:^|[?&;,\s'\"])(?:sig|[\w.-]*(?:{_NAMES})[\w.-]*)=)[^&;#\s'\"]+", rf"\1{MASK}"),
        # "Basic training" is none: a digit or an equals sign is in all but few of those
        (r"\b(bearer|basic)\s+(?=[\w.~+/-]*[\d=])[\w.~+/=-]{8,}", rf"\1 {MASK}"),
        (r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", MASK),
        # Of OpenAI, Hugging Face, GitHub, AWS, Databricks, Slack; a JSON web token
        (r"\bsk-[\w-]{12,}|\bhf_\w{16,}|\bgh[a-z]_\w{16,}|\bgithub_pat_\w{16,}", MASK),
        (r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bdapi[0-9a-f]{32}\b|\bxox[a-z]-[\w-]{10,}", MASK),
        (r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*", MASK),
    )
)


def masked_text(text: str) -> str:
    """Return a text with a mask in place of each part that has the shape of a secret."""
    for shape, replacement in _SHAPES:
        text = shape.sub(replacement, text)
    return text


def holds_secret(key: str) -> bool:
    """Whether a dotted key of the configuration, ``embedding.options.api_key``, say, has one."""
    *above, name = key.split(".")
    return not set(above).isdisjoint(_FREE) and _SECRET_NAME.search(name) is not None


def masked(value: Any) -> Any:
    """Return a plain value (as of YAML or JSON) with a mask in place of all that may be a secret.

    Texts are looked at for what has the shape of one. What a mapping has under a name such as
    ``api_key`` is masked whole: texts anywhere, and numbers where the names are not ours.
    """
    return _masked(value, is_free=False)


def _masked(value: Any, *, is_free: bool) -> Any:
    if isinstance(value, str):
        return masked_text(value)
    if isinstance(value, list):
        return [_masked(item, is_free=is_free) for item in value]
    if not isinstance(value, Mapping):
        return value
    found = {}
    for name, inner in value.items():
        if _SECRET_NAME.search(name):
            found[name] = _whole(inner, with_numbers=is_free)
        else:
            free = (is_free or name in _FREE) and name not in _BY_CLASS
            found[name] = _masked(inner, is_free=free)
    return found


def _whole(value: Any, *, with_numbers: bool) -> Any:
    if isinstance(value, Mapping):
        return {name: _whole(inner, with_numbers=with_numbers) for name, inner in value.items()}
    if isinstance(value, list):
        return [_whole(item, with_numbers=with_numbers) for item in value]
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return MASK if isinstance(value, str) or (is_number and with_numbers) else value
