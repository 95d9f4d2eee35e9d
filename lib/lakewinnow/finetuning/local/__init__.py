"""Fine-tuning of transformers on this machine."""
