"""Lists of phrases side by side: each text is scored by its own list; lists come and go without moving the others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.inference import phrase_arena
from jaxspeech.inference.phrase_arena import PhraseArena
from jaxspeech.inference.phrase_trees import NOTHING, PhraseTrees
from jaxspeech.search import ngram
from jaxspeech.search.phrase_tree import phrase_graph
from jaxspeech.text.char import CharTokenizer
from tests.search.test_ngram import walk

V = 30


@jax.jit
def score(packed, roots, texts):
    """The score of each text [B U], which begins at its root."""

    def step(states, tokens):
        gained = ngram.candidates(packed, states, tokens[:, None])[:, 0]
        return ngram.extend(packed, states, tokens), gained

    states, gained = jax.lax.scan(step, roots, texts.T)
    return gained.sum(0) + ngram.end(packed, states)


def trees_of(seed, count, phrases=4):
    generator = np.random.default_rng(seed)
    return [
        phrase_graph([generator.integers(0, 4, generator.integers(1, 5)).tolist() for _ in range(phrases)])
        for _ in range(count)
    ]


def check(arena, trees):
    texts = np.random.default_rng(9).integers(0, 5, (len(trees), 12))
    roots = arena.roots(trees)
    found = score(arena.ngram, jnp.array(roots, jnp.int32), jnp.asarray(texts))
    for tree, text, total in zip(trees, texts, found, strict=True):
        state, expected = tree.starts[1], 0.0
        for token in text:
            gained, state = walk(tree, state, token)
            expected += gained
        assert total == pytest.approx(expected + tree.finals[state], abs=1e-5)
    return roots


def test_each_row_has_its_own_list_and_other_lists_need_no_other_program():
    arena, (a, b, c, d) = PhraseArena(V), trees_of(0, 4)
    compiled = score._cache_size()
    first = check(arena, [a, NOTHING, b, a])
    assert first[1] == 0 and first[0] == first[3]
    check(arena, [c, NOTHING, d, b])
    assert arena.roots([b])[0] == first[2]
    assert score._cache_size() == compiled + 1


def test_a_full_arena_gives_away_the_places_of_lists_that_are_not_in_use(monkeypatch):
    monkeypatch.setattr(phrase_arena, "MOST_STATES", 100)
    arena, trees = PhraseArena(V), trees_of(1, 12)
    kept = trees[0]
    place = arena.roots([kept])
    for tree in trees[1:]:
        assert check(arena, [kept, tree, NOTHING, tree])[0] == place[0]
    (larger,) = trees_of(2, 1, phrases=60)
    assert check(arena, [larger, kept, NOTHING, kept])[1] == place[0]
    assert sum(region.states for region in arena._regions) < 100 + 2 * len(larger.backoffs)


def test_trees_are_kept_and_phrases_that_cannot_be_spelled_are_named(caplog):
    trees = PhraseTrees(CharTokenizer(" abcdefghijklmnopqrstuvwxyz"), attention=False)
    tree = trees.tree(["New York", "Łódź", "日本"])
    assert trees.tree(["New York", "Łódź", "日本"]) is tree
    [line] = caplog.messages
    assert line == "boost: the tokenizer cannot spell 'Łódź', '日本'"
    assert trees.tree([]) is NOTHING
    with caplog.at_level("WARNING"):
        trees.tree([chr(0x4E00 + i) for i in range(8)])
    assert caplog.messages[-1].endswith(" and 3 more")
