"""The checks of cleanlab's Datalab, without the facade, which wants a package more (datasets)."""

from types import SimpleNamespace

import numpy as np
import pytest

EQUAL_ROWS = pytest.mark.skipif(
    np.__version__ == "2.0.0", reason="cleanlab fails on equal rows with this NumPy's unique"
)


def find_issues(manager, labels=None, **inputs):
    """Run one of cleanlab's issue managers; return its issues, a frame of a row each."""
    return managed(manager, labels, **inputs).issues


def managed(manager, labels=None, **inputs):
    """Run one of cleanlab's issue managers and return it."""
    label_map = {} if labels is None else {k: k for k in range(int(np.max(labels)) + 1)}
    lab = SimpleNamespace(
        get_info=lambda _: {},
        labels=labels,
        data=range(0 if labels is None else len(labels)),
        issues=None,
        class_names=[] if labels is None else np.unique(labels).tolist(),
        _label_map=label_map,
    )
    options = inputs.pop("options", {})
    made = manager(lab, **options)
    made.find_issues(**inputs)
    return made
