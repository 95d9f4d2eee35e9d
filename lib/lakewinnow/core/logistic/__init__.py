"""Cross-validated logistic regression, for little more than the price of one fit.

The way in is `crossval`; `strength` chooses C, the other modules are the solver.
"""
