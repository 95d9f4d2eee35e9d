"""Rows whose texts are alike."""
