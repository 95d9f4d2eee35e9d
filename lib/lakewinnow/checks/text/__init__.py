"""Texts that break a rule."""
