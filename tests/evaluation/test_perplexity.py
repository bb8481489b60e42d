"""Perplexity per token and per word, with the ends of the texts."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from jaxspeech.evaluation.perplexity import perplexity


def test_a_uniform_model_is_as_uncertain_as_it_has_tokens():
    """Two texts of 3 and 5 tokens, 2 and 1 words: 10 tokens and 5 words with their ends."""
    evaluation = perplexity()
    found = SimpleNamespace(log_prob=-np.log(7.0) * np.array([4, 6]), num_tokens=np.array([3, 5]))
    first, second = evaluation.collect(found, None)
    scores = evaluation.score({0: first, 4: second}, {0: {"text": "a b"}, 4: {"text": "abcde"}})
    assert scores == {"perplexity": pytest.approx(7), "word_perplexity": pytest.approx(49)}
    assert next(iter(scores)) == "perplexity" and evaluation.lower_is_better
    assert evaluation.show(scores) == "perplexity 7.00 (per word 49)"
    assert evaluation.sample(first, {"text": "a b"}) == f"  {math.log(7):.2f} nats a token: a b"
    assert evaluation.score({0: first._replace(log_prob=-1e6)}, {0: {"text": "a"}})["perplexity"] == math.inf
