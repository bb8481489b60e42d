"""A neural model in a search: its scores are those of whole texts, for hypotheses that are selected and extended."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.search.fusion import FUSION, Fused, fusion_of
from jaxspeech.search.neural import Functions, NeuralModel
from tests.language_models import DECODERS, log_prob, tiny

WEIGHTS = np.array([0.7, -0.2], np.float32)


def fusible(name):
    model = tiny(name)
    functions = Functions(name, model.task.inference.start, model.task.inference.step)
    return NeuralModel(model.variables, functions, start_id=4)


def test_hypotheses_have_the_scores_of_their_texts():
    """Two recordings with three hypotheses; two models, of which one is subtracted."""
    name, other = DECODERS

    @jax.jit
    def run(models, tokens, parents, asked):
        fusion: Any = fusion_of({FUSION: Fused(models, WEIGHTS, jnp.zeros((1, 2), jnp.int32))._asdict()}, 2)
        state = jax.tree.map(lambda x: jnp.repeat(x[:, None], 3, axis=1), fusion.state)
        first, row = fusion.scores(fusion.state), jnp.arange(2)[:, None]
        for i in range(len(tokens)):
            state = jax.tree.map(lambda x, i=i: x[row, parents[i]], state)
            state = fusion.extend(state, tokens[i])
        return first, fusion.scores(state), fusion.candidates(state, asked), fusion.bound(state), fusion.end(state)

    rng = np.random.default_rng(1)
    tokens, parents = rng.integers(4, size=(5, 2, 3)), rng.integers(3, size=(5, 2, 3))
    asked = rng.integers(4, size=(2, 3, 2))
    models = (fusible(name), fusible(other))
    first, scores, candidates, bound, ends = (np.asarray(x) for x in run(models, tokens, parents, asked))
    texts = [[[]] * 3 for _ in range(2)]
    for token, parent in zip(tokens, parents, strict=True):
        texts = [[[*texts[b][parent[b][k]], int(token[b][k])] for k in range(3)] for b in range(2)]

    def expected(text, **options):
        names = zip(WEIGHTS, (name, other), strict=True)
        return sum(w * log_prob(tiny(n), text, name=n, **options) for w, n in names)

    for b, k in ((0, 0), (1, 2)):
        text = texts[b][k]
        base = expected(text, end=False)
        of_tokens = [expected([*text, v], end=False) - base for v in range(4)]
        np.testing.assert_allclose(scores[b, k], of_tokens, atol=2e-5)
        np.testing.assert_allclose(candidates[b, k], scores[b, k][asked[b, k]], atol=1e-6)
        np.testing.assert_allclose(ends[b, k], expected(text) - base, atol=2e-5)
        assert bound[b, k] >= scores[b, k].max() - 1e-6
    np.testing.assert_allclose(first[1], [expected([v], end=False) for v in range(4)], atol=2e-5)


def test_a_model_without_an_end():
    def step(variables, ids, state):
        return variables[ids], state

    table = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3)), jnp.float32)
    fusion = NeuralModel(table, Functions("", lambda variables, rows: (), step), start_id=3, has_end=False)
    fusion = fusion.fusion(jnp.float32(2), jnp.zeros(2, jnp.int32))
    np.testing.assert_allclose(fusion.scores(fusion.state), jnp.broadcast_to(2 * jax.nn.log_softmax(table[3]), (2, 3)))
    after = fusion.extend(fusion.state, jnp.array([1, 0]))
    np.testing.assert_allclose(fusion.scores(after)[0], 2 * jax.nn.log_softmax(table[1]), rtol=1e-6)
    np.testing.assert_array_equal(fusion.end(after), [0, 0])


def test_another_model_of_the_same_shapes_needs_no_other_program():
    traced = []

    @jax.jit
    def scores(model):
        traced.append(0)
        fusion = model.fusion(jnp.float32(1), jnp.zeros(1, jnp.int32))
        return fusion.scores(fusion.state)

    model, again = fusible("lstm"), fusible("lstm")
    other = replace(again, variables=jax.tree.map(lambda x: x + 0.1, model.variables))
    # What a program kept on disk knows of the functions is their key, not where they are in memory.
    assert "0x" not in str(jax.tree.structure(model)) and model.functions != fusible("transformer").functions
    assert np.abs(scores(model) - scores(other)).max() > 1e-3 and len(traced) == 1
