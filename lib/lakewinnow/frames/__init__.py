"""The functions for a frame of one's own: label issues, multi-label issues, consensus.

`label_issues` is the way in; `columns`, `pandas_columns`, `classes` and `left_out` check what came.
"""
