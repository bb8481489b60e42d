"""Trains n-gram language models over a recogniser's tokens, scores texts with them, and converts them."""

VERBS = {
    "train": ("jaxspeech.cli.ngram.train", "train an n-gram model on texts"),
    "perplexity": ("jaxspeech.cli.ngram.perplexity", "measure how well a model predicts texts"),
    "info": ("jaxspeech.cli.ngram.info", "describe a model: its n-grams, its tokenizer, how it was trained"),
    "convert": ("jaxspeech.cli.ngram.convert", "convert between .ngram, ARPA and NeMo's .nemo"),
}
