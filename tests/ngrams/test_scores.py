"""Scores of texts on the host, against a walk over dictionaries and against what a search queries."""

import jax
import numpy as np

from jaxspeech.ngrams.graph import ROOT, to_graph, to_ngram
from jaxspeech.ngrams.kneser_ney import train_ngrams
from jaxspeech.ngrams.model import BEGIN, END
from jaxspeech.ngrams.scores import score_texts
from jaxspeech.search import ngram as queries
from tests.ngrams.models import log_prob, table_of
from tests.ngrams.test_kneser_ney import some_texts

MISSING = 9


def test_texts_have_the_probability_of_their_tokens_and_their_end():
    model = train_ngrams(some_texts(), order=3, vocab_size=11, prune=[0, 0, 1])
    texts = [[1, 2, 3, 4, 5, 6], [], [7, 7, MISSING, 0, 1, 2], [0, 1]]
    table, missing = table_of(model), float(to_graph(model).backoff_weights[ROOT])
    totals = []
    for text in texts:
        history, total = (BEGIN,), 0.0
        for token in (*text, END):
            if token == MISSING:  # whose history is forgotten
                backoffs = [table[h][1] for h in (history[-2:], history[-1:]) if h in table]
                total += missing + float(sum(backoffs))
            else:
                total += log_prob(table, history[-2:], token)
            history = (*history, token)
        totals.append(total)
        found = score_texts(model, [text])
        np.testing.assert_allclose(found.log_prob, total, rtol=1e-6)
        np.testing.assert_allclose(found.perplexity(), np.exp(-total / (len(text) + 1)), rtol=1e-5)
    scores = score_texts(model, texts, block_tokens=5)
    np.testing.assert_allclose(scores.log_prob, sum(totals), rtol=1e-6)
    assert scores[1:] == (4, 14, 1)

    ngram, advance = to_ngram(model), jax.jit(queries.advance)
    states, total = queries.start(ngram, 1), 0.0
    for token in texts[2]:
        found, following = advance(ngram, states)
        total += float(found[0, token])
        states = following[:, token]
    np.testing.assert_allclose(total + queries.end(ngram, states)[0], totals[2], rtol=1e-5)
