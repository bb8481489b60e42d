"""Compares the losses of enhancement with NeMo's."""

import jax
import numpy as np
import pytest

from jaxspeech.losses.sdr import sdr_loss, signal_to_distortion
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
