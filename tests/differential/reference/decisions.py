"""What happens to each row, and why: a person's decision first, then the strongest check's."""

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from fractions import Fraction

STRONGEST_FIRST = ("drop", "review", "fix", "keep")
REDACTED = ("personal data: ", "redacted: ")


@dataclass
class Case:
    """A row that can be used, all that is known of it, and what becomes of it."""

    row_id: str
    given: str
    predicted: str
    predicted_prob: float
    suggested: str
    suggested_prob: float
    given_prob: float
    is_issue: bool
    score: float
    said: dict  # by check: whether it has the issue, and what is said of it
    sets: dict  # by kind of rows that are alike: the row's set, or None
    own: str | None = None  # the person's decision: keep, drop or fix
    own_label: str | None = None
    own_by: str | None = None
    copy_of: dict = field(default_factory=dict)  # by kind
    copied_label: dict = field(default_factory=dict)
    decision: str = "keep"
    is_kept_for_class: bool = False
    reason: str | None = None

    @property
    def new_label(self):
        if self.own_label is not None:
            return self.own_label
        return self.suggested if self.decision == "fix" else None


def strongest(*decisions):
    return min(decisions, key=STRONGEST_FIRST.index)


def exact_duplicate_sets(keys_by_id):
    """Return by row id the smallest id of the rows of equal key; None: it is alone."""
    rows = defaultdict(list)
    for row_id, key in keys_by_id.items():
        rows[key].append(row_id)
    return {i: min(of) if len(of) > 1 else None for of in rows.values() for i in of}


def decide(cases, clean, checks, kinds):
    """Decide what happens to rows.

    Parameters
    ----------
    cases : all that can be used
    clean : the configuration's
    checks : names of those that say something of a row, in the order of their columns
    kinds : names of those that find rows that are alike, the most alike first
    """
    actions = {name: _action(name, clean) for name in (*checks, *kinds)}
    by_row = {}
    for case in cases:
        by_itself = (name for name in checks if name not in kinds)
        wanted = [actions[name] for name in by_itself if case.said[name][0]]
        by_row[case.row_id] = strongest(_by_label(case, clean), *wanted)
    by_set = dict.fromkeys(by_row, "keep")
    twins = set()  # copies of a row with the same label: no loss to the class
    for kind in kinds:
        if actions[kind] == "keep":
            continue
        _find_copies(cases, kind, {i: strongest(by_row[i], by_set[i]) for i in by_row})
        for case in cases:
            if kind in case.copy_of:
                by_set[case.row_id] = strongest(by_set[case.row_id], actions[kind])
                if case.copied_label[kind] == case.given:
                    twins.add(case.row_id)
    by_checks = {i: strongest(by_row[i], by_set[i]) for i in by_row}
    _keep_for_classes(cases, by_checks, twins, clean.get("max_class_fraction", 0.9))
    for kind in kinds:
        if actions[kind] == "keep":
            _find_copies(cases, kind, by_checks)
    for case in cases:
        by_check = "keep" if case.is_kept_for_class else by_checks[case.row_id]
        case.decision = case.own or by_check
        case.reason = _reason(case, clean, checks, kinds)


def _action(name, clean):
    action = clean.get(name, "drop" if name == "exact_duplicates" else "keep")
    return "keep" if action == "redact" else action


def _is_confirmed(case):
    return case.suggested == case.given


def _is_sure(case, clean):
    least = clean.get("fix_above")
    return least is None or case.suggested_prob >= least


def _by_label(case, clean):
    action = clean.get("label_issues", "safe")
    if not case.is_issue:
        return "keep"
    if action == "safe":
        return "review" if _is_confirmed(case) else "drop"
    if action == "fix":
        if _is_confirmed(case):
            return "keep"
        return "fix" if _is_sure(case, clean) else clean.get("else", "review")
    return action


def _find_copies(cases, kind, by_others):
    """Find which row of each set stays, for the others.

    One that a person keeps; else, of those with the mildest decision, the one of the best score.
    """
    sets = defaultdict(list)
    for case in cases:
        if case.sets[kind] is not None:
            sets[case.sets[kind]].append(case)

    def order(case):
        decided = "drop" if case.own == "drop" else by_others[case.row_id]
        is_wanted = case.own in ("keep", "fix")
        return not is_wanted, -STRONGEST_FIRST.index(decided), -case.score, case.row_id

    for rows in sets.values():
        stays = min(rows, key=order)
        for case in rows:
            if case is not stays:
                case.copy_of[kind], case.copied_label[kind] = stays.row_id, stays.given


def _keep_for_classes(cases, by_checks, twins, most):
    """Have the best rows of a class stay that more would leave than may."""
    counted = [case for case in cases if case.own is None and case.row_id not in twins]
    n_rows = Counter(case.given for case in counted)
    leaving = defaultdict(list)
    for case in counted:
        if by_checks[case.row_id] != "keep":
            leaving[case.given].append(case)
    for name, rows in leaving.items():
        allowed = int(Fraction(str(most)) * n_rows[name])
        for case in sorted(rows, key=lambda case: (case.score, case.row_id))[allowed:]:
            case.is_kept_for_class = True


def _reason(case, clean, checks, kinds):
    parts = []
    if case.own is not None:
        what = f"label {case.own_label}" if case.own_label is not None else case.own
        parts.append(f"decided by {case.own_by}: {what}")
    if case.is_issue:
        parts.append(_label_reason(case, clean))
    for name in checks:
        said = case.said[name][1]
        if said is not None:
            parts.append(said.replace(*REDACTED) if clean.get(name) == "redact" else said)
    for kind in kinds:
        if kind in case.copy_of:
            what = kind.removesuffix("s").replace("_", " ")
            parts.append(f"{what} of {case.copy_of[kind]}")
    if case.is_kept_for_class:
        most = f"{clean.get('max_class_fraction', 0.9):g}"
        parts.append(f"kept: at most {most} of a class may go, and worse rows of {case.given} do")
    return "; ".join(parts) or None


def _label_reason(case, clean):
    predicted = f"given {case.given}, predicted {case.predicted} ({_short(case.predicted_prob)})"
    suggested = f"given {case.given}, suggested {case.suggested} ({_short(case.suggested_prob)})"
    held_back = ""
    if clean.get("label_issues", "safe") != "fix":
        by_text = case.predicted != case.given
        return f"label issue: {predicted if by_text else suggested}"
    if _is_confirmed(case):
        still = f"{case.given} is still the likeliest ({_short(case.given_prob)})"
        return f"label issue: {predicted}, but {still}"
    if not _is_sure(case, clean):
        held_back = f", below {clean['fix_above']:g}"
    return f"label issue: {suggested}{held_back}"


def _short(probability):
    return f"{math.floor(probability * 100 + 0.5) / 100:.2f}"
