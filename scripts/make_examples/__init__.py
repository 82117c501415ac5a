"""Makes the tiny model and the corpus of the examples: grammar, tokenizer, training, model card."""
