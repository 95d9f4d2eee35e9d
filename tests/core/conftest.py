"""Coverage counts what a test's first cases run: to trace them all takes two thirds more time."""

import sys
from collections import Counter

import pytest

_CASES = 4
_seen = Counter()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    _seen[item.function] += 1
    if _seen[item.function] <= _CASES and not hasattr(item.function, "hypothesis"):
        return (yield)
    trace = sys.gettrace()
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(trace)
