"""Tests transducer beam search against path enumeration and against the greedy search."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.search.transducer import greedy_start, transducer_greedy
from jaxspeech.search.transducer_beam import transducer_beam
from tests.search.transducers import J, TinyTransducer, enumerate_tokens

V = 2
KINDS = {
    "rnnt": dict(blank_id=V),
    "tdt": dict(blank_id=V, durations=(0, 1, 2, 3)),
    "multiblank": dict(blank_id=V + 2, big_blank_durations=(2, 3)),
}


def tiny(kind, *, blank_bias=1.5):
    options = KINDS[kind]
    extra = len(options.get("durations", ())) + len(options.get("big_blank_durations", ()))
    return TinyTransducer(1, vocab_size=V, extra=extra, blank_bias=blank_bias, scale=2.0)


def frames(num_frames, *, size, seed=0):
    encoded = np.random.default_rng(seed).normal(size=(len(num_frames), size, J)).astype(np.float32)
    encoded[np.arange(size) >= np.array(num_frames)[:, None]] = np.nan
    return encoded


@partial(jax.jit, static_argnames=("function", "model", "options"))
def run(function, model, encoded, num_frames, options):
    predict, joint = partial(model.predict, xp=jnp), partial(model.joint, xp=jnp)
    state = greedy_start(predict, model.initial(len(encoded)), start_id=V)
    return function(predict, joint, encoded, num_frames, state, **dict(options))


def search(function, model, encoded, num_frames, **options):
    return jax.tree.map(np.asarray, run(function, model, encoded, np.array(num_frames), tuple(options.items())))


def beam(model, encoded, num_frames, **options):
    return search(transducer_beam, model, encoded, num_frames, **options)


def ids(tokens, row):
    return tuple(tokens.ids[row, : tokens.num_tokens[row]].tolist())


@pytest.mark.parametrize("kind", KINDS)
def test_a_wide_beam_finds_the_most_probable_tokens(kind):
    model, num_frames = tiny(kind), [3, 2]
    encoded = frames(num_frames, size=3)
    options = KINDS[kind] | dict(max_symbols=3)
    found = beam(model, encoded, num_frames, **options, beam_size=300, num_best=4, normalize=False)
    for row, count in enumerate(num_frames):
        totals = enumerate_tokens(model, encoded[row, :count], **options)
        best = sorted(totals, key=totals.get, reverse=True)[:4]
        assert [ids(tokens, row) for tokens in found] == best
        np.testing.assert_allclose([tokens.score[row] for tokens in found], [totals[t] for t in best], atol=1e-5)


def test_normalisation_by_length():
    model, encoded = tiny("rnnt"), frames([3], size=3)
    totals = enumerate_tokens(model, encoded[0], **KINDS["rnnt"], max_symbols=3)
    best = max(totals, key=lambda tokens: totals[tokens] / (len(tokens) + 1))
    (found,) = beam(model, encoded, [3], **KINDS["rnnt"], max_symbols=3, beam_size=300)
    assert len(best) > 1 and ids(found, 0) == best


@pytest.mark.parametrize("kind", ["rnnt", "tdt"])
def test_a_beam_of_one_is_the_greedy_search(kind):
    model, num_frames = tiny(kind, blank_bias=0.5), [40, 23, 0]
    encoded = frames(num_frames, size=40)
    # After the maximum of tokens, greedy search advances by one frame, the beam by a blank: longer in a TDT.
    options = KINDS[kind] | dict(max_symbols=100 if kind == "tdt" else 3)
    greedy, _ = search(transducer_greedy, model, encoded, num_frames, **options)
    (found,) = beam(model, encoded, num_frames, **options, beam_size=1)
    assert greedy.num_tokens[0] > 10
    for row in range(3):
        assert ids(found, row) == ids(greedy, row)
        real = np.s_[row, : greedy.num_tokens[row]]
        np.testing.assert_array_equal(found.starts[real], greedy.starts[real])
        np.testing.assert_array_equal(found.ends[real], greedy.ends[real])
        np.testing.assert_allclose(found.confidence[real], greedy.confidence[real], rtol=1e-4)
    assert found.score[2] == 0


@pytest.mark.parametrize("kind", ["rnnt", "tdt"])
def test_batch_of_one_equals_batch_of_many(kind):
    model, num_frames = tiny(kind, blank_bias=0.5), [12, 7, 0, 11]
    encoded = frames(num_frames, size=12)
    together = beam(model, encoded, num_frames, **KINDS[kind], num_best=3)
    for row in (1, 3):
        alone = beam(model, encoded[row : row + 1], num_frames[row : row + 1], **KINDS[kind], num_best=3)
        for one, many in zip(alone, together, strict=True):
            assert ids(one, 0) == ids(many, row)
            np.testing.assert_allclose(one.score[0], many.score[row], rtol=1e-5)
    hypotheses = [ids(tokens, 0) for tokens in together]
    assert len(set(hypotheses)) == 3
    assert [tokens.score[2] for tokens in together] == [0, -np.inf, -np.inf]  # without frames there is one hypothesis


def test_frames_full_of_tokens_fill_the_buffer_and_end():
    model, num_frames = tiny("rnnt", blank_bias=-100), [5, 3]
    (found,) = beam(model, frames(num_frames, size=5), num_frames, **KINDS["rnnt"], max_symbols=4, normalize=False)
    assert found.num_tokens.tolist() == [20, 12] and found.ids.shape == (2, 20)


@pytest.mark.parametrize("options", [dict(num_best=5), dict(num_best=0), dict(max_symbols=None)])
def test_invalid_options_are_refused(options):
    with pytest.raises(ConfigError):
        beam(tiny("rnnt"), frames([2], size=2), [2], **KINDS["rnnt"], **options)
