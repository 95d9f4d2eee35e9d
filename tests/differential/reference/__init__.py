"""What a run should say, once more: one process, NumPy and cleanlab, from the published rules.

Nothing of `lakewinnow` is imported. Written from the guide (how-it-works, inputs, fixing,
workspace, configuration), cleanlab's own functions, and what the first lines of modules say of
folds, shards and calibration.

Taken from the run, since no rule says them, or since they are too much to do again: the ids of rows
without `input.id` and the keys of features (whether they tell rows apart is checked), the vectors,
C and the number of repeats, the channel of the noise model, the probabilities that all later rules
start from (compared with scikit-learn's within the solver's tolerance), what other checks than
exact duplicates find, and texts that are redacted.

    rows.py        which rows can be used, and why not the others; classes, keys, shards, folds
    learning.py    probabilities, by scikit-learn's logistic regression
    noise.py       thresholds, confident joint, noise matrices, temperature, posterior
    issues.py      flags, scores, ranks, suggestions
    decisions.py   exact duplicates, what happens to each row, and why
    against.py     a run beside all of that; decisions and published tables in outcome.py
"""
