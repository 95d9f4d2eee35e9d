"""Rows that do more harm than good."""
