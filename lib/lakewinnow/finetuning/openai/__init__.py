"""Fine-tuning by OpenAI and by servers that speak its protocol."""
