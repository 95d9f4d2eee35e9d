"""The rows that models are trained and compared on, and files of examples for trainers.

The way in is `training_sets`.
"""
