"""Which rows to doubt: scores, the filters, and the exact n lowest rows of every cell.

The way in is `label_issues`; `n_lowest` finds its cuts in passes over the data that move no rows.
"""
