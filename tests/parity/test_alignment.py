"""Compares the aligner's prior, path, expansion and losses with NeMo's, and those of speech."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.features.prior import beta_binomial_prior
from jaxspeech.losses.binarization import binarization_loss
from jaxspeech.losses.forward_sum import forward_sum_loss
from jaxspeech.losses.speech import duration_loss, mel_loss, symbol_loss
from jaxspeech.nn.expand import durations_from_log, expand, rounded_durations, token_means
from jaxspeech.search.monotonic import has_path, monotonic_path
from tests.parity.reference import arrays_of


@pytest.fixture
def nemo(request):
    return arrays_of("tts_align", request)[0]


def sizes(nemo):
    return nemo["mel_len"].astype(np.int32), nemo["text_len"].astype(np.int32)


def test_priors(nemo):
    names = [name for name in nemo if name.startswith("prior.")]
    frames, symbols = np.array([nemo[name].shape for name in names]).T
    of = jax.jit(lambda scaling: beta_binomial_prior(frames, symbols, frames.max(), symbols.max(), scaling=scaling))
    found = {scaling: of(scaling) for scaling in (1.0, 2.0)}
    for b, name in enumerate(names):
        row = found[2.0 if "scale2" in name else 1.0][b, : frames[b], : symbols[b]]
        np.testing.assert_allclose(row, nemo[name], rtol=1e-4, atol=1e-7, err_msg=name)


def test_paths_and_the_pitch_of_symbols(nemo):
    num_frames, num_symbols = sizes(nemo)
    path = monotonic_path(jnp.log(nemo["attn_soft"][:, 0]), num_frames, num_symbols)
    np.testing.assert_array_equal(path.durations, nemo["durations"])
    hard = np.eye(nemo["attn_hard"].shape[3])[np.asarray(path.symbols)]
    hard *= np.arange(hard.shape[1])[:, None] < num_frames[:, None, None]
    np.testing.assert_array_equal(hard, nemo["attn_hard"][:, 0])
    ties = nemo["mas.ties_hard"][0, 0]
    found = monotonic_path(jnp.zeros((1, *ties.shape)), np.array([len(ties)]), np.array([ties.shape[1]]))
    np.testing.assert_array_equal(found.durations[0], ties.sum(0))
    np.testing.assert_allclose(token_means(nemo["pitch_frames"], path.durations), nemo["pitch_tokens"], atol=1e-5)


@pytest.mark.parametrize("blank", [-1, -4])
def test_forward_sum(nemo, blank):
    scores = nemo["attn_logprob"][:, 0]
    usable = has_path(*sizes(nemo))

    @jax.jit
    def run(x):
        def mean(x):
            losses = forward_sum_loss(x, *sizes(nemo), blank_score=blank)
            # NeMo counts a row without a path as 0.
            return jnp.where(usable, losses, 0).mean(), losses

        return jax.value_and_grad(mean, has_aux=True)(x)

    (loss, losses), grads = run(scores)
    np.testing.assert_array_equal(np.isfinite(losses), usable)
    np.testing.assert_allclose(loss, nemo[f"forward_sum.blank{blank}"], rtol=1e-5)
    each = [nemo[f"forward_sum_one.blank{blank}.{b}"] for b in np.flatnonzero(usable)]
    np.testing.assert_allclose(losses[usable], each, rtol=1e-5)
    np.testing.assert_allclose(grads, nemo[f"forward_sum_grad.blank{blank}"][:, 0], atol=1e-6)


def test_binarization(nemo):
    soft, hard = nemo["attn_soft"][:, 0], nemo["attn_hard"][:, 0]

    def mean(x):
        return binarization_loss(x, hard.argmax(2), sizes(nemo)[0], batch=np.ones(len(hard), bool)).mean()

    loss, grad = jax.jit(jax.value_and_grad(mean))(np.log(np.maximum(soft, 1e-30)))
    np.testing.assert_allclose(loss, nemo["bin_loss"], rtol=1e-5)
    np.testing.assert_allclose(grad, nemo["bin_loss_grad"][:, 0] * soft, rtol=1e-4, atol=1e-7)


def test_expansion(nemo):
    durations, vectors = nemo["reg.durs"], nemo["reg.enc"]
    whole = np.full(len(vectors), vectors.shape[1])
    run = jax.jit(lambda x, d, pace: expand(x, rounded_durations(d, whole, pace=pace), 100))
    for pace in (1.0, 0.8, 1.37):
        expected = nemo[f"reg.out.pace{pace}"]
        found, lengths = run(vectors, durations, pace)
        np.testing.assert_array_equal(lengths, nemo[f"reg.len.pace{pace}"])
        np.testing.assert_allclose(found[:, : expected.shape[1]], expected, atol=1e-6)
    lengths = nemo["logdur_mask"][:, :, 0].sum(1).astype(np.int32)
    found = durations_from_log(nemo["logdur"], lengths)
    np.testing.assert_array_equal(found, np.floor(nemo["logdur_to_dur"] + 0.5))


@pytest.mark.parametrize("name", ["dur", "pitch", "energy"])
def test_losses_of_symbols(nemo, name):
    loss = duration_loss if name == "dur" else symbol_loss
    targets, lengths = nemo[f"{name}.tgt"], nemo["scalar_len"].astype(np.int32)

    def mean(x):
        return 0.1 * loss(x, targets, lengths, batch=np.ones(len(lengths), bool)).mean()

    value, grad = jax.jit(jax.value_and_grad(mean))(nemo[f"{name}.pred"])
    np.testing.assert_allclose(value, nemo[f"{name}.loss"], rtol=1e-5)
    np.testing.assert_allclose(grad, nemo[f"{name}.grad"], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("longer", [0, -2, 3])
def test_losses_of_mels(nemo, longer):
    targets = nemo["mel_loss.tgt"].transpose(0, 2, 1)
    whole = np.full(len(targets), targets.shape[1])
    loss = partial(mel_loss, batch=np.ones(len(targets), bool), skip_zeros=True)
    value, grad = jax.jit(jax.value_and_grad(lambda x: loss(x, targets, whole).mean()))(
        nemo[f"mel_loss.pred{longer}"].transpose(0, 2, 1)
    )
    np.testing.assert_allclose(value, nemo[f"mel_loss.{longer}"], rtol=1e-5)
    np.testing.assert_allclose(grad.transpose(0, 2, 1), nemo[f"mel_loss.grad{longer}"], rtol=1e-4, atol=1e-7)
