"""Rows that have the same text."""
