"""Rows that belong to any number of classes: each class is a question of its own.

The way in is `filters`.
"""
