"""The functions for a frame of one's own: label issues, multi-label issues, consensus.

`label_issues` is the way in; `frame` checks the columns and puts ours beside them.
"""
