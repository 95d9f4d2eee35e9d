"""Rare classes."""
