"""N-gram queries, against a plain walk over dictionaries in float64, and against NeMo's arrays (tests/parity)."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.search import ngram as queries
from jaxspeech.search.fusion import FUSION, Fused, fusion_of
from jaxspeech.search.ngram_graph import Graph, join, pack, size_class

V = 50
advance = jax.jit(queries.advance)


def random_graph(seed, num_states=40, missing=-9.0):
    """An automaton whose states have from no arc to one for each token, and back off to an earlier state."""
    generator = np.random.default_rng(seed)
    degrees = np.concatenate([[V - 5, 0, V, 1, 2, 17], generator.integers(0, 30, num_states - 6)])
    labels = [generator.permutation(V)[:degree] for degree in degrees]
    sources = np.repeat(np.arange(num_states), degrees)
    order = generator.permutation(len(sources))
    backoffs = np.array([0, *(generator.integers(0, i) for i in range(1, num_states))])
    return Graph(
        sources=sources[order],
        labels=np.concatenate(labels)[order],
        weights=generator.normal(size=len(sources)).astype(np.float32),
        targets=generator.integers(0, num_states, len(sources)),
        backoffs=backoffs,
        backoff_weights=np.array([missing, *generator.normal(size=num_states - 1)], np.float32),
        finals=generator.normal(size=num_states).astype(np.float32),
        starts=(0, 1),
    )


def walk(graph, state, token):
    arcs = {(s, v): (w, t) for s, v, w, t in zip(*graph[:4], strict=True)}
    total = 0.0
    while (state, token) not in arcs:
        total += float(graph.backoff_weights[state])
        if graph.backoffs[state] == state:
            return total, state
        state = int(graph.backoffs[state])
    weight, target = arcs[state, token]
    return total + float(weight), target


@pytest.fixture(scope="module")
def both():
    graph = random_graph(0)
    return graph, pack(graph, V, probability=True)


def test_advance_finds_every_arc_and_backs_off(both):
    graph, ngram = both
    scores, following = advance(ngram, jnp.arange(40))
    expected = [[walk(graph, state, token) for token in range(V)] for state in range(40)]
    np.testing.assert_allclose(scores, [[w for w, _ in row] for row in expected], atol=1e-5)
    np.testing.assert_array_equal(following, [[t for _, t in row] for row in expected])


def test_candidates_and_extend_agree_with_advance_in_any_shape_of_rows(both):
    _, ngram = both
    scores, following = advance(ngram, jnp.arange(40))
    tokens = np.random.default_rng(1).integers(0, V, (8, 5, 3))
    states = jnp.arange(40).reshape(8, 5)
    found = jax.jit(queries.candidates)(ngram, states, tokens)
    np.testing.assert_allclose(found, np.asarray(scores)[np.asarray(states)[..., None], tokens], atol=1e-6)
    extended = jax.jit(jax.vmap(queries.extend, (None, 0, 0)))(ngram, states, tokens[..., 0])
    np.testing.assert_array_equal(extended, np.asarray(following)[states, tokens[..., 0]])


def test_bounds_enclose_the_scores_of_every_state(both):
    _, ngram = both
    scores = advance(ngram, jnp.arange(40))[0]
    low, high = ngram.bounds[:40].T
    assert (low - 1e-5 <= scores.min(-1)).all()
    assert (scores.max(-1) <= high + 1e-5).all()
    assert (high - scores.max(-1) < 1e-5).any()


def test_ids_that_are_no_tokens_cost_what_a_token_without_an_arc_does(both):
    """Padding may hold any number, and a word that the model does not know has an id beyond its tokens."""
    graph, ngram = both
    tokens = jnp.array([-1, V, 2**31 - 1, queries.EMPTY])
    found = jax.jit(queries.candidates)(ngram, jnp.arange(40), jnp.broadcast_to(tokens, (40, 4)))
    expected = [walk(graph, state, None) for state in range(40)]
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:, 1], [weight for weight, _ in expected], rtol=1e-5)
    np.testing.assert_allclose(found[:, :3], np.tile(found[:, 1:2], 3))
    after = jax.jit(queries.extend)(ngram, jnp.arange(40), jnp.full(40, V))
    np.testing.assert_array_equal(after, [state for _, state in expected])


def test_another_model_of_the_same_size_class_needs_no_other_program(both):
    _, ngram = both
    jitted: Any = advance
    jitted(ngram, jnp.arange(40))
    programs = jitted._cache_size()
    other = pack(random_graph(1, num_states=45, missing=-np.inf), V, probability=True)
    jitted(other, jnp.arange(40))
    assert jitted._cache_size() == programs
    assert [size_class(n) for n in (1, 4096, 4097, 6145, 9000, 16384)] == [4096, 4096, 6144, 8192, 12288, 16384]


def test_fusion_adds_models_with_their_weights_and_states_of_their_own(both):
    """The second model holds two trees: the first row is in one, the second in the other."""
    graph, ngram = both
    trees = [random_graph(2), random_graph(3, num_states=30)]
    union, offsets = join(trees)
    arena = pack(union, V, probability=False)
    texts = np.random.default_rng(4).integers(0, V, (2, 6))

    @jax.jit
    def score(ngram, arena, weights, texts):
        starts = jnp.stack([queries.start(ngram, 2), offsets], axis=1)
        fusion = fusion_of({FUSION: Fused((ngram, arena), weights, starts)._asdict()}, 2)
        assert fusion is not None

        def step(state, tokens):
            scores = fusion.scores(state)
            some = jnp.stack([tokens, tokens[::-1]], -1)
            agree = jnp.take_along_axis(scores, some, -1) - fusion.candidates(state, some)
            above = fusion.bound(state)[:, None] - scores
            return fusion.extend(state, tokens), (scores[jnp.arange(2), tokens], agree, above)

        state, (gains, agree, above) = jax.lax.scan(step, fusion.state, texts.T)
        return gains.sum(0), fusion.end(state), agree, above, fusion.weight

    total, end, agree, above, weight = score(ngram, arena, jnp.array([0.5, -2.0]), texts)
    for row, tree in enumerate(trees):
        expected, states = 0.0, [1, 0]
        for token in texts[row]:
            for i, (model, w) in enumerate([(graph, 0.5), (tree, -2.0)]):
                added, states[i] = walk(model, states[i], int(token))
                expected += w * added
        np.testing.assert_allclose(total[row], expected, rtol=1e-5)
        last = 0.5 * graph.finals[states[0]] - 2.0 * tree.finals[states[1]]
        np.testing.assert_allclose(end[row], last, rtol=1e-5)
    np.testing.assert_allclose(agree, 0, atol=1e-5)
    assert (above >= -1e-5).all()
    assert weight == 0.5


@pytest.mark.parametrize("vocab_size", [1, 33, 5000])
def test_every_arc_has_a_slot_of_its_own(vocab_size):
    """Of all degrees, with labels that lie together or are multiples of powers of two."""
    generator = np.random.default_rng(vocab_size)
    degrees = [d for d in (1, 2, 3, 7, 16, 17, 64, 200, 1024, 5000) if d <= vocab_size]
    sets = [np.arange(d) for d in degrees] + [np.arange(d) * (vocab_size // d) for d in degrees]
    sets += [generator.permutation(vocab_size)[:d] for d in degrees]
    labels = np.concatenate(sets)
    sources = np.repeat(1 + np.arange(len(sets)), [len(s) for s in sets])  # state 0, the root, has no arcs
    nothing = np.zeros(1 + len(sets))
    graph = Graph(sources, labels, np.arange(len(labels)), sources, nothing.astype(int), nothing, nothing, (0, 0))
    ngram = pack(graph, vocab_size, probability=True)
    slots = np.asarray(jax.jit(queries._slots)(ngram, jnp.asarray(sources)[:, None], jnp.asarray(labels)[:, None]))[
        :, 0
    ]
    assert len(set(slots.tolist())) == len(labels)
    np.testing.assert_array_equal(ngram.labels[slots], labels)
    np.testing.assert_array_equal(ngram.weights[slots], np.arange(len(labels)))
    assert (np.asarray(ngram.labels) != queries.EMPTY).sum() == len(labels)
    assert len(ngram.labels) < 12 * len(labels) + 4097


def test_a_chain_of_backoffs_ends_at_its_root():
    """A phrase tree can be deeper than any n-gram: 30 states, each backing off to the one before."""
    graph = Graph(
        *map(np.array, ([0], [3], [1.0], [5], [0, *range(29)], [0.0, *[0.25] * 29], [0.0] * 30)), starts=(0, 0)
    )
    ngram = pack(graph, 8, probability=False)
    scores, following = advance(ngram, jnp.array([29]))
    np.testing.assert_allclose(scores[0, 3:5], [1 + 29 / 4, 29 / 4])
    np.testing.assert_array_equal(following[0, 3:5], [5, 0])
