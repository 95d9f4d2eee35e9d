"""How labels came to be wrong: confident learning's counts, the noise model, the posterior.

`confident_learning` gathers the counts, `noise_model` keeps what they come to; `metrics`, `health`
and `calibration` say how good probabilities and labels are.
"""
