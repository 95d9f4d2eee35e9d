"""Numbers that carry a check of their own: payment cards (Luhn) and bank accounts (IBAN)."""

from typing import Final

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
