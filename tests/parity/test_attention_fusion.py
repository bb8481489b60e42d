"""Compares the search of an attention decoder with language models and boosted phrases with NeMo's.

NeMo's searches of a batch continue until the longest row's limit, so of a batch only that row can be compared. With
phrases alone no row can: a hypothesis that has ended gets each further token's score times 10,001 in NeMo's beam, and a
boosted score is above 0.
"""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.interop.nemo import load_nemo
from jaxspeech.ngrams.graph import to_ngram
from jaxspeech.ngrams.load import load_ngrams
from jaxspeech.search.fusion import FUSION, Fused
from jaxspeech.search.ngram_graph import pack
from jaxspeech.search.phrase_tree import END_SCORE, phrase_graph
from jaxspeech.tasks.attention_search import decode_best
from tests.parity.reference import arrays_of

pytestmark = pytest.mark.slow  # the quick test is tests/search/test_attention_fusion.py, against all texts


@pytest.fixture(scope="module")
def search(refs, request):
    """Returns NeMo's results, and a function that searches by its settings; one program for all weights."""
    _, notes = arrays_of("lm_canary", request)
    nemo, _ = arrays_of(notes["base"], request)
    archive = load_nemo(refs / f"{notes['base']}.nemo")
    model, tokenizer = build(archive.model).model, archive.assets["tokenizer"]
    lm = to_ngram(load_ngrams(refs / "lm_canary.arpa", tokenizer))
    graph = phrase_graph(notes["phrase_ids"], depth_scaling=1.0, end=END_SCORE, as_nemo=True)
    models = lm, pack(graph, len(lm.tokens), probability=False)
    features = nemo["feats"].transpose(0, 2, 1), nemo["feats_len"].astype(np.int32)
    encoded = jax.jit(partial(model.apply, method="encode_features"))(archive.variables, *features)
    prompt = archive.assets["prompt"].encode(tokenizer, {})
    prompts = np.tile(prompt, (3, 1)).astype(np.int32), np.full(3, len(prompt), np.int32)

    @partial(jax.jit, static_argnames="beam_size")
    def run(variables, *inputs, beam_size):
        # As in test_nemo_attention: NeMo's beam emits one token more, and does not end at the start.
        more = model.search.more_than_frames + 1
        options = dict(beam_size=beam_size, more_than_frames=more, least_tokens=1)
        own = model.clone(search=dataclasses.replace(model.search, **options))
        return decode_best(own, variables, *inputs, num_best=beam_size)

    def found(name):
        part = notes["settings"][name]["beam"]
        weights = [part.get("ngram_lm_alpha", 0.0), part.get("boosting_tree_alpha", 0.0)]
        fused = Fused(models, jnp.array(weights), jnp.stack([lm.starts[1], 0])[None])._asdict()
        return run(archive.variables | {FUSION: fused}, *encoded, *prompts, beam_size=part["beam_size"])

    return notes["results"], found


def same(best, row, hypotheses):
    for tokens, theirs in zip(best, hypotheses, strict=True):
        assert np.asarray(tokens.ids[row, : tokens.num_tokens[row]]).tolist() == theirs["y_sequence"]
        np.testing.assert_allclose(tokens.score[row], theirs["score"], atol=1e-3)


def test_beam_search_with_a_language_model_of_each_recording_alone(search):
    results, found = search
    best = found("beam4_lm0.5")
    for row, hypotheses in enumerate(results["beam4_lm0.5_alone"]):
        same(best, row, hypotheses)


@pytest.mark.parametrize("name", ["beam4_lm0.5", "beam4_both", "beam1_lm0.5"])
def test_the_longest_recording_of_a_batch(search, name):
    results, found = search
    same(found(name), 0, results[name][0])
