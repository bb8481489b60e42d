"""Compares the losses of enhancement with NeMo's."""

import jax
import numpy as np
import pytest

from jaxspeech.losses.sdr import sdr_loss, signal_to_distortion
from jaxspeech.losses.separation import match_targets
from jaxspeech.losses.spectral import mae_loss, mse_loss
from tests.parity.reference import arrays_of

# The references' gradients are of the loss with these weights of the channels.
WEIGHTS = (0.7, 0.3)


@pytest.mark.parametrize("name", ["sdr", "sisdr", "sisdr_max30", "sdr_mean", "csdr64", "csdr512_max30", "csdr1"])
def test_ratios_losses_and_gradients(request, name):
    arrays, notes = arrays_of("enh_losses", request)
    targets, estimates, lengths = arrays["target"], arrays["estimate"], arrays["length"].astype(np.int32)

    @jax.jit
    def run(estimates, lengths):
        def weighted(x):
            return sdr_loss(x, targets, lengths, weight=WEIGHTS, **notes[name]).mean()

        return (
            signal_to_distortion(estimates, targets, lengths, **notes[name]),
            sdr_loss(estimates, targets, lengths, **notes[name]).mean(),
            *jax.value_and_grad(weighted)(estimates),
        )

    ratios, loss, weighted, grads = run(estimates, lengths)
    np.testing.assert_allclose(ratios, arrays[f"{name}.batch"], atol=1e-4)
    np.testing.assert_allclose(run(estimates, lengths * 0 + 4000)[0], arrays[f"{name}.batch_nolen"], atol=1e-4)
    np.testing.assert_allclose(loss, arrays[f"{name}.loss"], rtol=1e-5)
    np.testing.assert_allclose(weighted, arrays[f"{name}.loss_w.7_.3"], rtol=1e-5)
    if f"{name}.grad" in arrays:
        expected = arrays[f"{name}.grad"]
        np.testing.assert_allclose(grads, expected, atol=1e-4 * abs(expected).max())


@pytest.mark.parametrize(("name", "loss"), [("mse", mse_loss), ("mae", mae_loss)])
def test_distances_of_signals_and_spectra(request, name, loss):
    arrays, _ = arrays_of("enh_losses", request)
    estimates, targets, frames = (
        np.moveaxis(arrays["spec_estimate"], 2, 3),
        np.moveaxis(arrays["spec_target"], 2, 3),
        arrays["spec_len"],
    )
    signals = arrays["estimate"], arrays["target"]
    lengths = arrays["length"]
    whole = np.full(3, targets.shape[2])
    samples, found, in_all_frames = jax.jit(
        lambda: (loss(*signals, lengths), loss(estimates, targets, frames), loss(estimates, targets, whole))
    )()
    np.testing.assert_allclose(samples, arrays[f"{name}.time_batch"].mean(1), rtol=1e-5)
    np.testing.assert_allclose(samples.mean(), arrays[f"{name}.time_loss"], rtol=1e-5)
    np.testing.assert_allclose(found, arrays[f"{name}.spec_batch"].mean(1), rtol=1e-5)
    np.testing.assert_allclose(found.mean(), arrays[f"{name}.spec_loss"], rtol=1e-5)
    np.testing.assert_allclose(in_all_frames.mean(), arrays[f"{name}.spec_loss_nolen"], rtol=1e-5)


def test_best_orders_of_sources(request):
    arrays, _ = arrays_of("enh_losses", request)
    sources, estimates, lengths = arrays["target"], arrays["estimate"], arrays["length"].astype(np.int32)

    def negative(*args):
        return -signal_to_distortion(*args, scale_invariant=True)

    @jax.jit
    def run(estimates, lengths):
        matched, order = match_targets(negative, estimates, sources, lengths)
        return order, -negative(estimates, matched, lengths).mean(1)

    order, best = run(estimates, lengths)
    np.testing.assert_allclose(best, arrays["pit_max"][:, 0], rtol=1e-4)
    # NeMo was given the sources in the opposite order; its order 0 is (0, 1).
    np.testing.assert_array_equal(order[:, 0], 1 - arrays["pit_idx"])
