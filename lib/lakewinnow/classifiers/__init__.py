"""Classifiers that give out-of-sample probabilities: the built-in one and scikit-learn's.

The way in is `registry`; `base` says what a classifier is, `logistic` is ours, `estimator` is
anybody's with `predict_proba`, and `tasks` cross-validates on executors.
"""
