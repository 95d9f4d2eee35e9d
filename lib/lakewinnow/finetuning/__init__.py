"""Fine-tuning: models are trained further on a training set and then asked about other rows.

`local` does it on this machine, `openai` by a service; the stage `finetune` calls them.
"""
