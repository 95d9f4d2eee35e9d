"""Personal data: what is found and what is not, where it is, and that nothing is left of it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakewinnow.text import pii
from lakewinnow.text.pii import is_card, is_iban, passes_luhn

FOUND = {
    "email": [
        "jane@example.org",
        "jane.doe+news@mail.example.co.uk",
        "JÖRG_7@bücher.example",
        "o'neil@x.io",
    ],
    "card": ["4111111111111111", "4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005"],
    "iban": ["GB82 WEST 1234 5698 7654 32", "DE89370400440532013000", "NL91ABNA0417164300"],
    "ip": ["8.8.4.44", "37.105.37.15", "2001:4860:4860::8888", "2a00:1450:4001:81b::200e"],
    "phone": [
        "+44 20 7946 0958",
        "+1 (415) 555-2671",
        "0049 30 1234567",
        "(415) 555-2671",
        "1-415-555-2671",
        "415.555.2671",
        "030/12345678",
        "(020) 7946 0958",
        "01 23 45 67 89",
    ],
}
NOT_FOUND = [
    "jane@localhost",
    "@jane, see a @ b",
    "4111 1111 1111 1112",  # no check digit
    "1234 5678 9012 3452",  # a check digit, no issuer
    "41111111111111110000000000",
    "GB83 WEST 1234 5698 7654 32",
    "192.168.1.17, 10.0.0.12, 127.0.0.1, 203.0.113.77",  # private, local, for examples
    "1.2.3.4",
    "version 10.20.30.40, v10.20.30.40, build: 10.20.30.40, Chrome/91.20.30.40, lib-10.20.30.40",
    "1.10.20.30.40, 300.20.30.40",
    "std::vector, dead::beef, ::1, fe80::1, 12:30:45",
    "order 1234567890, ticket 0012-345-678, invoice 2026-11-25/0042",
    "2026-11-25 12:30:45, 25/11/2026, 01.02.2026 12:30",
    "1,234,567.89 and 0.123456789",
]
EACH = [(kind, one) for kind, several in FOUND.items() for one in several]


@pytest.mark.parametrize(("kind", "one"), EACH)
@pytest.mark.parametrize("around", ["{}", "write: {}.", "({})", "😀 e\u0301 {}\n", "{}, {}"])
def test_what_is_personal_is_found_where_it_is(kind, one, around):
    text = around.format(one, one)
    spans = pii.find(text)
    assert {(span.kind, text[span.start : span.end]) for span in spans} == {(kind, one)}
    assert len(spans) == around.count("{}")
    assert pii.redact(text) == around.format(*[f"‹{kind.upper()}›"] * 2)
    assert pii.find(text, [other for other in pii.KINDS if other not in (kind, "phone")]) == []


@pytest.mark.parametrize("text", NOT_FOUND)
def test_what_only_looks_like_it_is_left_alone(text):
    assert pii.find(text) == []
    assert pii.redact(text) == text


def test_counts_are_said_in_words():
    text = "a@b.org, c@d.org; +44 20 7946 0958"
    assert pii.counts(pii.find(text)) == "2 email addresses, 1 phone number"


def test_the_tag_is_the_users_and_only_wanted_kinds_go():
    text = "a@b.org or +44 20 7946 0958"
    assert pii.redact(text, ["email"], "<{kind}>") == "<EMAIL> or +44 20 7946 0958"
    assert pii.redact(text, tag="") == " or "


PIECES = st.sampled_from(
    [one for _, one in EACH] + [*"@.:- 0123456789aZ+(/é😀\u0301\n", "‹EMAIL›", "version ", "00"]
)
MIXED = st.lists(PIECES | st.text(max_size=3), max_size=12).map("".join)


@given(MIXED)
def test_spans_are_in_order_and_redacting_leaves_nothing(text):
    spans = pii.find(text)
    ends = [0, *(span.end for span in spans)]
    assert all(before <= span.start < span.end for before, span in zip(ends, spans, strict=False))
    redacted = pii.redact(text)
    assert pii.find(redacted) == []
    assert pii.redact(redacted) == redacted
    assert (redacted == text) == (not spans)


@given(st.text("0123456789", min_size=2, max_size=20))
def test_luhn_catches_each_wrong_digit_and_most_swaps(digits):
    [check] = [d for d in "0123456789" if passes_luhn(digits + d)]
    number = digits + check
    for i, digit in enumerate(number):
        assert [d for d in "0123456789" if passes_luhn(number[:i] + d + number[i + 1 :])] == [digit]
        pair = number[i : i + 2]
        if len(set(pair)) == 2 and set(pair) != {"0", "9"}:  # the one swap that it cannot see
            assert not passes_luhn(number[:i] + pair[::-1] + number[i + 2 :])


def test_numbers_of_issuers_and_countries():
    assert passes_luhn("79927398713")  # the example of the standard's tutorials
    assert is_card("6011111111111117")
    assert not is_card("9999999999999995")
    assert is_iban("NO9386011117947")
    assert not is_iban("NO93860111179470")
    assert not is_iban("ZZ9386011117947")


SLOW = [
    "1",
    "1 ",
    "a",
    "a.",
    "a@",
    "a@a.",
    "+1",
    "1.",
    "2:",
    "2::",
    "GB82 A",
    "0 1",
    "(",
    "1-",
    "411 ",
]


@pytest.mark.parametrize("piece", SLOW)
def test_time_is_in_proportion_to_length(piece):
    def seconds(n):
        text = piece * (n // len(piece)) + "x"
        best = []
        for _ in range(3):
            started = time.process_time()
            pii.redact(text)
            best.append(time.process_time() - started)
        return min(best)

    short, long = seconds(4_000), seconds(32_000)
    assert long < 24 * short + 0.02  # 8 times the text; 64 times were it quadratic
