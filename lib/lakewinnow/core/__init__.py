"""The arithmetic: NumPy only, no Spark, pandas or pyarrow. A folder for each subject.

`noise` and `selection` find label issues, `logistic` cross-validates; most of it is state that
adds up over blocks of rows (`states`).
"""
