"""Drift: whether one set of labelled rows is like another, with one false-alarm rate for all.

`categories` compares counts (labels, the noise matrix), `histograms` compares numbers of texts,
`domain` and `energy` compare vectors, and `verdict` says what all of them together come to.
"""
