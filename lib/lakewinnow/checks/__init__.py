"""The checks, a folder each: its section of the configuration, its stage and its wording.

The way in is `CHECK` in a folder's `__init__`, a `plan.check.Check`; `imbalance` is short.
"""
