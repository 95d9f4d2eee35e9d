"""cleanlab as the oracle: in one process, quietly and, if asked, with a stable `argsort`.

Its own is unstable and differs between processors, so only the stable one has one right answer.
"""

import warnings
from contextlib import contextmanager
from unittest import mock

import cleanlab.filter
import numpy as np

_argsort = np.argsort


def _stable_argsort(values, axis=-1, **_):
    return _argsort(values, axis=axis, kind="stable")


@contextmanager
def stable_cleanlab():
    with mock.patch.object(np, "argsort", _stable_argsort), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def find_label_issues(labels, pred_probs, *, stable=True, **settings):
    with stable_cleanlab() if stable else warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cleanlab.filter.find_label_issues(labels, pred_probs, n_jobs=1, **settings)
