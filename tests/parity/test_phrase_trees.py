"""Compares phrase trees with NeMo's, built from the same tokens: arcs, backoffs, scores and states."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.search import ngram
from jaxspeech.search.ngram_graph import pack
from jaxspeech.search.phrase_tree import END_SCORE, phrase_graph
from tests.parity.reference import arrays_of

NAMES = ["default", "depth1", "score3", "unk", "eos0", "uniform", "per_phrase", "bpe_dropout"]
V, END = 64, 2
advance = jax.jit(ngram.advance)


@pytest.mark.parametrize("name", NAMES)
def test_tree_is_that_of_nemo(name, request):
    arrays, facts = arrays_of("lm_boost", request)
    nemo = {key.removeprefix(f"{name}."): value for key, value in arrays.items() if key.startswith(f"{name}.")}
    settings, phrases, ids = facts[name]["settings"], facts["phrases"], facts["phrase_ids"]
    if "tokenizations" in facts[name]:
        ids = [spelling for phrase in phrases for spelling in facts[name]["tokenizations"][phrase]]
    weights = [settings.get("context_score", 1.0)] * len(ids)
    if "score_per_phrase" in settings:
        weights = [round(settings["score_per_phrase"] / len(phrase), 2) for phrase in phrases]
    graph = phrase_graph(
        ids,
        weights,
        depth_scaling=settings.get("depth_scaling", 2.0),
        unknown=settings.get("unk_score", 0.0),
        end=settings.get("final_eos_score", END_SCORE),
        uniform=settings.get("uniform_weights", False),
        as_nemo=True,
    )
    # NeMo's root has an arc for each token.
    of_root = graph.sources == 0
    targets, weights = np.zeros(V, np.int64), np.full(V, graph.backoff_weights[0])
    targets[graph.labels[of_root]], weights[graph.labels[of_root]] = graph.targets[of_root], graph.weights[of_root]
    np.testing.assert_array_equal(np.concatenate([targets, graph.targets[~of_root]]), nemo["arc_to"])
    np.testing.assert_array_equal(np.concatenate([np.arange(V), graph.labels[~of_root]]), nemo["arc_label"])
    np.testing.assert_array_equal(np.concatenate([np.zeros(V), graph.sources[~of_root]]), nemo["arc_from"])
    np.testing.assert_allclose(np.concatenate([weights, graph.weights[~of_root]]), nemo["arc_weight"], atol=1e-5)
    np.testing.assert_array_equal(graph.backoffs, nemo["backoff_to"])
    np.testing.assert_allclose(graph.backoff_weights[1:], nemo["backoff_weight"][1:], atol=1e-5)

    packed, states = pack(graph, V, probability=False), nemo["query_states"]
    scores, following = advance(packed, states)
    np.testing.assert_allclose(scores, nemo["advance_scores"], atol=1e-5)
    np.testing.assert_array_equal(following, nemo["advance_next"])
    ends = np.asarray(ngram.end(packed, jnp.asarray(states)))
    np.testing.assert_allclose(ends, nemo["advance_eos_scores"][:, END], atol=1e-5)
