"""Graphs of rows: which are alike, and which belong together."""
