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

_DIGITS: Final = "0123456789"
_BLOT: Final = "\ufffc"
_FEWEST_DIGITS: Final = 4  # of anything but an email address and an IPv6 address

# First digits, and how many digits a card that begins so has (ISO/IEC 7812; the issuers' ranges).
_CARDS: Final[tuple[tuple[range, tuple[int, ...]], ...]] = (
    (range(400000, 500000), (13, 16, 19)),  # Visa
    (range(510000, 560000), (16,)),  # Mastercard
    (range(222100, 272100), (16,)),
    (range(340000, 350000), (15,)),  # American Express
    (range(370000, 380000), (15,)),
    (range(300000, 306000), (14, 16, 19)),  # Diners Club
    (range(309500, 309600), (14, 16, 19)),
    (range(360000, 370000), (14, 16, 19)),
    (range(380000, 400000), (14, 16, 19)),
    (range(352800, 359000), (16, 19)),  # JCB
    (range(601100, 601200), (16, 19)),  # Discover
    (range(644000, 660000), (16, 19)),
    (range(620000, 630000), (16, 17, 18, 19)),  # UnionPay
    (range(500000, 510000), (13, 15, 16, 18, 19)),  # Maestro
    (range(560000, 590000), (13, 15, 16, 18, 19)),
)
LONGEST_CARD: Final = 19
SHORTEST_CARD: Final = 13

# Characters of an IBAN by country (SWIFT's IBAN registry).
_LENGTHS: Final = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28"
    " EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26"
    " IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30"
    " NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 ST25 SV28 TL23"
    " TN24 TR26 UA29 VA22 VG24 XK20"
)
IBAN_LENGTHS: Final = {entry[:2]: int(entry[2:]) for entry in _LENGTHS.split()}


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
        start, length = match.start(), IBAN_LENGTHS.get(match[1], 0)
        end = _end_of_code(text, start, length)
        is_whole = length and start >= last and end and not _is_word(text, end)
        if is_whole and is_iban(text[start:end].replace(" ", "")):
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
        if not is_one or len(digits) > LONGEST_CARD:
            break
        before = end
        if len(digits) >= SHORTEST_CARD and is_card(digits):
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


def passes_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of those before it (ISO/IEC 7812-1, annex B)."""
    doubled = (divmod(2 * int(digit), 10) for digit in digits[-2::-2])
    return (sum(map(int, digits[::-2])) + sum(map(sum, doubled))) % 10 == 0


def is_card(digits: str) -> bool:
    """Whether digits are the number of a payment card: its issuer's length, and the check digit."""
    begins = int(digits[:6])
    is_issued = any(begins in first and len(digits) in lengths for first, lengths in _CARDS)
    return is_issued and passes_luhn(digits)


def is_iban(code: str) -> bool:
    """Whether a code is an IBAN: its country's length, remainder 1 modulo 97 (ISO 13616).

    Parameters
    ----------
    code : capital letters and digits, without spaces
    """
    if IBAN_LENGTHS.get(code[:2]) != len(code):
        return False
    return int("".join(str(int(character, 36)) for character in code[4:] + code[:4])) % 97 == 1
