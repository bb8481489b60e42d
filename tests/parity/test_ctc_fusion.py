"""Compares CTC searches with n-grams and boosted phrases on NeMo's log-probabilities: ids, frames and scores."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.search.ctc import ctc_start
from jaxspeech.search.ctc_beam import ctc_beam
from jaxspeech.search.ctc_fused import ctc_greedy_fused
from jaxspeech.search.fusion import combine
from jaxspeech.search.ngram_graph import Graph, pack
from jaxspeech.search.phrase_tree import phrase_graph

ARRAYS = ("arc_from", "arc_label", "arc_weight", "arc_to", "backoff_to", "backoff_weight", "final_weight")


@functools.cache
def load(refs):
    """Returns the log-probabilities with NaN in their padding, num_frames, NeMo's results, both models, and V."""
    for name in ("lm_ctc.json", "lm_ctc.npz"):
        if not (refs / name).exists():
            pytest.skip(f"{refs} has no {name}")
    notes, arrays = json.loads((refs / "lm_ctc.json").read_text()), np.load(refs / "lm_ctc.npz")
    acoustic = np.load(refs / f"{notes['base']}.npz")
    log_probs, num_frames = acoustic["log_probs"].copy(), acoustic["enc_out_len"].astype(np.int32)
    for row, frames in zip(log_probs, num_frames, strict=True):
        row[frames:] = np.nan
    vocab_size = log_probs.shape[-1] - 1
    ngram = Graph(*(arrays[f"lm.{name}"] for name in ARRAYS), starts=(0, 1))
    phrases = phrase_graph(notes["phrase_ids"], as_nemo=True)
    models = pack(ngram, vocab_size, probability=True), pack(phrases, vocab_size, probability=False)
    return log_probs, num_frames, notes, models, vocab_size


def case(refs, name, section):
    """Returns the log-probabilities, num_frames, NeMo's results, its settings, V, the models and their weights."""
    log_probs, num_frames, notes, models, vocab_size = load(refs)
    settings = notes["settings"][name.removesuffix("_alone")][section]
    weights = [settings.get("ngram_lm_alpha", 0.0), settings.get("boosting_tree_alpha", 0.0)]
    return log_probs, num_frames, notes["results"][name], settings, vocab_size, models, jnp.array(weights)


def fused(models, weights, batch_size):
    """The sum of both models, with weights that may be 0."""
    starts = [jnp.full(batch_size, model.starts[1]) for model in models]
    return combine([model.fusion(w, start) for model, w, start in zip(models, weights, starts, strict=True)])


@functools.partial(jax.jit, static_argnames="blank_id")
def greedy(log_probs, num_frames, models, weights, *, blank_id):
    batch_size = len(log_probs)
    fusion = fused(models, weights, batch_size)
    return ctc_greedy_fused(log_probs, num_frames, ctc_start(batch_size, blank_id=blank_id), fusion)[0]


@functools.partial(jax.jit, static_argnames=("blank_id", "beam_size"))
def beam(log_probs, num_frames, models, weights, bonus, threshold, *, blank_id, beam_size):
    fusion = fused(models, weights, len(log_probs))
    exact = {"candidates": None, "skip_blank": 1.0, "merge": "max"}
    options = {"beam_size": beam_size, "num_best": beam_size, "length_bonus": bonus, "threshold": threshold}
    return ctc_beam(log_probs, num_frames, blank_id=blank_id, fusion=fusion, **options, **exact)


@pytest.mark.parametrize(
    "name", ["greedy", "greedy_lm0.3", "greedy_lm1", "greedy_boost0.3", "greedy_boost1", "greedy_both"]
)
def test_greedy_search(refs, name):
    log_probs, num_frames, expected, _, blank_id, models, weights = case(refs, name, "greedy")
    found = jax.tree.map(np.asarray, greedy(log_probs, num_frames, models, weights, blank_id=blank_id))
    for row, hypothesis in enumerate(expected):
        path = hypothesis["y_sequence"]  # NeMo's symbol of every frame
        merged = [k for t, k in enumerate(path) if k != blank_id and (t == 0 or path[t - 1] != k)]
        assert found.ids[row, : found.num_tokens[row]].tolist() == merged
        np.testing.assert_allclose(found.score[row], hypothesis["score"], rtol=1e-5)


# In a batch, NeMo's beam search continues over the padding: only its longest row is right.
@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("beam4_lm1_alone", 3),
        ("beam4", 1),
        ("beam4_lm0.3", 1),
        ("beam4_lm1_beta1", 1),
        ("beam4_boost1", 1),
        ("beam4_both", 1),
        ("beam8_lm0.5_beta0.5_thr5", 1),
    ],
)
def test_beam_search(refs, name, rows):
    log_probs, num_frames, expected, settings, blank_id, models, weights = case(refs, name, "beam")
    bonus, threshold = settings["beam_beta"], settings.get("beam_threshold", 20.0)
    inputs = log_probs, num_frames, models, weights, bonus, threshold
    found = beam(*inputs, blank_id=blank_id, beam_size=settings["beam_size"])
    found = jax.tree.map(np.asarray, found)
    assert num_frames[0] == num_frames.max()
    for row in range(rows):
        for tokens, hypothesis in zip(found, expected[row], strict=False):
            count = tokens.num_tokens[row]
            assert tokens.ids[row, :count].tolist() == hypothesis["y_sequence"]
            assert tokens.starts[row, :count].tolist() == hypothesis["timestamp"]
            np.testing.assert_allclose(tokens.score[row], hypothesis["score"], rtol=1e-5)
        assert all(tokens.score[row] == -np.inf for tokens in found[len(expected[row]) :])
