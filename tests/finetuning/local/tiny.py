"""A transformer of random weights, small enough to be trained in a test."""

import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

WORDS = ["good", "fine", "bad", "poor", "it", "is", "was", "the", "a", "very", "so", "and"]


def make_tiny(folder, *, n_layers=4, family=BertModel, config=BertConfig, **settings):
    """Write a model and a tokenizer that knows `WORDS`, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizerFast(
        vocab={word: i for i, word in enumerate(vocabulary)}, model_max_length=32
    ).save_pretrained(folder)
    settings = settings or {
        "num_hidden_layers": n_layers,
        "hidden_size": 16,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 40,
    }
    torch.manual_seed(0)
    family(config(vocab_size=len(vocabulary), **settings)).save_pretrained(folder)
    return folder
