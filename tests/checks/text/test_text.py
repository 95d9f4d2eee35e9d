"""Text and personal data: what a row's text breaks, what is found in it, and what becomes of it."""

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lakewinnow
from builders import (
    Recorder,
    corpus_row,
    lake_in,
    make_config,
    make_run,
    make_table,
    read_rows,
    write_csv,
)
from lakewinnow.checks.pii import stage as pii
from lakewinnow.checks.text import TextConfig, TextRuleConfig
from lakewinnow.checks.text import stage as text
from lakewinnow.lake import redaction
from lakewinnow.typed_json import to_json

MAIL, PHONE = "jane.doe@example.org", "+44 20 7946 0958"
PADDING = (
    "The parcel that I ordered in May has not arrived, and nobody seems to know of it. I have"
    " written to the courier twice; they say that the depot would be in touch. My address for this"
    " is"
)
TEXTS = {
    "card": "My card is 4111 1111 1111 1111, 😀 thank you",
    "damaged": f"The cafÃ© was closed, write to {MAIL} or {MAIL}",
    "digits": "0123456789 0123456789 again and",
    "good": "Where is the parcel that I ordered in May?",
    "kept": f"Call {PHONE} or write to {MAIL}, please",
    "late": PADDING + f" {MAIL} and more",
    "loud": "WHERE IS IT, I SAY",
    "rude": "The darn thing is late, the darn courier too, darn it",
    "void": "?????????????",
} | {f"more {i}": f"Another text that has nothing wrong, number {i}" for i in range(8)}
RULES = [{"use": "tests.checks.text.test_registry.shouting", "above": 0.7}]
CHECKS = {"text": {"rules": RULES}, "pii": {}, "exact_duplicates": None}
CLEAN = {"text": "review", "pii": "redact", "label_issues": "keep", "max_class_fraction": 1}


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    path = tmp_path_factory.mktemp("words") / "words.txt"
    path.write_text("darn\n", encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def found(spark, tmp_path_factory, words):
    """A workspace after the two stages, and their reports."""
    lake = lake_in(spark, tmp_path_factory.mktemp("text"))
    rows = [corpus_row(row_id, of) for row_id, of in TEXTS.items()]
    for part in (rows[::2], rows[1::2]):
        make_table(lake, "corpus", part)
    checks = make_config("x.csv", checks=CHECKS).checks
    text_report = text.run(make_run(lake), replace(checks.section(text.CHECK), words=words))
    return lake, {"text": text_report, "pii": pii.run(make_run(lake), checks.section(pii.CHECK))}


def test_each_row_has_its_rules_a_score_and_why(found):
    lake, reports = found
    rows = {row["row_id"]: row for row in read_rows(lake.files.root, "checks/text")}
    assert rows.keys() == TEXTS.keys()
    broken = {row_id: row for row_id, row in rows.items() if row["is_text_issue"]}
    assert {row_id: row["text_rules"] for row_id, row in broken.items()} == {
        "damaged": ["mojibake"],
        "digits": ["digits"],
        "loud": ["shouting"],
        "rude": ["listed_words"],
        "void": ["few_words", "symbols"],
    }
    assert rows["rude"]["why"] == "text: 3 listed words"
    assert rows["void"]["why"] == "text: 0 words with a letter, 100% of its characters are symbols"
    assert rows["rude"]["text_score"] == 0.25
    assert rows["good"] == {
        "row_id": "good",
        "is_text_issue": False,
        "text_score": 1.0,
        "text_rules": None,
        "why": None,
    }
    details = to_json(reports["text"].figures)
    assert details["rows"] == len(broken)
    funnel = {of["rule"]: (of["before"], of["after"], of["alone"]) for of in details["rules"]}
    assert {rule: counts for rule, counts in funnel.items() if counts[2]} == {
        "few_words": (17, 16, 1),
        "mojibake": (16, 15, 1),
        "symbols": (15, 15, 1),  # the rule before has taken it
        "digits": (15, 14, 1),
        "shouting": (14, 13, 1),
        "listed_words": (13, 12, 1),
    }
    assert details["rules"][0] == {
        "rule": "few_words",
        "below": 1,
        "before": 17,
        "after": 16,
        "alone": 1,
        "source": None,
    }


def test_personal_data_is_found_and_counted(found):
    lake, reports = found
    rows = {
        row["row_id"]: row
        for row in read_rows(lake.files.root, "checks/pii")
        if row["is_pii_issue"]
    }
    assert {row_id: row["pii_kinds"] for row_id, row in rows.items()} == {
        "card": ["card"],
        "damaged": ["email"],
        "kept": ["email", "phone"],
        "late": ["email"],
    }
    assert rows["damaged"]["why"] == "personal data: 2 email addresses"
    assert rows["damaged"]["pii_score"] == pytest.approx(1 / 3)
    assert to_json(reports["pii"].figures) == {
        "rows": 4,
        "rows_by_kind": {"email": 3, "iban": 0, "card": 1, "ip": 0, "phone": 1},
    }


def test_a_text_is_redacted_as_it_leaves(found):
    config = make_config("x.csv", checks=CHECKS, clean={**CLEAN, "pii_tag": "<{kind}>"})
    written = redaction.text(config.clean, config.checks).alias("text")
    rows = found[0].read("corpus").where("row_id IN ('card', 'good')").select("row_id", written)
    assert dict(rows.collect()) == {
        "card": "My card is <CARD>, 😀 thank you",
        "good": TEXTS["good"],
    }


@pytest.fixture(scope="module")
def cleaned(spark, tmp_path_factory, words):
    """A run over such texts whose labels nothing doubts."""
    folder = tmp_path_factory.mktemp("cleaned")
    rows = [
        {"id": row_id, "text": of, "label": "ab"[i % 2], "probs": [[0.9, 0.1], [0.1, 0.9]][i % 2]}
        for i, (row_id, of) in enumerate(TEXTS.items())
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet")
    own = write_csv(folder / "own.csv", [("kept", "drop", "Ann")], ("row_id", "decision", "by"))
    config = make_config(
        folder / "rows.parquet",
        folder / "out",
        input={"id": "id", "pred_probs": "probs"},
        checks={**CHECKS, "text": {"rules": RULES, "words": words}},
        clean={**CLEAN, "decisions": str(own)},
        export={"format": "openai-chat", "validation_fraction": 0},
    )
    return lakewinnow.run(config, spark, observer=Recorder())


@pytest.mark.whole_run
def test_a_redacted_row_stays_and_its_text_is_nowhere_but_in_the_corpus(cleaned):
    tables = {
        name: {row.get("row_id", row.get("id")): row for row in read_rows(cleaned.workspace, name)}
        for name in ("issues", "clean", "review", "dropped")
    }
    issues = tables["issues"]
    assert {row_id: row["decision"] for row_id, row in issues.items() if row["reason"]} == {
        "card": "keep",
        "damaged": "review",
        "digits": "review",
        "kept": "drop",
        "late": "keep",
        "loud": "review",
        "rude": "review",
        "void": "review",
    }
    assert issues["card"]["reason"] == "redacted: 1 card number"
    assert issues["damaged"]["reason"] == (
        "text: damaged encoding (mojibake) in 1 place; redacted: 2 email addresses"
    )
    assert issues["kept"]["reason"].startswith("decided by Ann: drop; redacted: ")
    assert issues["late"]["text_preview"] == (PADDING + " ‹EMAIL› and more")[:200]
    assert tables["clean"]["card"]["text"] == "My card is ‹CARD›, 😀 thank you"
    assert tables["dropped"]["kept"]["text"] == "Call ‹PHONE› or write to ‹EMAIL›, please"
    assert tables["review"]["loud"]["text"] == TEXTS["loud"]
    path = Path(cleaned.workspace, "exports/train.jsonl")
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    exported = {line["messages"][0]["content"] for line in lines}
    assert exported == {row["text"] for row in tables["clean"].values()}
    shown = json.dumps(tables, ensure_ascii=False)
    assert not any(secret in shown for secret in (MAIL, PHONE, "4111"))
    assert MAIL in str(read_rows(cleaned.workspace, "corpus"))
    assert cleaned.rows == {"in": 17, "clean": 11, "review": 5, "dropped": 1, "quarantine": 0}
    assert cleaned.summary["text"]["rows"] == 5
    assert cleaned.summary["pii"]["rows"] == 4


def test_a_rule_of_the_users_that_fails_says_where(lake):
    make_table(lake, "corpus", [corpus_row("r1", "one"), corpus_row("r2", "seven 7")])
    config = TextConfig(
        rules=(TextRuleConfig(use="tests.checks.text.test_registry.fussy", above=0),)
    )
    with pytest.raises(Exception, match=r"rules\[0\]\.use, row r2: .* ValueError: no sevens"):
        text.run(make_run(lake), config)
