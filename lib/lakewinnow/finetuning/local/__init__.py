"""Fine-tuning of transformers on this machine.

The way in is `tasks`, a Spark task for each model; `training` trains, `body` is the model.
"""
