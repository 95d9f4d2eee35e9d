"""Personal data in a text: where it is, and the text without it.

Found are email addresses, IBANs, payment card numbers, public IP addresses and phone numbers that
are written as such. What is found is likely to be one; numbers written in other ways, names and
postal addresses are not looked for. Every expression repeats within bounds, so that the time that a
text takes is in proportion to its length.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address, ip_network
from typing import Final, NamedTuple

from lakewinnow.text import identifiers

_DIGITS: Final = "0123456789"
_BLOT: Final = "\ufffc"
_FEWEST_DIGITS: Final = 4  # of anything but an email address and an IPv6 address


class Span(NamedTuple):
    """Where something is: text[start:end], in code points."""

    start: int
    end: int
    kind: str


class PersonalData(NamedTuple):
    """Something personal: what one of it is called, and many."""

    one: str
    many: str


KINDS: Final = {  # in the order in which they are looked for: what is one is not another
    "email": PersonalData("email address", "email addresses"),
    "iban": PersonalData("IBAN", "IBANs"),
    "card": PersonalData("card number", "card numbers"),
    "ip": PersonalData("IP address", "IP addresses"),
    "phone": PersonalData("phone number", "phone numbers"),
}


def find(text: str, kinds: Sequence[str] = tuple(KINDS)) -> list[Span]:
    """Return the personal data of these kinds, in the order of the text; nothing overlaps."""
    found: list[Span] = []
    if "email" in kinds and "@" in text:
        text = _taken(text, "email", _emails(text), found)
    n_digits = sum(map(text.count, _DIGITS))
    if n_digits < _FEWEST_DIGITS and (n_digits == 0 or "::" not in text):
        return found
    for kind, search in _NUMBERED:
        if kind in kinds:
            text = _taken(text, kind, search(text), found)
    return sorted(found)


def _taken(text: str, kind: str, places: Iterator[tuple[int, int]], found: list[Span]) -> str:
    """Add what is found; return the text with it blotted out, for nothing else to be seen in it."""
    parts, last = [], 0
    for start, end in places:
        found.append(Span(start, end, kind))
        parts += [text[last:start], _BLOT * (end - start)]
        last = end
    return "".join([*parts, text[last:]]) if parts else text


def redact(text: str, kinds: Sequence[str] = tuple(KINDS), tag: str = "‹{kind}›") -> str:
    """Return the text with a tag in place of what is personal.

    Redacting twice is redacting once: a tag has neither digits nor ``@`` nor ``:``, so that each
    round leaves fewer of them, and the last one finds nothing.

    Parameters
    ----------
    tag : with ``{kind}`` where EMAIL, IBAN, CARD, IP or PHONE goes
    """
    while spans := find(text, kinds):
        parts, end = [], 0
        for span in spans:
            parts += [text[end : span.start], tag.replace("{kind}", span.kind.upper())]
            end = span.end
        text = "".join([*parts, text[end:]])
    return text


def counts(spans: Sequence[Span]) -> str:
    """Say how many of what were found: ``1 email address, 2 phone numbers``."""
    found = Counter(span.kind for span in spans)
    names = [(n, KINDS[kind]) for kind in KINDS if (n := found[kind])]
    return ", ".join(f"{n:,} {kind.one if n == 1 else kind.many}" for n, kind in names)


_EMAIL: Final = re.compile(
    r"(?<![\w.%+'-])[^\W_][\w.%+'-]{0,63}"
    r"@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w@-])"
)


def _emails(text: str) -> Iterator[tuple[int, int]]:
    return (match.span() for match in _EMAIL.finditer(text))


_IBAN: Final = re.compile(r"(?<!\w)([A-Z]{2})[0-9]{2}(?= ?[A-Z0-9]{4})")


def _ibans(text: str) -> Iterator[tuple[int, int]]:
    last = 0
    for match in _IBAN.finditer(text):
        start, length = match.start(), identifiers.IBAN_LENGTHS.get(match[1], 0)
        end = _end_of_code(text, start, length)
        is_whole = length and start >= last and end and not _is_word(text, end)
        if is_whole and identifiers.is_iban(text[start:end].replace(" ", "")):
            last = end or last
            yield start, last


def _end_of_code(text: str, start: int, length: int) -> int | None:
    """Return where so many capital letters and digits end, single spaces between them allowed."""
    n, at = 0, start
    while n < length:
        at += n > 0 and text[at : at + 1] == " "
        if not ("0" <= text[at : at + 1] <= "9" or "A" <= text[at : at + 1] <= "Z"):
            return None
        n, at = n + 1, at + 1
    return at


def _is_word(text: str, at: int) -> bool:
    """Whether a letter or a digit stands there."""
    return text[at : at + 1].isalnum()


_CARD: Final = re.compile(r"[0-9 -]{13,}")
_GROUP: Final = re.compile(r"[0-9]+")
_SHORTEST_GROUP: Final = 3  # digits between spaces: shorter ones make a list of numbers


def _cards(text: str) -> Iterator[tuple[int, int]]:
    for run in _CARD.finditer(text):
        groups = [group.span() for group in _GROUP.finditer(text, *run.span())]
        first = 0
        while first < len(groups):
            start = groups[first][0]
            is_inside = start > 0 and _is_word(text, start - 1)
            last = None if is_inside else _card_from(text, groups, first)
            if last is not None and not _is_word(text, groups[last][1]):
                yield start, groups[last][1]
                first = last
            first += 1


def _card_from(text: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """Return the last of the groups of digits that make a card number, the longest; or None."""
    digits, found, before = "", None, groups[first][0]
    for i in range(first, len(groups)):
        start, end = groups[i]
        digits += text[start:end]
        is_one = start - before <= 1 and end - start >= _SHORTEST_GROUP
        if not is_one or len(digits) > identifiers.LONGEST_CARD:
            break
        before = end
        if len(digits) >= identifiers.SHORTEST_CARD and identifiers.is_card(digits):
            found = i
    return found


_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4: Final = re.compile(rf"(?<![\w.-])(?<!\w/)(?:{_OCTET}\.){{3}}{_OCTET}(?![\w-]|\.\w)")
_IPV6: Final = re.compile(r"(?<![\w:.])[23][0-9A-Fa-f]{0,3}:[0-9A-Fa-f:]{1,35}(?![\w:]|\.\w)")
_VERSION: Final = re.compile(
    r"(?:\bv|\bver|version|release|build|firmware|revision|section|chapter|§)[ .:#]{0,2}$",
    re.IGNORECASE,
)
_SINGLE_DIGITS: Final = len("1.2.3.4")
_BEFORE: Final = 16  # characters in which a version says that it is one
_UNICAST: Final = ip_network("2000::/3")


def _ips(text: str) -> Iterator[tuple[int, int]]:
    """Find public addresses: those of private networks, of examples and the like say nothing.

    Four numbers of one digit each are taken for a version or a section, as are those after
    ``version``, ``v``, ``build`` and the like, and in ``Chrome/91.0.2.4`` and ``lib-10.2.3.4``.
    """
    if text.count(".") >= 3:
        for match in _IPV4.finditer(text):
            start = match.start()
            is_version = len(match[0]) == _SINGLE_DIGITS or _VERSION.search(
                text[max(0, start - _BEFORE) : start]
            )
            if not is_version and ip_address(match[0]).is_global:
                yield match.span()


def _ipv6s(text: str) -> Iterator[tuple[int, int]]:
    if text.count(":") >= 2:
        for match in _IPV6.finditer(text):
            try:
                address = ip_address(match[0])
            except ValueError:
                continue
            if address in _UNICAST and address.is_global:
                yield match.span()


# A number is a phone number by its form: with the country, or in groups as is usual there.
_PHONE: Final = re.compile(
    r"(?<![\w+.,/-])(?:"
    r"(?:\+|00)[1-9](?:[ ./()-]{0,2}[0-9]){6,14}"
    r"|(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-])[0-9]{3}[ .-][0-9]{4}"
    r"|0[1-9](?:[ .-][0-9]{2}){4}"
    r"|(?:\(0[1-9][0-9]{1,3}\)|0[1-9][0-9]{1,3})[ /-][0-9]{3,4}(?:[ -]?[0-9]){2,6}"
    r")(?![\w-]|[.,]\d)"
)
_PHONE_DIGITS: Final = range(8, 16)  # ITU-T E.164 has up to 15
_AFTER_00: Final = 10  # digits after this way to dial a country: parts may have such numbers, too


def _phones(text: str) -> Iterator[tuple[int, int]]:
    for match in _PHONE.finditer(text):
        number = match[0].removeprefix("00")
        n_digits = sum(map(number.count, _DIGITS))
        if n_digits in _PHONE_DIGITS and (number == match[0] or n_digits >= _AFTER_00):
            yield match.span()


_NUMBERED: Final[tuple[tuple[str, Callable[[str], Iterator[tuple[int, int]]]], ...]] = (
    ("iban", _ibans),
    ("card", _cards),
    ("ip", _ips),
    ("ip", _ipv6s),
    ("phone", _phones),
)
