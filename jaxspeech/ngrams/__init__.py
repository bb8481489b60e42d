"""N-gram language models on the host: training, files, and the conversion to what a search queries (`search.ngram`)."""
