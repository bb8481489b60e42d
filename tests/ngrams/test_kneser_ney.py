"""Training, against Chen & Goodman's formulas over dictionaries in float64, and that probabilities sum to one."""

import itertools

import numpy as np
import pytest

from jaxspeech.errors import LanguageModelError
from jaxspeech.ngrams.counts import count_ngrams, packing
from jaxspeech.ngrams.kneser_ney import train_ngrams
from jaxspeech.ngrams.model import BEGIN, END, UNKNOWN, check_tables
from tests.ngrams import kneser_ney_oracle as oracle
from tests.ngrams.models import log_prob, table_of

NAMES = {BEGIN: "<s>", END: "</s>"}


def some_texts(used=8, count=150):
    """Texts in which a token depends on the two before, mostly, and few are frequent."""
    generator = np.random.default_rng(0)
    texts = []
    for _ in range(count):
        text = [0, 1]
        for _ in range(generator.integers(1, 9)):
            strange = (generator.random() < 0.5) * int(min(generator.zipf(1.3), used))
            text.append(int(text[-1] + 2 * text[-2] + strange) % used)
        texts.append(text[2:])
    return [*texts, [], [4]]


def named(tokens):
    return tuple(NAMES.get(token, token) for token in tokens)


@pytest.mark.parametrize(
    ("order", "prune", "used"),
    [(1, [0], 8), (2, [0, 0], 60), (3, [0, 0, 1], 8), (4, [0, 0, 0, 0], 5), (4, [0, 1, 1, 2], 5)],
)
def test_every_probability_is_that_of_the_formulas(order, prune, used):
    """Two tokens of the vocabulary are in no text. Some orders take the discounts of small corpora, some do not."""
    texts = some_texts(used)
    model = train_ngrams(texts, order=order, vocab_size=used + 2, prune=prune, block_tokens=100)
    assert check_tables(model)
    p, kept = oracle.model(texts, order, prune)
    table = table_of(model)
    assert {named(row) for row in table if len(row) > 1} == {g for g in kept if len(g) > 1}
    seen = [token for token in range(used) if (token,) in table]
    histories = [
        h for n in range(order) for h in itertools.product([BEGIN, *range(used)], repeat=n) if BEGIN not in h[1:]
    ]
    found = np.exp([[log_prob(table, history, token) for token in (*seen, END, UNKNOWN)] for history in histories])
    expected = [[p(NAMES.get(token, token), named(history)) for token in (*seen, END)] for history in histories]
    np.testing.assert_allclose(found[:, :-1], expected, rtol=2e-6)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("estimated", [True, False])
def test_what_was_done_is_recorded(estimated):
    texts = some_texts(60) if estimated else [[0, 1], [0, 1]]
    training = train_ngrams(texts, order=2, vocab_size=62).training
    assert training["tokens"] == sum(len(text) + 1 for text in texts)
    assert [d["estimated"] for d in training["discounts"]] == [estimated, estimated]
    if not estimated:
        assert training["discounts"][1]["values"] == [0.5, 1.0, 1.5]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"prune": [1, 1]}, "must begin with 0"), ({"prune": [0, 2, 1]}, "not decrease"), ({"texts": []}, "no texts")],
)
def test_mistakes(options, message):
    with pytest.raises(LanguageModelError, match=message):
        train_ngrams(options.pop("texts", [[1]]), order=3, vocab_size=2, **options)


@pytest.mark.parametrize(("order", "vocab_size"), [(3, 10), (6, 5000)])
def test_counts_do_not_depend_on_the_blocks(order, vocab_size):
    """N-grams of 6 tokens of 13 bits take two numbers."""
    texts = [[token * 700 % vocab_size for token in text] for text in some_texts()]
    whole, small = (count_ngrams(texts, order, vocab_size, block_tokens=n) for n in (1 << 20, 50))
    np.testing.assert_array_equal(whole.counts, small.counts)
    found = packing(order, vocab_size).unpack(small.words)
    np.testing.assert_array_equal(found, packing(order, vocab_size).unpack(whole.words))
    expected = {}
    for text in texts:
        marked = [BEGIN] * (order - 1) + text + [END]
        for i in range(len(text) + 1):
            expected[tuple(marked[i : i + order])] = expected.get(tuple(marked[i : i + order]), 0) + 1
    assert dict(zip(map(tuple, found.tolist()), small.counts.tolist(), strict=True)) == expected
    assert list(map(tuple, found.tolist())) == sorted(expected)
