"""What happens to rows, and the tables that are published, beside a run's."""

from collections import defaultdict

import pyarrow.csv

from . import decisions
from .comparison import content

_SOFT = 1e-6  # of a float32 beside a double
_COLUMNS = {  # of issues/, by check, in their order
    "exact_duplicates": "exact_duplicate",
    "outliers": "outlier",
    "imbalance": "class_imbalance",
    "nulls": "null",
    "non_iid": "non_iid",
    "groups": "underperforming_group",
    "valuation": "data_valuation",
    "near_duplicates": "near_duplicate",
    "text": "text",
    "pii": "pii",
}
_KINDS = ("exact_duplicates", "near_duplicates")


def decided(run, accepted, classes, pred_probs, judged):
    """Return what becomes of each row, compared with issues/."""
    written = {row["row_id"]: row for row in run.read("issues")}
    columns = next(iter(written.values()))
    on = [name for name, column in _COLUMNS.items() if f"is_{column}_issue" in columns]
    checks = [name for name in on if name != "exact_duplicates"]  # which says nothing else
    kinds = [name for name in _KINDS if name in on]
    said = {name: _said(run, name) for name in checks}
    sets = {
        "exact_duplicates": decisions.exact_duplicate_sets({r.row_id: r.key for r in accepted}),
        "near_duplicates": {i: row.get("near_duplicate_set") for i, row in written.items()},
    }
    cases = [
        decisions.Case(
            row_id=row.row_id,
            given=row.label,
            predicted=classes[pred_probs[at].argmax()],
            predicted_prob=float(pred_probs[at].max()),
            suggested=classes[judged.suggested[at]],
            suggested_prob=float(judged.suggested_prob[at]),
            given_prob=float(judged.given_prob[at]),
            is_issue=bool(judged.is_issue[at]),
            score=float(judged.score[at]),
            said={name: of.get(row.row_id, (False, None)) for name, of in said.items()},
            sets={kind: sets[kind][row.row_id] for kind in kinds},
        )
        for at, row in enumerate(accepted)
    ]
    _add_own(run, cases)
    decisions.decide(cases, run.config["clean"], checks, kinds)
    expected = {
        "decision": lambda case: case.decision,
        "new_label": lambda case: case.new_label,
        "decided_by": lambda case: case.own_by,
        "reason": lambda case: case.reason,
    }
    for kind in kinds:
        expected[f"{_COLUMNS[kind]}_of"] = lambda case, kind=kind: case.copy_of.get(kind)
        expected[f"{_COLUMNS[kind]}_set"] = lambda case, kind=kind: case.sets[kind]
    for name, of in expected.items():
        of_run = {row_id: row[name] for row_id, row in written.items()}
        run.same(f"issues.{name}", of_run, {case.row_id: of(case) for case in cases})
    return cases


def _said(run, check):
    """Return by row id whether a check has found its issue, and what it says."""
    is_issue = f"is_{_COLUMNS[check]}_issue"
    return {row["row_id"]: (row[is_issue], row["why"]) for row in run.read(f"checks/{check}")}


def _add_own(run, cases):
    """Add what a person has decided."""
    path = run.case / "decisions.csv"
    if "decisions" not in run.config["clean"]:
        return
    names = ("row_id", "decision", "label", "by")
    options = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(names, pyarrow.string()),
        strings_can_be_null=True,
        null_values=[""],
    )
    by_id = {case.row_id: case for case in cases}
    for row in pyarrow.csv.read_csv(path, convert_options=options).to_pylist():
        case = by_id.get(row["row_id"])
        if case is None:  # in quarantine
            continue
        case.own, case.own_label = row["decision"] or "fix", row["label"]
        case.own_by = row["by"] or "the user"
        if case.own_label == case.given:
            case.own, case.own_label = "keep", None


def published(run, accepted, cases, classes, judged):
    """Compare clean/, review/ and dropped/, whose texts are left out where some are redacted."""
    source, names = run.config["input"], run.table.column_names
    if run.config["clean"].get("pii") == "redact":
        names = [name for name in names if name != source["text"]]
    by_id = {row.row_id: row for row in accepted}
    doubting = dict(zip(by_id, judged.doubting, strict=True))
    expected = defaultdict(dict)
    for case in cases:
        values = dict(by_id[case.row_id].values)
        if case.decision == "fix":
            kind = type(values[source["label"]])
            values[source["label"]] = kind(case.new_label)
        expected[case.decision][case.row_id] = content(values, names)
    for name, decision in (("review", "review"), ("dropped", "drop")):
        of_run = {row["row_id"]: content(row, names) for row in run.read(name)}
        run.same(name, of_run, expected[decision])
    clean, kept = defaultdict(list), defaultdict(list)  # clean/ has no ids
    for row in run.read("clean"):
        clean[content(row, names)].append(row.get("soft_label") or [])
    is_soft = run.config["output"].get("soft_labels")
    stay = expected["keep"] | expected["fix"]
    for case in cases:
        if case.row_id in stay:
            soft = _soft_label(case, classes, doubting[case.row_id]) if is_soft else []
            kept[stay[case.row_id]].append(soft)
    run.same("clean", *(_numbered(of) for of in (clean, kept)), _SOFT)


def _soft_label(case, classes, probs):
    if case.own is None:
        return probs.tolist()
    return [float(name == (case.new_label or case.given)) for name in classes]


def _numbered(rows):
    """Tell apart rows of one content."""
    return {(key, i): soft for key, of in rows.items() for i, soft in enumerate(sorted(of))}
