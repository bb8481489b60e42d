"""Phrase trees against counting the phrases in a text; tests/parity/test_phrase_trees.py compares them with NeMo's."""

import math

import numpy as np
import pytest

from jaxspeech.search.phrase_tree import phrase_graph
from tests.search.test_ngram import walk


def total(graph, text, *, ended=True):
    """The score of a text, and with the end of it."""
    state, score = graph.starts[1], 0.0
    for token in text:
        gained, state = walk(graph, state, token)
        score += gained
    return score + float(graph.finals[state]) * ended


def alone(ids, weight):
    later = (math.copysign(2 * abs(weight) + math.log(i + 1), weight) for i in range(1, len(ids)))
    return weight + sum(later)


def occurrences(text, ids):
    return sum(text[i : i + len(ids)] == ids for i in range(len(text)))


def test_a_text_has_the_scores_of_the_phrases_in_it_and_no_others():
    """Of random phrases, none within another, which share beginnings and overlap, some of them to be avoided."""
    generator = np.random.default_rng(0)
    for _ in range(30):
        weights: dict[tuple[int, ...], float] = {}
        for _ in range(12):
            ids = tuple(generator.integers(0, 3, generator.integers(1, 6)).tolist())
            if not any(occurrences(a, b) for other in weights for a, b in ((ids, other), (other, ids))):
                weights[ids] = float(generator.choice([-1.5, 0.5, 1.0, 2.0]))
        graph = phrase_graph(list(weights), list(weights.values()))
        for _ in range(20):
            text = tuple(generator.integers(0, 4, 12).tolist())
            expected = sum(occurrences(text, ids) * alone(ids, weight) for ids, weight in weights.items())
            assert total(graph, text) == pytest.approx(expected, abs=1e-6)


def test_a_phrase_within_a_longer_one_that_breaks_off_keeps_its_score():
    sea, sea_shells, bread, fresh_bread = (1, 2), (1, 2, 3, 4), (7,), (6, 7, 8, 9)
    graph = phrase_graph([sea, sea_shells, bread, fresh_bread])
    assert total(graph, (1, 2, 3, 5)) == pytest.approx(alone(sea, 1.0))  # "sea sh", then something else
    assert total(graph, (6, 7, 8, 5)) == pytest.approx(alone(bread, 1.0))
    assert total(graph, (6, 7, 8)) == pytest.approx(alone(bread, 1.0))  # and the text ends there
    for whole in (sea_shells, fresh_bread):  # within the whole phrase it does not count
        assert total(graph, whole) == pytest.approx(alone(whole, 1.0))
    # NeMo takes it back.
    theirs = phrase_graph([sea, sea_shells, bread, fresh_bread], as_nemo=True)
    assert total(theirs, (1, 2, 3, 5), ended=False) == pytest.approx(0)


def test_a_begun_phrase_is_a_gain_until_it_breaks_off():
    graph = phrase_graph([(1, 2, 3)], [1.5], depth_scaling=3.0, unknown=-0.25)
    begun = 1.5 + 4.5 + math.log(2)
    assert total(graph, (1, 2), ended=False) == pytest.approx(begun)
    assert total(graph, (1, 2)) == pytest.approx(0)
    assert total(graph, (1, 2, 0), ended=False) == pytest.approx(-0.25)


def test_words_of_an_alphabet_begin_after_a_space_or_at_the_start():
    space = 9
    graph = phrase_graph([(space, 1, 2), (space, 3, space, 1)], space=space, after_space=True)
    for text in ((1, 2), (5, space, 1, 2), (5, space, space, 1, 2)):
        assert total(graph, text) == pytest.approx(alone((1, 2), 1.0))
    assert total(graph, (5, 1, 2)) == 0  # the end of a word
    assert total(graph, (5, space, 5, space)) == 0
    assert total(phrase_graph([(space, 1, 2)], space=space), (1, 2)) == 0  # where each word has its mark
    assert total(graph, (3, space, 1, 2)) == pytest.approx(alone((3, space, 1), 1.0) + alone((1, 2), 1.0))


def test_the_end_of_a_text_competes_with_the_tokens_of_an_attention_decoder():
    phrases, weights = [(1, 2, 3), (1, 4)], [1.5, 1.0]
    plain, graph = phrase_graph(phrases, weights), phrase_graph(phrases, weights, end=0.5)
    for text in ((), (0,), (1,), (1, 2), (1, 2, 3), (1, 4), (1, 4, 1)):
        more = 1.5 + (0.5 if text in phrases else 0.0)  # that of the best beginning, and of the end after a phrase
        assert total(graph, text) == pytest.approx(total(plain, text) + more)


def test_nemo_gives_the_end_of_a_text_the_best_score_of_any_token():
    graph = phrase_graph([(1, 2, 3), (1, 4)], end=0.5, as_nemo=True)
    for text in ((), (0,), (1,), (1, 2), (1, 2, 3), (1, 4)):
        state = graph.starts[1]
        for token in text:
            _, state = walk(graph, state, token)
        best = max(walk(graph, state, token)[0] for token in range(6))
        ends = 0.5 if text in ((1, 2, 3), (1, 4)) else 0.0
        assert float(graph.finals[state]) == pytest.approx(max(best, 0.0) + ends)


def test_equal_phrases_have_the_larger_score_and_an_empty_one_none():
    assert total(phrase_graph([(1, 2), (1, 2)], [1.0, 2.0]), (1, 2)) == pytest.approx(alone((1, 2), 2.0))
    assert total(phrase_graph([]), (1, 2)) == 0
    with pytest.raises(ValueError, match="no tokens"):
        phrase_graph([(1,), ()])
