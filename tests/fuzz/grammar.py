"""Malformed CSV, JSON lines and configurations, by grammar: the same for a seed."""

import json

import yaml

_FIELDS = [
    "refund please", "late parcel", "a", "", '"', '""', '"a"', '"a', 'a"b', '"a""b"', '"a\nb"',
    '"a\r\nb"', "a,b", '"a,b"', "é", "\ufeffa", "\\", '\\"', "\x00", "\x1b[2J", "NULL", "NaN",
    "=cmd()", " a ", "\t", "'", "x" * 5000,
]  # fmt: skip
_BYTES = [b"\xff", b"\xfe\xff", b"\xc3\x28", b"\x80", b"\x00\x00", b"\xed\xa0\x80"]
_ENDS = ["\n", "\n", "\n", "\r\n", "\r", "\n\n", ""]
_JSON = [
    "1", "-0", "1e999", "NaN", "null", "true", '""', '"a"', '"\\u0000"', '"\\ud800"', '"\\x"',
    "[]", "{}", '{"a": 1}', '[{"text": "a"}]', '"a', "{", "tru", "01", "'a'", '"é"',
]  # fmt: skip


def csv_file(rng):
    """Return the bytes of a CSV file that may be broken anywhere."""
    header = rng.choice(["text,label", "text,label,id", "label,text", "text", '"text","label"', ""])
    lines = [header]
    for i in range(rng.choice([0, 1, 3, 10, 30])):
        if rng.random() < 0.6:
            lines.append(f"message {i} of {rng.choice('abc')},{rng.choice('xyz')}")
        else:
            lines.append(",".join(rng.choice(_FIELDS) for _ in range(rng.choice([1, 2, 2, 2, 3]))))
    text = "".join(line + rng.choice(_ENDS) for line in lines)
    return _with_bytes(text.encode("utf-8", "surrogatepass"), rng)


def json_file(rng):
    """Return the bytes of a file of JSON lines that may be broken anywhere."""
    lines = []
    for i in range(rng.choice([1, 3, 10, 30])):
        choice = rng.random()
        if choice < 0.6:
            lines.append(json.dumps({"text": f"message {i}", "label": rng.choice("xyz")}))
        elif choice < 0.9:
            fields = ", ".join(
                f'"{name}": {rng.choice(_JSON)}' for name in rng.sample(["text", "label", "x"], 2)
            )
            lines.append(f"{{{fields}}}")
        else:
            lines.append(rng.choice(_JSON))
    return _with_bytes("".join(line + rng.choice(_ENDS) for line in lines).encode(), rng)


def _with_bytes(content, rng):
    if rng.random() < 0.3:
        at = rng.randrange(len(content) + 1)
        content = content[:at] + rng.choice(_BYTES) + content[at:]
    if rng.random() < 0.1:
        content = content[: rng.randrange(len(content) + 1)]
    return content


_VALUES = [
    None, True, False, 0, 1, -1, 2, 0.5, -0.5, 1e308, float("inf"), float("nan"), 2**63, 10**30,
    "", " ", "a", "text", "label", "auto", "null", "true", "1", "drop", "review", "keep", "é",
    "a\x00b", "\x1b[31m", "../../etc/passwd", "~", "$HOME", "os.system", "json.dumps",
    "http://[::1", "s3://", "x" * 10_000, [], ["a"], ["a", "a"], [None], [1], {}, {"a": 1},
    {"text": None}, {"a": {"b": []}},
]  # fmt: skip
_TEXTS = [
    "", "{", "[", "- a", "a", "&a [*a]", "!!python/object/apply:os.system ['true']", "? a",
    "a: b: c", "\t", "input: {input: {", "input: !x y", "a: 1\na: 2", "<<: {a: 1}", "%YAML 9",
    "\x00", "input:\n\tpath: x", "1: 2", "2020-01-01: x", "*a", "--- a\n--- b", "\ufeffa: 1",
]  # fmt: skip


def configuration(rng, whole):
    """Return a YAML text: a whole configuration with a few values or keys changed, or no YAML."""
    if rng.random() < 0.08:
        return rng.choice(_TEXTS)
    mutated = json.loads(json.dumps(whole))
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        section = mutated
        while True:
            if not isinstance(section, dict) or not section:
                break
            key = rng.choice(sorted(section))
            if isinstance(section[key], dict) and section[key] and rng.random() < 0.85:
                section = section[key]
                continue
            how = rng.random()
            if how < 0.8:
                section[key] = rng.choice(_VALUES)
            elif how < 0.9:
                del section[key]
            else:
                section[rng.choice([key.upper(), key + "s", key[:-1], "é", " ", key + "."])] = 1
            break
    text = yaml.safe_dump(mutated, allow_unicode=True)
    if rng.random() < 0.05:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(_TEXTS) + text[at:]
    return text
