"""Fine-tuning by OpenAI and by servers that speak its protocol.

`jobs` trains, `asking` asks the trained models, `prices` says what that costs.
"""
