"""Passes over a table of probabilities: `core` does the arithmetic, where the rows are.

A function a pass; `states` sums what they find.
"""
