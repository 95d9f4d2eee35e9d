"""Rows of which nothing is filled in but the label."""
