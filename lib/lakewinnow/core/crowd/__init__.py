"""Labels of several annotators: consensus, and how good each annotator is (CROWDLAB).

The way in is `multiannotator`.
"""
