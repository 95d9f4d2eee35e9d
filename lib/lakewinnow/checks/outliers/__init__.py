"""Outliers: rows that are like no others."""
