"""Classifiers that out-of-sample probabilities come from: the built-in one and scikit-learn's."""
