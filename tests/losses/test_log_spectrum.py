"""The distance of log spectra, and of what discriminators see, against NumPy in float64."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.losses.feature_matching import feature_matching_loss
from jaxspeech.losses.log_spectrum import log_spectrum_loss

RESOLUTIONS = ((16, 4, 16), (32, 8, 24))
LENGTHS = [100, 61]


def spectrum(x: np.ndarray, size: int, hop: int, window: int) -> np.ndarray:
    taper = np.zeros(size)
    left = (size - window) // 2
    taper[left : left + window] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / (window - 1))
    around = np.pad(x, size // 2, mode="reflect")
    frames = [around[n * hop : n * hop + size] * taper for n in range(len(x) // hop + 1)]
    return np.log(np.sqrt(np.abs(np.fft.rfft(frames)) ** 2 + 1e-5) + 1.0)


def test_log_spectra_of_each_row() -> None:
    rng = np.random.default_rng(0)
    e, t = rng.normal(size=(2, 2, 100)).astype(np.float32)
    wanted = [
        np.mean([np.abs(spectrum(e[i, :n], *r) - spectrum(t[i, :n], *r)).mean() for r in RESOLUTIONS])
        for i, n in enumerate(LENGTHS)
    ]
    e[1, 61:], t[1, 61:] = np.nan, np.nan
    found = log_spectrum_loss(e, t, jnp.array(LENGTHS), resolutions=RESOLUTIONS)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert np.isfinite(log_spectrum_loss(e, t, jnp.array([3, 0]), resolutions=RESOLUTIONS)).all()


@pytest.mark.parametrize("kind", ["absolute", "relative"])
def test_features_of_each_row(kind: str) -> None:
    rng = np.random.default_rng(1)
    shapes, lengths = [[(2, 5, 3), (2, 4, 2)], [(2, 6, 1)]], [[(5, 3), (4, 2)], [(6, 4)]]
    real, generated, wanted = [], [], np.zeros(2)
    for each, sizes in zip(shapes, lengths, strict=True):
        layers = [rng.normal(size=(2, *shape)).astype(np.float32) for shape in each]
        for row in range(2):
            for (r, g), size in zip(layers, sizes, strict=True):
                r, g = r[row, : size[row]], g[row, : size[row]]
                away = np.abs(r - g).mean(0)
                if kind == "relative":
                    away = away / (np.abs(r).mean(0) + 1e-3)
                wanted[row] += away.mean() / len(layers) / len(shapes)
        masks = [np.arange(x.shape[2]) < np.array(size)[:, None] for x, size in zip(layers, sizes, strict=True)]
        spoiled = [np.where(mask[..., None], x, np.nan) for x, mask in zip(layers, masks, strict=True)]
        real.append([(jnp.asarray(x[0]), jnp.asarray(m)) for x, m in zip(spoiled, masks, strict=True)])
        generated.append([(jnp.asarray(x[1]), jnp.asarray(m)) for x, m in zip(spoiled, masks, strict=True)])
    np.testing.assert_allclose(feature_matching_loss(real, generated, kind=kind), wanted, rtol=1e-5)
