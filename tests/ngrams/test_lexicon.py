"""Models over words in a search over tokens: a text has the probability of its words, however it is spelled."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import LanguageModelError
from jaxspeech.ngrams.lexicon import load_fusible
from jaxspeech.ngrams.load import load_ngrams
from jaxspeech.ngrams.model import BEGIN, END, UNKNOWN
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.train import train_tokenizer
from tests.ngrams.models import log_prob, spelled, table_of, write

# Of the file's a, b, c; one is the beginning of another.
WORDS = {"a": "HE", "b": "HELLO", "c": "OH"}
TEXTS = ["oh he hello", "hello", "", "he oh hel hello he", "lo he", "hellos oh"]
WIDTH = 32


def expected(table, text):
    """The sum over words and the end, by the definition; a word that the model does not have forgets all before it."""
    numbers = {word.lower(): i for i, word in enumerate(WORDS.values())}
    history, total = (BEGIN,), 0.0
    for word in (*text.split(), None):
        token = END if word is None else numbers.get(word, UNKNOWN)
        total += log_prob(table, history[-2:], token)
        history = (*history, token)
    return total


@jax.jit
def score(model, weight, tokens, lengths):
    """The score of each text with its end; and the largest difference between all scores, candidates and the bound."""
    fusion = model.fusion(weight, jnp.full(len(tokens), model.starts[1]))

    def step(state, inputs):
        place, token = inputs
        scores = fusion.scores(state)
        some = jnp.stack([token, token * 0 + 2], -1)
        wrong = jnp.abs(jnp.take_along_axis(scores, some, -1) - fusion.candidates(state, some)).max()
        wrong = jnp.maximum(wrong, (scores - fusion.bound(state)[:, None]).max())
        real = place < lengths
        gain = jnp.where(real, scores[jnp.arange(len(token)), token], 0)
        after = fusion.extend(state, token)
        state = jax.tree.map(lambda new, old: jnp.where(real, new, old), after, state)
        return state, (gain, wrong)

    state, (gains, wrong) = jax.lax.scan(step, fusion.state, (jnp.arange(WIDTH), tokens.T))
    return gains.sum(0) + fusion.end(state), wrong.max()


@pytest.fixture(scope="module", params=["char", "bpe"])
def tokenizer(request):
    if request.param == "char":
        return CharTokenizer(" ehloszabcdfgijk")
    return train_tokenizer(["hello he oh hell ohs he hello sole less"] * 3, type="bpe", vocab_size=16)


@pytest.mark.parametrize("weight", [1.0, -0.5])
def test_texts_have_the_probability_of_their_words(tmp_path, tokenizer, weight):
    path = write(tmp_path / "words.arpa", spelled(**WORDS))
    table, model = table_of(load_ngrams(path)), load_fusible(path, tokenizer)

    ids = [tokenizer.encode(text) for text in TEXTS]
    tokens = np.array(list(itertools.zip_longest(*ids, [0] * WIDTH, fillvalue=0))).T[: len(ids)]
    found, wrong = score(model, jnp.float32(weight), tokens, np.array([len(row) for row in ids]))
    np.testing.assert_allclose(found, [weight * expected(table, text) for text in TEXTS], rtol=1e-5)
    assert wrong < 1e-5


def test_a_tokenizer_that_spells_no_word_is_one_line(tmp_path):
    path = write(tmp_path / "words.arpa", spelled(**WORDS))
    with pytest.raises(LanguageModelError, match="can spell none of the model's words, as 'HE'"):
        load_fusible(path, CharTokenizer("xyz "))
