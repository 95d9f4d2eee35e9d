"""Graphs of rows: `row_graph` says which are alike, `components` which belong together."""
