"""Compares beamforming, dereverberation, guided separation and features of several channels with NeMo's."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.signal.beamformer import Beamformer, beamformed
from jaxspeech.signal.covariance import covariances
from jaxspeech.signal.gss import guided_masks
from jaxspeech.signal.mask import consistent, limited
from jaxspeech.signal.multichannel import channel_features
from jaxspeech.signal.wpe import WPE, dereverberated

beamform = jax.jit(beamformed, static_argnums=3)
dereverberate = jax.jit(dereverberated, static_argnums=2)
# NeMo's filter alone, which has no limits of masks.
UNLIMITED = Beamformer(least_db=-400.0, most_db=200.0)


class References:
    """The arrays of the file, frames before bins."""

    def __init__(self, path):
        with np.load(path) as arrays:
            self.arrays = dict(arrays)
        self.spectra = jnp.asarray(self["spec"])
        self.num_frames = jnp.asarray(self.arrays["spec_len"], jnp.int32)
        self.every = jnp.full_like(self.num_frames, self.spectra.shape[2])

    def __getitem__(self, name):
        return self.arrays[name].swapaxes(-1, -2)


@pytest.fixture(scope="module")
def reference(refs):
    return References(refs / "enh_dsp.npz")


def assert_close(values, expected, tolerance=2e-5):
    np.testing.assert_allclose(values, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def test_covariances(reference):
    mask = jnp.asarray(reference["mask_s"])[:, None]
    assert_close(covariances(reference.spectra, mask)[:, 0], reference["cov_mask"].swapaxes(-1, -2), 1e-6)
    everything = covariances(reference.spectra, jnp.ones_like(mask))[:, 0]
    assert_close(everything, reference["cov"].swapaxes(-1, -2), 1e-6)


FILTERS = {
    "mvdr0": {},
    "mwf1": {"beta": 1.0, "reference": 1},
    "mimo": {"beta": 0.5, "reference": "all"},
    "full": {"beta": 1.0, "rank": "full"},
    "max_snr": {"reference": "max_snr"},
    "soft": {"reference": "max_snr", "hard": False},
    "subband": {"reference": "max_snr"},
    "ban": {"postfilter": "ban"},
    "noreg": {"loading": 0.0},
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters(reference, name):
    speech, noise = (jnp.asarray(reference[key])[:, None] for key in ("mask_s", "mask_n"))
    bins = {}
    if name == "subband":
        weights = "subband.ref_estimator.weight_"
        bins = {f"{key}_bins": jnp.asarray(reference.arrays[f"{weights}{key[0]}"]) for key in ("speech", "noise")}
    settings = UNLIMITED._replace(**FILTERS[name])
    out = beamform(reference.spectra, speech, reference.every, settings, noise_masks=noise, **bins)
    assert_close(out, reference[f"pmwf.{name}"])


MASKED = {
    "default": {},
    "pmwf_post": {"beta": 0.3, "post_least_db": -20.0, "least_db": -40.0},
    "max_snr": {"reference": "max_snr"},
}


@pytest.mark.parametrize("name", MASKED)
def test_beamforming_by_masks(reference, name):
    masks, settings = jnp.asarray(reference["masks2"]), Beamformer(**MASKED[name])
    one = beamform(reference.spectra, masks[:, :1], reference.num_frames, settings)
    assert_close(one, reference[f"bf.{name}.one"])
    both = beamform(reference.spectra, masks, reference.num_frames, settings)
    assert_close(both, reference[f"bf.{name}.two"])


def test_gradients_of_beamforming(reference):
    @jax.jit
    @partial(jax.grad, argnums=(0, 1))
    def gradients(spectra, masks):
        out = beamformed(spectra, masks, reference.num_frames, Beamformer())
        return jnp.sum(out.real**2 + out.imag**2)

    of_spectra, of_masks = gradients(reference.spectra, jnp.asarray(reference["masks2"])[:, :1])
    assert_close(of_masks, reference["bf.grad_mask"], 5e-5)
    assert_close(of_spectra.conj(), reference["bf.grad_spec"], 5e-5)


@pytest.mark.parametrize(("name", "settings"), [("wpe1", WPE(5, 2, 1, True)), ("wpe3", WPE(4, 3, 3, True))])
def test_dereverberation(reference, name, settings):
    assert_close(dereverberate(reference.spectra, reference.num_frames, settings), reference[name])
    assert_close(dereverberate(reference.spectra, reference.every, settings), reference[f"{name}.nolen"])
    masks = jnp.asarray(reference["masks2"])[:, :1]
    masked = dereverberate(reference.spectra, reference.num_frames, settings, masks=masks)
    assert_close(masked, reference[f"{name}.mask"], 1e-4)


@pytest.mark.parametrize("iterations", [1, 3])
def test_guided_separation(reference, iterations):
    separate = jax.jit(partial(guided_masks, iterations=iterations))
    masks = separate(reference.spectra, jnp.asarray(reference.arrays["gss.activity"]), reference.every)
    assert_close(masks, reference[f"gss.gamma{iterations}"], 1e-4)


FEATURES = {
    "rms": {"reduction": "rms"},
    "abs_mean_pow": {"reduction": "abs_mean", "power": 0.5},
    "mean_abs_mv": {"reduction": "mean_abs", "normalize": "mean_var"},
    "ipd": {"phase_differences": True, "normalize": "mean_var", "phase_normalize": "mean"},
    "ipd_mv": {"phase_differences": True, "reduction": "rms", "phase_normalize": "mean_var"},
}


def test_features(reference):
    compute = jax.jit(lambda x, n: {name: channel_features(x, n, **options) for name, options in FEATURES.items()})
    features = compute(reference.spectra, reference.num_frames)
    real = np.arange(reference.spectra.shape[2])[:, None] < reference.num_frames[:, None, None, None]
    for name, values in features.items():
        assert_close(np.where(real, values, 0), np.where(real, reference[f"feat.{name}"], 0), 1e-6)


def test_masks(reference):
    spectra = reference.spectra
    limits = limited(jnp.asarray(reference["masks2"]), least_db=-20, most_db=0)
    assert_close(limits * spectra[:, 1:2], reference["ref_channel.mask"], 1e-6)
    estimates = 0.6 * spectra[:, 1:3]
    for name, weighting in (("None", "uniform"), ("power", "power")):
        out = consistent(estimates, spectra[:, :1], weighting=weighting)
        assert_close(out, reference[f"mixcons.{name}"], 1e-6)
